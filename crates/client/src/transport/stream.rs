//! One call's stream, as the connection keeps it.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Failure;

/// How much a server may send before anybody has read it, at first and at most.
/// Who keeps reading gets more, as long as the connection has some for it.
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
    /// send: nothing until it is worth a frame. By up to `room` it may have more
    /// than before, which is taken from there.
    pub(super) fn consume(&mut self, size: usize, room: &mut u32) -> Option<u32> {
        // A piece is no larger than a frame.
        self.consumed += size as u32;
        if self.end.is_some() || self.consumed < self.target / 2 {
            return None;
        }
        let more = self.target.min(LARGEST - self.target).min(*room);
        *room -= more;
        self.target += more;
        let increment = std::mem::take(&mut self.consumed) + more;
        self.window += i64::from(increment);
        Some(increment)
    }

    /// By how much the server may have more than at first.
    pub(super) fn grown(&self) -> u32 {
        self.target - WINDOW
    }

    /// Lets go of what was to be read.
    pub(super) fn discard(&mut self) {
        self.head = None;
        self.trailers = None;
        self.data = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_grow_while_there_is_room() {
        let mut room = 2 * LARGEST;
        let streams = [(); 4].map(|()| {
            let mut stream = Stream::new(0, 0, Waker::noop().clone());
            for _ in 0..100 {
                // The server sends all that it may, and all of it is read.
                let sent = stream.window as usize;
                stream.window = 0;
                stream.consume(sent, &mut room);
                assert_eq!(stream.window, i64::from(stream.target));
            }
            stream
        });
        let grown = streams.each_ref().map(Stream::grown);
        assert_eq!(grown[0], LARGEST - WINDOW);
        assert_eq!(grown[3], 0);
        assert_eq!((grown.iter().sum::<u32>(), room), (2 * LARGEST, 0));
    }
}
