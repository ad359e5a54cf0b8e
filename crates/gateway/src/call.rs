//! gRPC in the middle: what a client says becomes a [`Call`], what comes back
//! is a [`Reply`], and both carry messages as gRPC frames.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::{Body as _, Frame as BodyFrame};
use tokio::time::{Instant, Sleep};

use crate::BoxError;
use crate::frame::Meter;
use crate::held::Held;
use crate::{Body, Code, Deadline, Outcome, Status, metadata};
use portolan_rpc::deadline::to_grpc;

/// What a client asks for.
#[derive(Debug)]
pub(crate) struct Call {
    /// The path of the RPC.
    pub(crate) uri: Uri,
    pub(crate) metadata: HeaderMap,
    /// gRPC frames.
    pub(crate) messages: Body,
    /// What went wrong while the messages were read, if anything did.
    pub(crate) fault: Fault,
}

impl Call {
    /// The request as any gRPC server takes it (gRPC over HTTP/2, "Requests").
    pub(crate) fn into_request(self, deadline: Deadline) -> Request<Body> {
        let mut request = Request::new(self.messages);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri;
        let mut headers = self.metadata;
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        if let Some(remaining) = deadline.remaining()
            && let Ok(value) = HeaderValue::try_from(to_grpc(remaining))
        {
            headers.insert("grpc-timeout", value);
        }
        *request.headers_mut() = headers;
        request
    }
}

/// What is wrong with the messages of a client, noticed while they flow. It
/// decides the status of the call, whatever the service makes of a request that
/// breaks off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault(Arc<OnceLock<Status>>);

impl Fault {
    pub(crate) fn set(&self, status: Status) {
        let _ = self.0.set(status);
    }

    pub(crate) fn get(&self) -> Option<&Status> {
        self.0.get()
    }
}

/// The messages of a client as frames, from a stream of them.
pub(crate) struct Messages<S> {
    stream: S,
    fault: Fault,
}

impl<S> Messages<S>
where
    S: Stream<Item = Result<Bytes, Status>> + Send + Unpin + 'static,
{
    /// A body of the frames that `stream` gives; an error ends the call with
    /// its status.
    pub(crate) fn body(stream: S, fault: Fault) -> Body {
        Body::new(Self { stream, fault })
    }
}

impl<S> http_body::Body for Messages<S>
where
    S: Stream<Item = Result<Bytes, Status>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        match std::task::ready!(Pin::new(&mut self.stream).poll_next(context)) {
            None => Poll::Ready(None),
            Some(Ok(frame)) => Poll::Ready(Some(Ok(BodyFrame::data(frame)))),
            Some(Err(status)) => {
                self.fault.set(status.clone());
                Poll::Ready(Some(Err(status.into())))
            }
        }
    }
}

/// A client's frames on their way to the service, untouched but watched.
pub(crate) struct PassThrough {
    body: Body,
    meter: Meter,
    fault: Fault,
    /// Of an RPC that takes one message, what has come of it.
    single: bool,
    held: Option<Bytes>,
    ended: bool,
}

impl PassThrough {
    pub(crate) fn new(body: Body, limit: usize, fault: Fault) -> Self {
        Self {
            body,
            meter: Meter::new(limit, Code::InvalidArgument),
            fault,
            single: false,
            held: None,
            ended: false,
        }
    }

    /// Refuses compressed messages, for a request that names no encoding.
    pub(crate) fn uncompressed(self) -> Self {
        Self {
            meter: self.meter.uncompressed(),
            ..self
        }
    }

    /// Sees to it that there is exactly one message. Its end is held back until
    /// that is sure, since a service may answer as soon as it has a message.
    pub(crate) fn single(self) -> Self {
        Self {
            single: true,
            ..self
        }
    }

    pub(crate) fn into_body(self) -> Body {
        Body::new(self)
    }

    /// What there is to say of the next piece, if it can go on at once.
    fn pass(&mut self, data: Bytes) -> Result<Option<Bytes>, Status> {
        self.meter.pass(&data)?;
        if !self.single {
            return Ok(Some(data));
        }
        if self.meter.messages() > 1 {
            return Err(too_many());
        }
        if data.is_empty() {
            return Ok(None);
        }
        if self.meter.is_at_boundary() && !self.body.is_end_stream() {
            self.held = Some(data);
            return Ok(None);
        }
        Ok(Some(data))
    }

    /// Whether what has come is a whole request.
    fn check_end(&self) -> Result<(), Status> {
        if !self.meter.is_at_boundary() {
            return Err(torn());
        }
        if self.single && self.meter.messages() == 0 {
            return Err(too_few());
        }
        Ok(())
    }

    fn fail(&mut self, status: Status) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        self.ended = true;
        self.held = None;
        self.fault.set(status.clone());
        Poll::Ready(Some(Err(status.into())))
    }
}

impl http_body::Body for PassThrough {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        while !self.ended {
            let frame = match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                // The client went away; its service need not hear more.
                Some(Err(error)) => return self.fail(broke_off(error)),
                None => match self.check_end() {
                    Ok(()) => {
                        self.ended = true;
                        break;
                    }
                    Err(status) => return self.fail(status),
                },
            };
            // Trailers of a request carry nothing.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            match self.pass(data) {
                Ok(Some(data)) => {
                    // Told with the last piece, the end needs no frame of its own.
                    self.ended = self.body.is_end_stream() && self.check_end().is_ok();
                    return Poll::Ready(Some(Ok(BodyFrame::data(data))));
                }
                Ok(None) => {}
                Err(status) => return self.fail(status),
            }
        }
        Poll::Ready(self.held.take().map(|data| Ok(BodyFrame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.held.is_none()
    }
}

/// The status for a second message where the RPC takes one (gRPC, "Status codes
/// and their use": a wrong number of messages is UNIMPLEMENTED).
pub(crate) fn too_many() -> Status {
    Status::new(
        Code::Unimplemented,
        "the request has more than one message, and the method takes one",
    )
}

/// The status for no message where the RPC takes one.
pub(crate) fn too_few() -> Status {
    Status::new(
        Code::Unimplemented,
        "the request has no message, and the method takes one",
    )
}

/// The status for a request whose last message is not whole.
pub(crate) fn torn() -> Status {
    Status::new(
        Code::InvalidArgument,
        "the request ended in the middle of a message",
    )
}

/// The status for a body that fails: its own where the gateway itself found
/// fault with it, and otherwise that of a client that went away.
pub(crate) fn broke_off(error: BoxError) -> Status {
    match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) => Status::new(Code::Cancelled, format!("the request broke off: {error}")),
    }
}

/// What a service answers.
pub(crate) struct Reply {
    pub(crate) metadata: HeaderMap,
    /// gRPC frames, then trailers with a status in any case.
    pub(crate) messages: Guarded,
}

impl Reply {
    /// Reads the answer of a gRPC service (gRPC over HTTP/2, "Responses").
    pub(crate) fn from_response(
        response: Response<Body>,
        deadline: Deadline,
        fault: Fault,
        limit: usize,
        outcome: Outcome,
        streams: bool,
    ) -> Self {
        let (mut head, body) = response.into_parts();
        metadata::remove_hop_headers(&mut head.headers);
        // Each protocol has its own.
        let content_type = head.headers.remove(header::CONTENT_TYPE);
        let state = match Status::take_from(&mut head.headers) {
            // Trailers-Only: the headers are the trailers.
            Some(status) => State::Ended(Some((status, std::mem::take(&mut head.headers)))),
            None => match not_grpc(head.status, content_type.as_ref()) {
                None => State::Flowing,
                Some(status) => State::Ended(Some((status, HeaderMap::new()))),
            },
        };
        Self {
            metadata: head.headers,
            messages: Guarded {
                // A single message is read as soon as it is there.
                body: Held::new(body, deadline.instant().filter(|_| streams), &outcome),
                state,
                meter: Meter::new(limit, Code::Internal),
                deadline: deadline
                    .instant()
                    .map(|instant| Box::pin(tokio::time::sleep_until(instant))),
                fault,
                outcome,
            },
        }
    }

    /// The status and trailers of a reply that has no message and is over.
    pub(crate) fn take_trailers_only(&mut self) -> Option<(Status, HeaderMap)> {
        self.messages.take_trailers_only()
    }
}

/// What an answer without a status says, when it is not one of gRPC
/// (gRPC, "HTTP to gRPC Status Code Mapping").
fn not_grpc(status: StatusCode, content_type: Option<&HeaderValue>) -> Option<Status> {
    if !status.is_success() {
        let message = format!("the service answered with HTTP status {status}");
        return Some(Status::new(Code::from_http(status), message));
    }
    let content_type = content_type?;
    if content_type.as_bytes().starts_with(b"application/grpc") {
        return None;
    }
    let name = String::from_utf8_lossy(content_type.as_bytes());
    let message = format!("the service answered with `{name}`, which is not gRPC");
    Some(Status::new(Code::Unknown, message))
}

enum State {
    Flowing,
    /// Over, with the trailers until they are handed out.
    Ended(Option<(Status, HeaderMap)>),
}

/// The messages of a service on their way to the client: held to the limit and
/// the deadline, and ended by a status whatever happens.
pub(crate) struct Guarded {
    body: Held,
    state: State,
    meter: Meter,
    deadline: Option<Pin<Box<Sleep>>>,
    fault: Fault,
    outcome: Outcome,
}

/// A part of a reply.
pub(crate) enum Part {
    /// Some of its frames.
    Data(Bytes),
    /// Its end: status and trailing metadata.
    End(Status, HeaderMap),
}

impl Part {
    /// As gRPC has it.
    fn into_frame(self) -> BodyFrame<Bytes> {
        match self {
            Self::Data(data) => BodyFrame::data(data),
            Self::End(status, mut trailers) => {
                status.write_to(&mut trailers);
                BodyFrame::trailers(trailers)
            }
        }
    }
}

impl Guarded {
    fn take_trailers_only(&mut self) -> Option<(Status, HeaderMap)> {
        let State::Ended(trailers) = &mut self.state else {
            return None;
        };
        let (status, trailers) = trailers.take()?;
        Some((self.settle(status), trailers))
    }

    /// The status that counts: a fault of the request comes before what the
    /// service says.
    fn settle(&mut self, status: Status) -> Status {
        let status = self.fault.get().cloned().unwrap_or(status);
        self.outcome.end(status.code());
        status
    }

    /// Lets go of the service, since the client will hear another end than its.
    pub(crate) fn abandon(&mut self, code: Code) {
        // Before the body goes, for those in it who want to know why.
        self.outcome.end(code);
        self.body.release();
        self.state = State::Ended(None);
    }

    /// Ends the reply, and lets go of the service.
    fn end(&mut self, status: Status, trailers: HeaderMap) -> Part {
        // Before the body goes, for those in it who want to know why.
        let status = self.settle(status);
        self.body.release();
        self.state = State::Ended(None);
        Part::End(status, trailers)
    }

    /// What comes next; `None` after the end.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Part>> {
        if let State::Ended(trailers) = &mut self.state {
            let Some((status, trailers)) = trailers.take() else {
                return Poll::Ready(None);
            };
            return Poll::Ready(Some(self.end(status, trailers)));
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Some(self.end(Deadline::exceeded(), HeaderMap::new())));
        }
        let frame = match std::task::ready!(self.body.poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let passed = |deadline: &Pin<Box<Sleep>>| deadline.deadline() <= Instant::now();
                let status = match error.downcast::<Status>() {
                    // The service gave up a moment before this was noticed here.
                    _ if self.deadline.as_ref().is_some_and(passed) => Deadline::exceeded(),
                    Ok(status) => *status,
                    Err(error) => {
                        let message = format!("the service broke off: {error}");
                        Status::new(Code::Unavailable, message)
                    }
                };
                return Poll::Ready(Some(self.end(status, HeaderMap::new())));
            }
            None => {
                let status = Status::new(Code::Internal, "the service ended without a status");
                return Poll::Ready(Some(self.end(status, HeaderMap::new())));
            }
        };
        Poll::Ready(Some(match frame.into_data() {
            Ok(data) => match self.meter.pass(&data) {
                Ok(()) => Part::Data(data),
                Err(status) => self.end(status, HeaderMap::new()),
            },
            Err(frame) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                let status = match Status::take_from(&mut trailers) {
                    Some(_) if !self.meter.is_at_boundary() => Status::new(
                        Code::Internal,
                        "the service ended in the middle of a message",
                    ),
                    Some(status) => status,
                    None => Status::new(Code::Internal, "the service ended without a status"),
                };
                self.end(status, trailers)
            }
        }))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Nobody wants to know the end any more.
        if !matches!(self.state, State::Ended(None)) {
            let fell = std::thread::panicking();
            let code = if fell {
                Code::Internal
            } else {
                Code::Cancelled
            };
            self.outcome.end(code);
        }
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        let part = std::task::ready!(self.poll(context));
        Poll::Ready(part.map(|part| Ok(part.into_frame())))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended(None))
    }
}
