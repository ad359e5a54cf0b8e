//! What an early answer owes an HTTP/1.1 client: that the rest of its request
//! is read.
//!
//! A server that answers and closes while a client still sends makes the client
//! lose the answer: the unread bytes turn the close into a reset (RFC 9112
//! §9.6). So the rest is read and thrown away, up to a size and a time, and only while it keeps
//! coming: an answer is not held back for a client that has stopped sending.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, Version, header, request::Parts};
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

#[derive(Default)]
struct Shared {
    /// Until its end was read.
    body: Option<Body>,
    /// Whether anything was asked of it.
    polled: bool,
    /// Whether the client sends nothing before it is asked to, which the first
    /// poll does (RFC 9110 §10.1.1).
    waits: bool,
    /// Who waits for the next piece.
    reader: Option<Waker>,
    taken: bool,
}

impl Unread {
    /// Watches a body. Over HTTP/2 there is nothing to do: a stream is reset
    /// alone.
    pub(crate) fn watch(head: &Parts, body: Body) -> (Body, Self) {
        if head.version >= Version::HTTP_2 || body.is_end_stream() {
            return (body, Self(None));
        }
        let shared = Arc::new(Mutex::new(Shared {
            body: Some(body),
            waits: head.headers.contains_key(header::EXPECT),
            ..Shared::default()
        }));
        (Body::new(Watched(Arc::clone(&shared))), Self(Some(shared)))
    }

    /// Sees to it that a response arrives: one that is complete waits for the
    /// rest of the request, and a stream does so at its end.
    pub(crate) async fn settle(self, response: Response<Body>) -> Response<Body> {
        if self.0.is_none() {
            return response;
        }
        if response.body().size_hint().exact().is_none() {
            return response.map(|body| {
                Body::new(Lingering {
                    body: Some(body),
                    unread: self,
                    drain: None,
                })
            });
        }
        let mut response = response;
        if !self.drain().await {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Reads the rest; false when there is too much of it, or it does not come.
    async fn drain(self) -> bool {
        let Some(mut body) = self.0.and_then(|shared| lock(&shared).take()) else {
            return true;
        };
        let read = async {
            let mut size = 0;
            while let Ok(next) = tokio::time::timeout(IDLE, messages::next_data(&mut body)).await {
                let Ok(Some(data)) = next else {
                    return true;
                };
                size += data.len();
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
        self.taken = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        self.body.take()
    }
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
        let Some(body) = &mut shared.body else {
            return Poll::Ready(match shared.taken {
                true => Some(Err("the call was over before its request".into())),
                false => None,
            });
        };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            shared.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        if !matches!(frame, Some(Ok(_))) {
            shared.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.0);
        match &shared.body {
            Some(body) => body.is_end_stream(),
            None => !shared.taken,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let shared = lock(&self.0);
        shared
            .body
            .as_ref()
            .map_or_else(SizeHint::default, http_body::Body::size_hint)
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
    use futures_util::stream;
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

    use futures_util::StreamExt;

    #[tokio::test]
    async fn the_rest_of_a_request_is_read_before_a_complete_answer() {
        let (head, body, read) = request(10);
        let (body, unread) = Unread::watch(&head, body);
        drop(body);
        let response = unread.settle(Response::new(Body::from(vec![1]))).await;
        assert_eq!(*read.lock().unwrap(), 10);
        assert!(!response.headers().contains_key(header::CONNECTION));
    }

    #[tokio::test]
    async fn too_much_of_it_closes_the_connection() {
        let (head, body, read) = request(usize::MAX);
        let (body, unread) = Unread::watch(&head, body);
        drop(body);
        let response = unread.settle(Response::new(Body::from(vec![1]))).await;
        assert_eq!(response.headers()[header::CONNECTION], "close");
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
        assert_eq!(response.headers()[header::CONNECTION], "close");
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
            unread.settle(Response::new(Body::from(vec![1]))).await;
            assert_eq!(*read.lock().unwrap(), rest, "{asks}");
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
            assert_eq!(response.headers()[header::CONNECTION], "close");
        }
    }

    #[tokio::test]
    async fn a_streamed_answer_reads_it_at_its_end() {
        let (head, body, read) = request(10);
        let (body, unread) = Unread::watch(&head, body);
        drop(body);
        let answer = StreamBody::new(stream::iter([Ok::<_, BoxError>(Frame::data(
            Bytes::from_static(b"x"),
        ))]));
        let mut response = unread.settle(Response::new(Body::new(answer))).await;
        assert!(response.body_mut().frame().await.is_some());
        assert_eq!(*read.lock().unwrap(), 0);
        assert!(response.body_mut().frame().await.is_none());
        assert_eq!(*read.lock().unwrap(), 10);
    }
}
