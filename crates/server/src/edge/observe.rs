//! Follows a request until its response has ended, or was given up, and then
//! tells the log and the figures once.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use portolan_gateway::{Code, Outcome, OutcomeSlot};
use portolan_telemetry::TraceId;

use super::access_log;
use super::span::ServerSpan;
use crate::connection::Running;
use crate::metrics::running::Place;
use crate::request_body::Came;
use crate::{CallMetrics, Client, Peer};

/// The protocol of a request that was no call.
pub(crate) const PLAIN: &str = "http";

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// A call, with its gRPC status in whatever protocol.
    Rpc(Code),
    /// No call, with its HTTP status.
    Http(StatusCode),
}

impl Ending {
    /// `NOT_FOUND` of a call, `404` of anything else.
    pub(crate) fn name(self) -> Cow<'static, str> {
        match self {
            Self::Rpc(code) => code.name().into(),
            Self::Http(status) => status.as_str().to_owned().into(),
        }
    }
}

/// What was seen of a request when it ended.
pub(crate) struct Seen<'a> {
    pub(crate) http_method: &'a Method,
    pub(crate) request_id: &'a HeaderValue,
    pub(crate) peer: Option<Peer>,
    /// Whom a proxy names that is trusted.
    pub(crate) client: Option<Client>,
    /// The method of a call, the path of anything else.
    pub(crate) name: &'a str,
    /// Absent when there is no telemetry.
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) protocol: &'static str,
    /// Absent when the client left before the response.
    pub(crate) http_status: Option<StatusCode>,
    /// Bytes of the request's body that the service has read …
    pub(crate) request_bytes: u64,
    /// … and of the response's body.
    pub(crate) bytes: u64,
}

/// A request that runs. Dropped before its end, it counts as cancelled: that is
/// what a client does that goes away.
pub(crate) struct Observation {
    started: Instant,
    http_method: Method,
    version: Version,
    uri: Uri,
    request_id: HeaderValue,
    /// In a box, since mostly there is none.
    span: Option<Box<ServerSpan>>,
    peer: Option<Peer>,
    client: Option<Client>,
    calls: Arc<CallMetrics>,
    place: Place,
    /// Filled as soon as it is known which call this is, so that one which is
    /// given up before its response is told from the others.
    slot: OutcomeSlot,
    outcome: Option<Outcome>,
    http_status: Option<StatusCode>,
    bytes: u64,
    came: Came,
    ended: bool,
    /// Keeps the connection open.
    running: Running,
}

/// Why there is nothing more to see of a response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// All of it was given.
    Whole,
    /// The service broke it off.
    Broken,
    /// Nobody wanted the rest.
    Unwanted,
}

impl Observation {
    pub(crate) fn begin<B>(
        request: &mut Request<B>,
        request_id: HeaderValue,
        span: Option<Box<ServerSpan>>,
        calls: &Arc<CallMetrics>,
        running: Running,
        came: Came,
    ) -> Self {
        let peer = request.extensions().get::<Peer>().copied();
        let own = peer.and_then(Peer::address).map(|address| address.ip());
        let client = request.extensions().get::<Client>().copied();
        let slot = OutcomeSlot::default();
        let place = calls.begin(slot.clone());
        request.extensions_mut().insert(slot.clone());
        Self {
            started: Instant::now(),
            http_method: request.method().clone(),
            version: request.version(),
            uri: request.uri().clone(),
            request_id,
            span,
            peer,
            client: client.filter(|client| Some(client.0) != own),
            calls: Arc::clone(calls),
            place,
            slot,
            outcome: None,
            http_status: None,
            bytes: 0,
            came,
            ended: false,
            running,
        }
    }

    /// Notes what the head of the response says.
    pub(crate) fn begun<B>(mut self, response: &Response<B>) -> Self {
        self.outcome = response.extensions().get::<Outcome>().cloned();
        self.http_status = Some(response.status());
        self
    }

    /// Goes on without the memory that HTTP has read the request's head into, of
    /// which names are a part: a call may be silent for hours.
    pub(crate) fn aside(mut self) -> Self {
        if self.outcome.is_some() {
            // A call is named by its outcome.
            self.uri = Uri::default();
        }
        if let Ok(own) = HeaderValue::from_bytes(self.request_id.as_bytes()) {
            self.request_id = own;
        }
        self
    }

    /// Notes the end of what went on behind the response.
    pub(crate) fn complete(mut self) {
        self.end(Last::Whole);
    }

    /// Goes on with the response, to the end of its body.
    pub(crate) fn watch<B>(self, response: Response<B>) -> Response<Observed<B>>
    where
        B: Body,
    {
        let mut observation = self.begun(&response);
        // Over HTTP/2, calls share such memory.
        let is_stream = response.body().size_hint().exact().is_none();
        if is_stream && observation.version < Version::HTTP_2 {
            observation = observation.aside();
        }
        response.map(|body| Observed {
            body,
            turn: Turn::of_http(&observation.running),
            observation,
        })
    }

    /// An answer of our own, which ends with this.
    pub(crate) fn answer(mut self, response: Response<Bytes>) -> Response<Full<Piece>> {
        self.http_status = Some(response.status());
        self.bytes = response.body().len() as u64;
        self.end(Last::Whole);
        response.map(|bytes| Full::new(Piece::new(bytes, &self.running)))
    }

    /// Notes the end; the first time counts.
    fn end(&mut self, last: Last) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if last == Last::Unwanted && self.bytes == 0 {
            self.running.traffic().abandon();
        }
        let duration = self.started.elapsed();
        let outcome = self.outcome.take().or_else(|| self.slot.get());
        let (name, protocol) = match &outcome {
            Some(outcome) => (outcome.method(), outcome.protocol()),
            None => (self.uri.path(), PLAIN),
        };
        let ending = match outcome.as_ref().and_then(Outcome::status) {
            Some(code) => Ending::Rpc(code),
            None => match (last, &outcome, self.http_status) {
                (Last::Unwanted, ..) => Ending::Rpc(Code::Cancelled),
                (Last::Whole, None, Some(status)) => Ending::Http(status),
                (Last::Whole | Last::Broken, ..) => Ending::Rpc(Code::Internal),
            },
        };
        // The log keeps the path that was asked for; the figures do not.
        let counted = outcome.as_ref().is_some_and(Outcome::is_routed);
        let method = counted.then_some(name);
        let bytes = [self.came.bytes(), self.bytes];
        self.calls
            .end(self.place, method, protocol, ending, duration, bytes);
        let span = self.span.take();
        let seen = Seen {
            http_method: &self.http_method,
            name,
            trace_id: span.as_ref().map(|span| span.trace_id()),
            protocol,
            request_id: &self.request_id,
            peer: self.peer,
            client: self.client,
            http_status: self.http_status,
            request_bytes: self.came.bytes(),
            bytes: self.bytes,
        };
        access_log::write(&seen, ending, duration);
        if let Some(span) = span {
            span.end(&seen, method, ending);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.end(Last::Unwanted);
    }
}

pin_project_lite::pin_project! {
    /// A body whose end is noted.
    pub(crate) struct Observed<B>
    where
        B: Body,
    {
        #[pin]
        body: B,
        observation: Observation,
        // Whether HTTP has to ask for more, so that the client is waited for;
        // otherwise it is the service.
        turn: Turn,
    }

    impl<B> PinnedDrop for Observed<B>
    where
        B: Body,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // Nobody reads a body that has nothing more to give, nor the one
            // of an answer to HEAD.
            if this.body.is_end_stream() || this.observation.http_method == Method::HEAD {
                this.observation.end(Last::Whole);
            }
        }
    }
}

/// Whose turn it is: whether the traffic of the connection counts an answer among
/// those that wait for the client.
struct Turn(Option<Running>);

impl Turn {
    fn of_http(running: &Running) -> Self {
        running.traffic().wait();
        Self(Some(running.clone()))
    }

    /// It is HTTP's turn.
    fn pass(&mut self, running: &Running) {
        if self.0.is_none() {
            *self = Self::of_http(running);
        }
    }

    /// It is the service's turn, or nobody's.
    fn of_service(&mut self) {
        if let Some(running) = self.0.take() {
            running.traffic().go_on();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.of_service();
    }
}

/// A piece of an answer. The call counts as running as long as HTTP holds one:
/// a slow client has not got its answer when the service has given it all.
pub(crate) struct Piece {
    bytes: Bytes,
    running: Option<Running>,
}

impl Piece {
    fn new(bytes: Bytes, running: &Running) -> Self {
        running.traffic().wait();
        Self {
            bytes,
            running: Some(running.clone()),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.traffic().go_on();
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self {
            bytes,
            running: None,
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(running) = &self.running {
            running.traffic().moved(count);
        }
    }
}

impl<B> Body for Observed<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Poll::Ready(frame) = this.body.as_mut().poll_frame(context) else {
            this.turn.of_service();
            return Poll::Pending;
        };
        match &frame {
            Some(Ok(_)) => this.turn.pass(&this.observation.running),
            _ => this.turn.of_service(),
        }
        match &frame {
            Some(Ok(frame)) => {
                this.observation.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                // Trailers are the last there is, and the reader may not ask
                // again.
                if frame.is_trailers() || this.body.is_end_stream() {
                    this.observation.end(Last::Whole);
                }
            }
            Some(Err(_)) => this.observation.end(Last::Broken),
            None => this.observation.end(Last::Whole),
        }
        let running = &this.observation.running;
        Poll::Ready(
            frame
                .map(|frame| frame.map(|frame| frame.map_data(|bytes| Piece::new(bytes, running)))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
