//! What is left of an HTTP/1.1 request that its service did not read, and what
//! the head of the answer says for that reason.
//!
//! Nobody knows where the next request begins before the rest of this one was
//! read. HTTP closes the connection then, without a word; a client that has sent
//! its next request by that time loses the answer to it. So a little is read
//! before the answer, and when that was not the end, the answer's head announces
//! the end of the connection (RFC 9112 §9.6).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, EXPECT};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

use crate::open::Version;

/// How much is read, in bytes, and for how long, before the connection is given
/// up; what has stopped coming for a moment is given up then. All that this
/// saves is a connection like the one that the client has.
const MOST: usize = 256 * 1024;
const LONGEST: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_millis(100);

/// The rest of a request, known to whoever reads it and to its answer.
#[derive(Debug)]
pub(crate) struct Rest<B = Incoming>(Option<Arc<Mutex<State<B>>>>);

#[derive(Debug)]
enum State<B> {
    /// Somebody may read it.
    Held,
    /// Nobody does, and here it is.
    Left(B),
    /// There is none.
    Read,
    /// Nobody will ever know: it failed, or the client has kept it back.
    Lost,
}

/// The reader's end, which leaves here what it has not read.
#[derive(Debug)]
pub(crate) struct Reading<B> {
    rest: Rest<B>,
    /// Whether the client sends nothing before it is asked to, which the first
    /// poll does (RFC 9110 §10.1.1).
    waits: bool,
}

impl<B: Body> Rest<B> {
    /// For one request. Over HTTP/2 there is nothing to it: a stream is reset
    /// alone.
    pub(crate) fn of(version: Version, body: &B) -> Self {
        let matters = version == Version::Http1 && !body.is_end_stream();
        Self(matters.then(|| Arc::new(Mutex::new(State::Held))))
    }

    /// The end of it that a body with these headers has.
    pub(crate) fn reading(&self, headers: &HeaderMap) -> Reading<B> {
        Reading {
            rest: Self(self.0.clone()),
            waits: headers.contains_key(EXPECT),
        }
    }
}

impl<B> Rest<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Sees to it that the response tells what becomes of its connection.
    pub(crate) async fn settle<R>(self, response: &mut Response<R>) {
        let Some(state) = self.0 else {
            return;
        };
        let said = response.headers().get_all(CONNECTION);
        let says_so = said.iter().any(|value| value == "close");
        if says_so || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let left = std::mem::replace(&mut *lock(&state), State::Lost);
        let is_read = match left {
            State::Read => true,
            State::Left(body) => tokio::time::timeout(LONGEST, is_short(body))
                .await
                .unwrap_or(false),
            State::Held | State::Lost => false,
        };
        if !is_read {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
}

impl<B> Reading<B> {
    /// Notes that the client was asked for it.
    pub(crate) fn ask(&mut self) {
        self.waits = false;
    }

    /// Notes that it was read to its end, or failed.
    pub(crate) fn end(&mut self, is_whole: bool) {
        let state = match is_whole {
            true => State::Read,
            false => State::Lost,
        };
        self.note(state);
    }

    /// Leaves it for whoever comes.
    pub(crate) fn leave(&mut self, body: B) {
        let state = match self.waits {
            true => State::Lost,
            false => State::Left(body),
        };
        self.note(state);
    }

    /// What comes first counts.
    fn note(&mut self, state: State<B>) {
        if let Some(rest) = self.rest.0.take() {
            let mut rest = lock(&rest);
            if matches!(*rest, State::Held) {
                *rest = state;
            }
        }
    }
}

/// Reads a body that is not wanted; whether that was all.
async fn is_short<B>(mut body: B) -> bool
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut size = 0;
    while size <= MOST {
        let next = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        match tokio::time::timeout(IDLE, next).await {
            Ok(Some(Ok(frame))) => size += frame.data_ref().map_or(0, Buf::remaining),
            Ok(None) => return true,
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
    false
}

fn lock<B>(state: &Mutex<State<B>>) -> MutexGuard<'_, State<B>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;
    use crate::BoxError;

    type Sent = Result<Frame<Bytes>, BoxError>;

    fn piece() -> Sent {
        Ok(Frame::data(Bytes::from_static(&[0; 1024])))
    }

    async fn closes<B>(body: B, headers: &HeaderMap) -> bool
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let rest = Rest::of(Version::Http1, &body);
        rest.reading(headers).leave(body);
        let mut response = Response::new(());
        rest.settle(&mut response).await;
        response.headers().contains_key(CONNECTION)
    }

    #[tokio::test(start_paused = true)]
    async fn a_little_is_read_for_a_while() {
        let trickle = |pause: Duration, most: usize| {
            let pieces = stream::unfold(0, move |count| async move {
                tokio::time::sleep(pause).await;
                (count < most).then(|| (piece(), count + 1))
            });
            StreamBody::new(pieces.boxed())
        };
        let none = HeaderMap::new();
        let soon = IDLE - Duration::from_millis(1);
        let most = MOST / 1024;
        for (pause, pieces, expected) in [
            (Duration::ZERO, most, false),
            (Duration::ZERO, most + 1, true),
            (soon, 10, false),
            // It is less than the most, and takes longer than the longest.
            (soon, 100, true),
            (IDLE * 2, 1, true),
        ] {
            let closes = closes(trickle(pause, pieces), &none).await;
            assert_eq!(closes, expected, "{pieces} with {pause:?}");
        }
        let broken = stream::iter([piece(), Err("broken".into())]);
        assert!(closes(StreamBody::new(broken), &none).await);
    }

    #[tokio::test]
    async fn a_client_that_was_not_asked_is_not_read() {
        let expect = HeaderValue::from_static("100-continue");
        let headers = HeaderMap::from_iter([(EXPECT, expect)]);
        let unasked = stream::poll_fn(|_| -> std::task::Poll<Option<Sent>> { panic!("read") });
        assert!(closes(StreamBody::new(unasked), &headers).await);
    }

    #[tokio::test]
    async fn who_reads_it_may_say_how_it_ended() {
        for (is_whole, expected) in [(Some(true), false), (Some(false), true), (None, true)] {
            let body = StreamBody::new(stream::iter([piece()]));
            let rest = Rest::of(Version::Http1, &body);
            let mut reading = rest.reading(&HeaderMap::new());
            if let Some(is_whole) = is_whole {
                reading.end(is_whole);
                reading.leave(body);
            }
            let mut response = Response::new(());
            rest.settle(&mut response).await;
            let closes = response.headers().contains_key(CONNECTION);
            assert_eq!(closes, expected, "{is_whole:?}");
        }
    }

    #[tokio::test]
    async fn other_connections_are_left_alone() {
        let body = StreamBody::new(stream::iter([piece()]));
        let rest = Rest::of(Version::Http2, &body);
        let mut response = Response::new(());
        rest.settle(&mut response).await;
        assert!(response.headers().is_empty());

        let rest = Rest::of(Version::Http1, &body);
        let mut upgrade = Response::new(());
        *upgrade.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        rest.settle(&mut upgrade).await;
        assert!(upgrade.headers().is_empty());
    }
}
