//! The body of a request as the service reads it: counted, and let go of when
//! its client is too slow with what it has announced.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use portolan_gateway::{Code, Status};
use tokio::time::{Instant, Sleep};

use crate::rest::{Reading, Rest};
use crate::{BoxError, Limits};

/// How long the head of a message is: a flag and a length (gRPC over HTTP/2,
/// "Length-Prefixed-Message"; Connect and gRPC-Web have the same).
const HEAD: usize = 5;

/// The body of a request. Reading it fails when the connection does, and with a
/// [`Status`] when its client is too slow, see
/// [`Limits::body_timeout`](crate::Limits::body_timeout).
#[derive(Debug)]
pub struct RequestBody<B = Incoming> {
    /// Until this is dropped.
    body: Option<B>,
    reading: Reading<B>,
    awaited: Awaited,
    pace: Pace,
    /// How many bytes have come, where somebody wants to know.
    came: Came,
}

/// How many bytes of a body have come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Came(Option<Arc<AtomicU64>>);

impl Came {
    /// For a body that has something to give.
    pub(crate) fn of<B: Body>(body: &B) -> Self {
        Self((!body.is_end_stream()).then(Arc::default))
    }

    pub(crate) fn bytes(&self) -> u64 {
        let bytes = self.0.as_ref();
        bytes.map_or(0, |bytes| bytes.load(Ordering::Relaxed))
    }
}

/// What a client has announced.
#[derive(Debug, PartialEq, Eq)]
enum Awaited {
    /// Nothing: it may be silent.
    Nothing,
    /// So many bytes.
    Bytes(u64),
    /// One message after the other.
    Messages(Span),
}

/// Where in a message the last byte was.
#[derive(Debug, Default, PartialEq, Eq)]
struct Span {
    head: [u8; HEAD],
    /// How much of the head has come.
    begun: usize,
    /// How much of the message is still to come after its head.
    left: usize,
}

/// How slow a client is.
#[derive(Debug)]
struct Pace {
    limit: Duration,
    /// Bytes for another second.
    rate: u32,
    /// How long it was waited for until now …
    waited: Duration,
    /// … and since when it is again.
    since: Option<Instant>,
    /// Notes when something comes, which the service may read much later.
    bell: Option<Arc<Bell>>,
    timer: Option<Pin<Box<Sleep>>>,
    /// How many bytes have come.
    bytes: u64,
}

/// Wakes a task, and notes when.
#[derive(Debug, Default)]
struct Bell(Mutex<Rung>);

#[derive(Debug, Default)]
struct Rung {
    waker: Option<Waker>,
    at: Option<Instant>,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut rung = self.lock();
        rung.at.get_or_insert_with(Instant::now);
        let waker = rung.waker.take();
        drop(rung);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<B> RequestBody<B>
where
    B: Body<Data = Bytes>,
{
    pub(crate) fn new(
        body: B,
        headers: &HeaderMap,
        limits: &Limits,
        came: Came,
        rest: &Rest<B>,
    ) -> Self {
        Self {
            awaited: Awaited::of(&body, headers),
            body: Some(body),
            reading: rest.reading(headers),
            pace: Pace {
                limit: limits.body_timeout,
                rate: limits.body_rate,
                waited: Duration::ZERO,
                since: None,
                bell: None,
                timer: None,
                bytes: 0,
            },
            came,
        }
    }
}

impl Awaited {
    fn of<B: Body>(body: &B, headers: &HeaderMap) -> Self {
        let framed = || {
            let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
            let rest = media_type.strip_prefix("application/")?;
            let is_framed = rest.starts_with("connect+")
                || (rest.starts_with("grpc") && !rest.starts_with("grpc-web-text"));
            is_framed.then(|| Self::Messages(Span::default()))
        };
        match body.size_hint().exact() {
            Some(length) => Self::Bytes(length),
            None => framed().unwrap_or(Self::Nothing),
        }
    }

    /// Whether something is still to come that was announced.
    fn is_due(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Bytes(left) => *left > 0,
            Self::Messages(span) => span.begun > 0,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Nothing => {}
            Self::Bytes(left) => *left = left.saturating_sub(bytes.len() as u64),
            Self::Messages(span) => span.take(bytes),
        }
    }
}

impl Span {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.begun < HEAD {
                let count = bytes.len().min(HEAD - self.begun);
                let (head, rest) = bytes.split_at(count);
                self.head[self.begun..self.begun + count].copy_from_slice(head);
                self.begun += count;
                bytes = rest;
                if self.begun == HEAD {
                    let [_, length @ ..] = self.head;
                    self.left = u32::from_be_bytes(length) as usize;
                }
            }
            if self.begun == HEAD {
                let count = bytes.len().min(self.left);
                self.left -= count;
                bytes = &bytes[count..];
                if self.left == 0 {
                    self.begun = 0;
                }
            }
        }
    }
}

impl Pace {
    /// Notes that something came.
    fn take(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.rest();
    }

    /// Nobody is waited for.
    fn rest(&mut self) {
        if let Some(since) = self.since.take() {
            let rung = self.bell.as_ref().and_then(|bell| bell.lock().at.take());
            self.waited += rung.unwrap_or_else(Instant::now).duration_since(since);
        }
    }

    /// Has the bell rung for this task.
    fn bell(&mut self, context: &Context<'_>) -> Waker {
        let bell = self.bell.get_or_insert_default();
        bell.lock().waker = Some(context.waker().clone());
        Waker::from(Arc::clone(bell))
    }

    /// How long a client may be waited for that has sent so much.
    fn allowed(&self) -> Duration {
        let earned = self.bytes.checked_div(self.rate.into()).unwrap_or(0);
        self.limit.saturating_add(Duration::from_secs(earned))
    }

    /// Waits for the client, until it has used up its time.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let left = self.allowed().saturating_sub(self.waited);
        let Some(end) = since.checked_add(left) else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        // One that runs out too early is set anew; its end only moves away.
        while timer.as_mut().poll(context).is_ready() {
            if end <= Instant::now() {
                return Poll::Ready(self.too_slow());
            }
            timer.as_mut().reset(end);
        }
        Poll::Pending
    }

    fn too_slow(&self) -> Status {
        let seconds = self.allowed().as_secs_f64();
        let bytes = self.bytes;
        Status::new(
            Code::DeadlineExceeded,
            format!("the request came too slowly: {bytes} bytes in {seconds} s of waiting"),
        )
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        this.reading.ask();
        let mut polled = Pin::new(&mut *body).poll_frame(context);
        if polled.is_pending() && this.awaited.is_due() {
            // Once more, since this takes memory and most bodies are there.
            let bell = this.pace.bell(context);
            polled = Pin::new(body).poll_frame(&mut Context::from_waker(&bell));
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    let count = bytes.len() as u64;
                    this.awaited.take(bytes);
                    this.pace.take(count);
                    if let Some(came) = &this.came.0 {
                        came.fetch_add(count, Ordering::Relaxed);
                    }
                    if this.awaited == Awaited::Bytes(0) {
                        this.reading.end(true);
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.reading.end(false);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                this.reading.end(true);
                Poll::Ready(None)
            }
            Poll::Pending if this.awaited.is_due() => {
                let slow = ready!(this.pace.poll(context));
                this.awaited = Awaited::Nothing;
                Poll::Ready(Some(Err(slow.into())))
            }
            Poll::Pending => {
                this.pace.rest();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl<B> Drop for RequestBody<B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            self.reading.leave(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_body_util::{BodyExt, Empty, StreamBody};
    use tokio::sync::mpsc;

    use super::*;
    use crate::open::Version;

    #[test]
    fn messages_are_followed_however_they_are_cut() {
        let mut bytes = Vec::new();
        for length in [0_u32, 3, 300] {
            bytes.push(0);
            bytes.extend(length.to_be_bytes());
            bytes.resize(bytes.len() + length as usize, 7);
        }
        let ends = [5, 13, 318];
        for size in [1, 2, 5, 7, 400] {
            let mut span = Span::default();
            let mut seen = 0;
            for piece in bytes.chunks(size) {
                span.take(piece);
                seen += piece.len();
                assert_eq!(span.begun == 0, ends.contains(&seen), "{seen} in {size}s");
            }
        }
    }

    #[test]
    fn what_is_announced_depends_on_the_kind_of_body() {
        for (kind, framed) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web+json", true),
            ("application/grpc-web-text", false),
            ("application/connect+json", true),
            ("application/json", false),
            ("application/x-ndjson", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            let (_sender, body) = body();
            let awaited = Awaited::of(&body, &headers);
            assert_eq!(
                awaited == Awaited::Messages(Span::default()),
                framed,
                "{kind}"
            );
            let whole = Awaited::of(&Empty::<Bytes>::new(), &headers);
            assert_eq!(whole, Awaited::Bytes(0));
        }
    }

    type Sent = Result<Frame<Bytes>, BoxError>;

    fn body() -> (
        mpsc::Sender<Sent>,
        impl Body<Data = Bytes, Error = BoxError> + Unpin,
    ) {
        let (sender, receiver) = mpsc::channel(8);
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        (sender, StreamBody::new(stream))
    }

    async fn send(sender: &mpsc::Sender<Sent>, bytes: &'static [u8]) {
        let frame = Frame::data(Bytes::from_static(bytes));
        sender.send(Ok(frame)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_message_that_has_begun_is_waited_for_in_vain() {
        let kind = HeaderValue::from_static("application/grpc");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let limits = Limits::default()
            .body_timeout(Duration::from_secs(3))
            .body_rate(2);
        let (sender, body) = body();
        let rest = Rest::of(Version::Http1, &body);
        let mut body = RequestBody::new(body, &headers, &limits, Came::default(), &rest);
        // Silence between messages is nobody's fault.
        for _ in 0..3 {
            let silence = tokio::time::timeout(Duration::from_secs(1000), body.frame());
            assert!(silence.await.is_err());
            send(&sender, b"\0\0\0\0\x01x").await;
            body.frame().await.unwrap().unwrap();
        }
        // 3 s, and one for every two of the 24 bytes that have come by then.
        send(&sender, b"\0\0\0\0\x09x").await;
        body.frame().await.unwrap().unwrap();
        let begin = Instant::now();
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(begin.elapsed().as_secs(), 15);
        let status = error.downcast::<Status>().unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(
            status.message(),
            "the request came too slowly: 24 bytes in 15 s of waiting"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_does_not_read_costs_its_client_no_time() {
        let kind = HeaderValue::from_static("application/grpc");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let limits = Limits::default()
            .body_timeout(Duration::from_secs(3))
            .body_rate(0);
        let (sender, body) = body();
        let rest = Rest::of(Version::Http1, &body);
        let mut body = RequestBody::new(body, &headers, &limits, Came::default(), &rest);
        send(&sender, b"\0\0\0\0\x09x").await;
        body.frame().await.unwrap().unwrap();
        let waiting = tokio::time::timeout(Duration::from_secs(2), body.frame());
        assert!(waiting.await.is_err());
        send(&sender, b"x").await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        // Two seconds were waited, which are not forgotten.
        body.frame().await.unwrap().unwrap();
        let begin = Instant::now();
        body.frame().await.unwrap().unwrap_err();
        assert!(begin.elapsed() <= Duration::from_secs(1));
    }
}
