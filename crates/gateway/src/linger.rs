//! What an early answer owes an HTTP/1.1 client: that the rest of its request
//! is read, or else that the answer's head announces the end of the connection.
//!
//! A server that answers and closes while a client still sends makes the client
//! lose the answer: the unread bytes turn the close into a reset (RFC 9112
//! §9.6). So the rest is read and thrown away, up to a size and a time, and only
//! while it keeps coming: an answer is not held back for a client that has
//! stopped sending. And a server that closes a connection without the word
//! `close` in its last head (§9.6) makes the client lose the answer after this
//! one, whose request may be on its way by then.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version, header, request::Parts};
use http_body::{Body as _, Frame, SizeHint};

use crate::BoxError;
use crate::{Body, messages};

/// How much is read, in bytes, and for how long, before the connection is
/// given up. What has stopped coming for a moment is given up then, since
/// nothing is under way that could be lost.
const MOST: usize = 64 * 1024 * 1024;
const LONGEST: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_millis(100);

/// A request body that can be taken away from whoever reads it, to read the
/// rest.
#[derive(Clone, Default)]
pub(crate) struct Unread(Option<Arc<Mutex<Shared>>>);

struct Shared {
    rest: Rest,
    /// Whether anything was asked of it.
    polled: bool,
    /// Whether the client sends nothing before it is asked to, which the first
    /// poll does (RFC 9110 §10.1.1).
    waits: bool,
    /// Who waits for the next piece.
    reader: Option<Waker>,
}

/// What is left of a request.
enum Rest {
    /// Its end was not read yet.
    Coming(Body),
    /// Nothing.
    Read,
    /// It failed, so nobody knows where the next request begins.
    Broken,
    /// It was taken away from its reader.
    Taken,
}

impl Unread {
    /// Watches a body. Over HTTP/2 there is nothing to do: a stream is reset
    /// alone.
    pub(crate) fn watch(head: &Parts, body: Body) -> (Body, Self) {
        if head.version >= Version::HTTP_2 || body.is_end_stream() {
            return (body, Self(None));
        }
        let shared = Arc::new(Mutex::new(Shared {
            rest: Rest::Coming(body),
            polled: false,
            waits: head.headers.contains_key(header::EXPECT),
            reader: None,
        }));
        (Body::new(Watched(Arc::clone(&shared))), Self(Some(shared)))
    }

    /// Sees to it that a response arrives, and the one after it: one that is
    /// complete waits for the rest of the request, and so does a stream that
    /// begins when nobody reads the request any more. Any other stream waits at
    /// its end.
    pub(crate) async fn settle(self, mut response: Response<Body>) -> Response<Body> {
        let Some(shared) = &self.0 else {
            return response;
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response;
        }
        // One reference is this.
        let is_held = Arc::strong_count(shared) > 1;
        if response.body().size_hint().exact().is_some() || !is_held {
            if !self.drain().await {
                announce_close(&mut response);
            }
            return response;
        }
        // Its head goes out before anybody knows whether the rest will come.
        if !lock(shared).is_read() {
            announce_close(&mut response);
        }
        response.map(|body| {
            Body::new(Lingering {
                body: Some(body),
                unread: self,
                drain: None,
            })
        })
    }

    /// Reads the rest; false when there is too much of it, or it does not come.
    async fn drain(self) -> bool {
        let Some(shared) = self.0 else {
            return true;
        };
        let mut body = {
            let mut shared = lock(&shared);
            match shared.take() {
                Some(body) => body,
                None => return shared.is_read(),
            }
        };
        let read = async {
            let mut size = 0;
            while let Ok(next) = tokio::time::timeout(IDLE, messages::next_data(&mut body)).await {
                match next {
                    Ok(Some(data)) => size += data.len(),
                    Ok(None) => return true,
                    Err(_) => return false,
                }
                if size > MOST {
                    return false;
                }
            }
            false
        };
        tokio::time::timeout(LONGEST, read).await.unwrap_or(false)
    }
}

impl Shared {
    /// Takes the rest away from its reader, unless the client keeps it back.
    fn take(&mut self) -> Option<Body> {
        if self.waits && !self.polled {
            return None;
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        match std::mem::replace(&mut self.rest, Rest::Taken) {
            Rest::Coming(body) => Some(body),
            other => {
                self.rest = other;
                None
            }
        }
    }

    /// Whether there is nothing left.
    fn is_read(&self) -> bool {
        match &self.rest {
            Rest::Coming(body) => body.is_end_stream(),
            Rest::Read => true,
            Rest::Broken | Rest::Taken => false,
        }
    }
}

/// Tells the client that this is the last answer on its connection, which the
/// server then sees to.
fn announce_close(response: &mut Response<Body>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the call reads. A service in another process may hold it for longer than
/// its reply lasts, so the end of that takes the rest away.
struct Watched(Arc<Mutex<Shared>>);

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut shared = lock(&self.0);
        shared.polled = true;
        let body = match &mut shared.rest {
            Rest::Coming(body) => body,
            Rest::Read | Rest::Broken => return Poll::Ready(None),
            Rest::Taken => {
                let error = "the call was over before its request";
                return Poll::Ready(Some(Err(error.into())));
            }
        };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            shared.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        match frame {
            Some(Ok(_)) => {}
            Some(Err(_)) => shared.rest = Rest::Broken,
            None => shared.rest = Rest::Read,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &lock(&self.0).rest {
            Rest::Coming(body) => body.is_end_stream(),
            Rest::Read | Rest::Broken => true,
            Rest::Taken => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &lock(&self.0).rest {
            Rest::Coming(body) => body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

/// A streamed response that ends when the request is read.
struct Lingering {
    body: Option<Body>,
    unread: Unread,
    drain: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
}

impl http_body::Body for Lingering {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(body) = &mut self.body {
            if let Some(frame) = ready!(Pin::new(body).poll_frame(context)) {
                return Poll::Ready(Some(frame));
            }
            self.body = None;
            self.drain = Some(Box::pin(self.unread.clone().drain()));
        }
        if let Some(drain) = &mut self.drain {
            ready!(drain.as_mut().poll(context));
            self.drain = None;
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn request(pieces: usize) -> (Parts, Body, Arc<Mutex<usize>>) {
        let read = Arc::new(Mutex::new(0));
        let count = Arc::clone(&read);
        let frames = stream::iter(0..pieces).map(move |_| {
            *count.lock().unwrap() += 1;
            Ok::<_, BoxError>(Frame::data(Bytes::from_static(&[0; 1024])))
        });
        let (head, ()) = http::Request::new(()).into_parts();
        (head, Body::new(StreamBody::new(frames)), read)
    }

    fn closes(response: &Response<Body>) -> bool {
        let connection = response.headers().get(header::CONNECTION);
        connection.is_some_and(|value| value == "close")
    }

    #[tokio::test]
    async fn the_rest_of_a_request_is_read_before_a_complete_answer() {
        let (head, body, read) = request(10);
        let (body, unread) = Unread::watch(&head, body);
        drop(body);
        let response = unread.settle(Response::new(Body::from(vec![1]))).await;
        assert_eq!(*read.lock().unwrap(), 10);
        assert!(!closes(&response));
    }

    #[tokio::test]
    async fn too_much_of_it_closes_the_connection() {
        let (head, body, read) = request(usize::MAX);
        let (body, unread) = Unread::watch(&head, body);
        drop(body);
        let response = unread.settle(Response::new(Body::from(vec![1]))).await;
        assert!(closes(&response));
        assert_eq!(*read.lock().unwrap(), MOST / 1024 + 1);
    }

    #[tokio::test]
    async fn the_rest_is_taken_from_whoever_holds_it() {
        let (head, _, _) = request(0);
        let silent = stream::pending::<Result<Frame<Bytes>, BoxError>>();
        let body = Body::new(StreamBody::new(silent));
        let (mut held, unread) = Unread::watch(&head, body);
        let reader = tokio::spawn(async move { held.frame().await });
        tokio::task::yield_now().await;
        let response = unread.settle(Response::new(Body::from(vec![1]))).await;
        assert!(closes(&response));
        assert!(reader.await.unwrap().unwrap().is_err());
    }

    #[tokio::test]
    async fn a_client_that_waits_to_be_asked_is_read_only_when_it_was() {
        for (asks, rest) in [(false, 0), (true, 10)] {
            let (mut head, body, read) = request(10);
            let expect = HeaderValue::from_static("100-continue");
            head.headers.insert(header::EXPECT, expect);
            let (mut body, unread) = Unread::watch(&head, body);
            if asks {
                assert!(body.frame().await.is_some());
            }
            drop(body);
            let response = unread.settle(Response::new(Body::from(vec![1]))).await;
            assert_eq!(*read.lock().unwrap(), rest, "{asks}");
            assert_eq!(closes(&response), !asks);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stalls_or_trickles_does_not_hold_up_its_answer() {
        let piece = || Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x")));
        let stalled = stream::iter([piece()]).chain(stream::pending());
        let trickle = stream::unfold((), move |()| async move {
            tokio::time::sleep(IDLE - Duration::from_millis(1)).await;
            Some((piece(), ()))
        });
        for (body, least, most) in [
            (Body::new(StreamBody::new(stalled)), IDLE, IDLE * 2),
            (
                Body::new(StreamBody::new(Box::pin(trickle))),
                LONGEST,
                LONGEST + IDLE,
            ),
        ] {
            let (head, _, _) = request(0);
            let (body, unread) = Unread::watch(&head, body);
            drop(body);
            let begin = tokio::time::Instant::now();
            let response = unread.settle(Response::new(Body::from(vec![1]))).await;
            assert!(
                (least..most).contains(&begin.elapsed()),
                "{:?}",
                begin.elapsed()
            );
            assert!(closes(&response));
        }
    }

    #[tokio::test]
    async fn a_request_that_breaks_off_closes_the_connection() {
        for reads in [true, false] {
            let (head, _, _) = request(0);
            let broken = stream::iter([Err::<Frame<Bytes>, BoxError>("broken".into())]);
            let (mut body, unread) = Unread::watch(&head, Body::new(StreamBody::new(broken)));
            if reads {
                assert!(body.frame().await.unwrap().is_err());
                assert!(body.frame().await.is_none());
            }
            drop(body);
            let response = unread.settle(Response::new(Body::from(vec![1]))).await;
            assert!(closes(&response), "{reads}");
        }
    }

    fn streamed() -> Response<Body> {
        let piece = Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x")));
        Response::new(Body::new(StreamBody::new(stream::iter([piece]))))
    }

    #[tokio::test]
    async fn a_streamed_answer_reads_it_at_its_end() {
        let (head, body, read) = request(10);
        let (_held, unread) = Unread::watch(&head, body);
        let mut response = unread.settle(streamed()).await;
        assert!(closes(&response), "it may or may not be read by then");
        assert!(response.body_mut().frame().await.is_some());
        assert_eq!(*read.lock().unwrap(), 0);
        assert!(response.body_mut().frame().await.is_none());
        assert_eq!(*read.lock().unwrap(), 10);
    }

    #[tokio::test]
    async fn a_streamed_answer_keeps_the_connection_when_nobody_else_reads() {
        let (head, body, read) = request(10);
        let (mut body, unread) = Unread::watch(&head, body);
        while body.frame().await.is_some() {}
        assert!(!closes(&unread.settle(streamed()).await), "it was read");
        drop(body);
        assert_eq!(*read.lock().unwrap(), 10);

        let (head, body, read) = request(10);
        let (body, unread) = Unread::watch(&head, body);
        drop(body);
        assert!(!closes(&unread.settle(streamed()).await), "nobody reads");
        assert_eq!(*read.lock().unwrap(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_waits_for_announces_what_it_does() {
        let silent = stream::pending::<Result<Frame<Bytes>, BoxError>>();
        let (head, _, _) = request(0);
        let (body, unread) = Unread::watch(&head, Body::new(StreamBody::new(silent)));
        drop(body);
        assert!(closes(&unread.settle(streamed()).await));
    }

    #[tokio::test]
    async fn a_connection_that_becomes_something_else_stays() {
        let (head, body, read) = request(10);
        let (_held, unread) = Unread::watch(&head, body);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        assert!(!closes(&unread.settle(response).await));
        assert_eq!(*read.lock().unwrap(), 0);
    }
}
