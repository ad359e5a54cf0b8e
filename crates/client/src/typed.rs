//! Calls with messages as types: the few that a client makes for itself, and
//! [`unary`] for whoever has messages of `prost`.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body::{Body as _, Frame};
use portolan_rpc::deadline::to_grpc;
use portolan_rpc::{Body, BoxError, Code, Deadline, Status, frame};
use prost::Message;
use tokio::sync::mpsc;
use tower_service::Service;

/// What a call may cost whoever makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How long it may take; for ever without one.
    pub timeout: Option<Duration>,
    /// The most bytes of the answer.
    pub answer: usize,
}

/// Sends one message to an RPC, named as `/package.Service/Method`, and takes
/// the one that it answers with.
///
/// # Errors
/// When the call fails, or is answered with anything but one message that can be
/// read.
pub async fn unary<S, Q, A>(
    channel: S,
    path: &str,
    metadata: &HeaderMap,
    message: &Q,
    bounds: Bounds,
) -> Result<A, Status>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
    Q: Message,
    A: Message + Default,
{
    let answer = async {
        let response = match bounds.timeout {
            None => call(channel, path, metadata, message).await?,
            Some(timeout) => {
                let mut metadata = metadata.clone();
                let value = HeaderValue::try_from(to_grpc(timeout));
                metadata.insert("grpc-timeout", value.expect("digits and a letter"));
                call(channel, path, &metadata, message).await?
            }
        };
        let mut answers = Messages::of(response, bounds.answer)?;
        let answer = answers.next().await?;
        // The status comes behind the message.
        if answer.is_some() && answers.next().await?.is_some() {
            let message = "the server answered with more than one message";
            return Err(Status::new(Code::Internal, message));
        }
        answer.ok_or_else(|| Status::new(Code::Internal, "the server answered with no message"))
    };
    match bounds.timeout {
        None => answer.await,
        Some(timeout) => tokio::time::timeout(timeout, answer)
            .await
            .unwrap_or_else(|_| Err(Deadline::exceeded())),
    }
}

/// Makes a call of one message.
pub(crate) async fn call<S>(
    mut channel: S,
    path: &str,
    metadata: &HeaderMap,
    message: &impl Message,
) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
{
    poll_fn(|context| channel.poll_ready(context))
        .await
        .map_err(|error| status_of(error.into()))?;
    let request = request(path, metadata, Body::from(encode(message)));
    let response = channel.call(request).await;
    response.map_err(|error| status_of(error.into()))
}

/// A request of such a call.
pub(crate) fn request(path: &str, metadata: &HeaderMap, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = http::Uri::try_from(path).unwrap_or_default();
    let headers = request.headers_mut();
    headers.clone_from(metadata);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    request
}

/// A message as a frame.
pub(crate) fn encode(message: &impl Message) -> Bytes {
    frame::wrap(0, &message.encode_to_vec())
}

/// A body that is written while the call is under way; the channel's bound is
/// how much is written ahead.
pub(crate) struct Written(pub(crate) mpsc::Receiver<Bytes>);

impl http_body::Body for Written {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let bytes = ready!(self.0.poll_recv(context));
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// The messages of an answer.
pub(crate) struct Messages<T> {
    body: Body,
    decoder: frame::Decoder,
    over: bool,
    message: PhantomData<fn() -> T>,
}

impl<T: Message + Default> Messages<T> {
    /// The messages of a response, each of at most `limit` bytes.
    pub(crate) fn of(mut response: Response<Body>, limit: usize) -> Result<Self, Status> {
        let mut over = false;
        match Status::take_from(response.headers_mut()) {
            Some(status) if status.code() != Code::Ok => return Err(status),
            Some(_) => over = true,
            None if !response.status().is_success() => {
                let http = response.status();
                let message = format!("the server answered with HTTP status {http}");
                return Err(Status::new(Code::from_http(http), message));
            }
            None => {}
        }
        Ok(Self {
            body: response.into_body(),
            decoder: frame::Decoder::new(limit),
            over,
            message: PhantomData,
        })
    }

    /// The next message; nothing when the call ended well.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, Status> {
        loop {
            if let Some(frame) = self.decoder.take()? {
                if frame.flags != 0 {
                    let message = "the answer is compressed, though nobody asked for that";
                    return Err(Status::new(Code::Internal, message));
                }
                return T::decode(frame.payload).map(Some).map_err(|error| {
                    Status::new(
                        Code::Internal,
                        format!("the answer cannot be read: {error}"),
                    )
                });
            }
            if self.over {
                return Ok(None);
            }
            let piece = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await;
            match piece {
                None => {
                    let message = "the server ended without a status";
                    return Err(Status::new(Code::Internal, message));
                }
                Some(Err(error)) => return Err(status_of(error)),
                Some(Ok(piece)) => match piece.into_data() {
                    Ok(data) => self.decoder.push(data),
                    Err(piece) => {
                        let mut trailers = piece.into_trailers().unwrap_or_default();
                        match Status::take_from(&mut trailers) {
                            Some(status) if status.code() == Code::Ok => self.over = true,
                            Some(status) => return Err(status),
                            None => {
                                let message = "the server ended without a status";
                                return Err(Status::new(Code::Unknown, message));
                            }
                        }
                    }
                },
            }
        }
    }
}

/// The status that an error of a service or body carries.
pub(crate) fn status_of(error: BoxError) -> Status {
    match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) => Status::new(Code::Unavailable, error.to_string()),
    }
}
