//! One call's stream, as the connection keeps it.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Failure;

/// How much a server may send before anybody has read it, at first and at most.
/// Who keeps reading gets more, since it does not pile up.
pub(super) const WINDOW: u32 = 128 * 1024;
pub(super) const LARGEST: u32 = 4 * 1024 * 1024;

pub(super) struct Stream {
    /// Who waits for the answer.
    pub(super) reader: Option<Waker>,
    pub(super) head: Option<(StatusCode, HeaderMap)>,
    pub(super) head_taken: bool,
    pub(super) data: VecDeque<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    /// How the server's side ended, if it has.
    pub(super) end: Option<Result<(), Failure>>,
    /// What the server may still send.
    pub(super) window: i64,
    /// What was read and not given back yet, and how much the server may have
    /// under way when it is.
    pub(super) consumed: u32,
    target: u32,

    /// Who waits for room to send, and whether that is on the connection.
    pub(super) writer: Option<Waker>,
    pub(super) blocked: bool,
    /// What the server takes.
    pub(super) send_window: i64,
    /// Whether the request has been sent to its end.
    pub(super) sent: bool,
    /// Behind how many bytes of the connection its head is.
    pub(super) position: u64,

    /// Whether nobody wants the answer any more.
    pub(super) abandoned: bool,
}

impl Stream {
    pub(super) fn new(send_window: i64, position: u64, reader: Waker) -> Self {
        Self {
            reader: Some(reader),
            head: None,
            head_taken: false,
            data: VecDeque::new(),
            trailers: None,
            end: None,
            window: WINDOW.into(),
            consumed: 0,
            target: WINDOW,
            writer: None,
            blocked: false,
            send_window,
            sent: false,
            position,
            abandoned: false,
        }
    }

    /// Counts what the reader has taken, and says how much more the server may
    /// send: nothing until it is worth a frame.
    pub(super) fn consume(&mut self, size: usize) -> Option<u32> {
        // A piece is no larger than a frame.
        self.consumed += size as u32;
        if self.end.is_some() || self.consumed < self.target / 2 {
            return None;
        }
        let larger = (self.target * 2).min(LARGEST);
        let increment = self.consumed + (larger - self.target);
        (self.consumed, self.target) = (0, larger);
        self.window += i64::from(increment);
        Some(increment)
    }

    /// Lets go of what was to be read, and says how much that was.
    pub(super) fn discard(&mut self) -> usize {
        self.head = None;
        self.trailers = None;
        let size = self.data.iter().map(Bytes::len).sum();
        self.data = VecDeque::new();
        size
    }
}
