//! What a call sends: a request's body, remembered for as long as the call may
//! have to be sent again.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;
use portolan_rpc::{Body, BoxError};

/// A request's body, and what of it was sent.
pub(crate) struct Upload {
    body: Body,
    /// Whether the body has given all it has.
    ended: bool,
    /// What was read, to be sent again. Only whole while `remembers`.
    sent: Vec<Bytes>,
    /// How much of `sent` this attempt has taken.
    taken: usize,
    size: usize,
    limit: usize,
    remembers: bool,
}

/// What comes next.
pub(crate) enum Piece {
    /// Bytes, and whether they are the last.
    Data(Bytes, bool),
    /// The end, without further bytes.
    End,
}

impl Upload {
    /// A body of which up to `limit` bytes are remembered; what is larger is
    /// sent once.
    pub(crate) fn new(body: Body, limit: usize) -> Self {
        Self {
            body,
            ended: false,
            sent: Vec::new(),
            taken: 0,
            size: 0,
            limit,
            remembers: true,
        }
    }

    /// The next piece; pieces without bytes are passed over.
    pub(crate) fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Piece, BoxError>> {
        if let Some(piece) = self.sent.get(self.taken) {
            self.taken += 1;
            let last = self.ended && self.taken == self.sent.len();
            return Poll::Ready(Ok(Piece::Data(piece.clone(), last)));
        }
        loop {
            if self.ended {
                return Poll::Ready(Ok(Piece::End));
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => {
                    self.ended = true;
                    continue;
                }
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    // What there was of it is no request.
                    self.remembers = false;
                    self.sent = Vec::new();
                    self.taken = 0;
                    return Poll::Ready(Err(error));
                }
            };
            // Requests have no trailers in gRPC.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if data.is_empty() {
                continue;
            }
            self.ended = self.body.is_end_stream();
            self.remember(&data);
            return Poll::Ready(Ok(Piece::Data(data, self.ended)));
        }
    }

    /// Begins anew, for another attempt; false when that cannot be.
    pub(crate) fn rewind(&mut self) -> bool {
        if self.remembers {
            self.taken = 0;
        }
        self.remembers
    }

    /// Forgets what was sent: there will be no other attempt.
    pub(crate) fn commit(&mut self) {
        self.remembers = false;
        self.sent.drain(..self.taken.min(self.sent.len()));
        self.taken = 0;
    }

    fn remember(&mut self, data: &Bytes) {
        if !self.remembers {
            return;
        }
        self.size += data.len();
        if self.size > self.limit {
            self.remembers = false;
            self.sent = Vec::new();
            self.taken = 0;
            return;
        }
        self.sent.push(data.clone());
        self.taken = self.sent.len();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;

    fn body(pieces: &'static [&'static str]) -> Body {
        let frames = pieces.iter().map(|piece| {
            Ok::<_, BoxError>(http_body::Frame::data(Bytes::from_static(piece.as_bytes())))
        });
        Body::new(StreamBody::new(tokio_stream::iter(frames)))
    }

    fn next(upload: &mut Upload) -> Option<Bytes> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match upload.poll_piece(&mut context) {
            Poll::Ready(Ok(Piece::Data(data, _))) => Some(data),
            _ => None,
        }
    }

    #[test]
    fn what_was_sent_is_sent_again() {
        let mut upload = Upload::new(body(&["a", "", "b", "c"]), 3);
        assert_eq!(next(&mut upload).unwrap(), "a");
        assert_eq!(next(&mut upload).unwrap(), "b");
        assert!(upload.rewind());
        for piece in ["a", "b", "c"] {
            assert_eq!(next(&mut upload).unwrap(), piece);
        }
        assert!(next(&mut upload).is_none());
        assert!(upload.rewind());
        assert_eq!(next(&mut upload).unwrap(), "a");
        upload.commit();
        assert_eq!(next(&mut upload).unwrap(), "b");
        assert!(!upload.rewind());
    }

    #[test]
    fn what_broke_off_is_not_sent_again() {
        let pieces = [Ok("a"), Err(BoxError::from("broken"))];
        let frames = pieces.map(|piece| {
            piece.map(|piece| http_body::Frame::data(Bytes::from_static(piece.as_bytes())))
        });
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        let mut upload = Upload::new(body, 100);
        assert_eq!(next(&mut upload).unwrap(), "a");
        assert!(next(&mut upload).is_none());
        assert!(!upload.rewind());
    }

    #[test]
    fn what_is_over_the_limit_is_sent_once() {
        let mut upload = Upload::new(body(&["ab", "cd", "e"]), 3);
        assert_eq!(next(&mut upload).unwrap(), "ab");
        assert!(upload.remembers);
        assert_eq!(next(&mut upload).unwrap(), "cd");
        assert!(upload.sent.is_empty());
        assert_eq!(next(&mut upload).unwrap(), "e");
        assert!(!upload.rewind());
    }
}
