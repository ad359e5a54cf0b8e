//! What the calls of a connection share with the task that reads and writes it:
//! streams, windows, and what is to be written.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use portolan_rpc::{Code, Status};
use tokio::time::Instant;

use super::Failure;
use super::cancel::Cancelled;
use super::frame::{self, LARGEST_WINDOW, Reason};
use super::hpack::{Encoder, Head};
use super::outbox::Outbox;
use super::stream::Stream;

/// How much a server may send on the whole connection before we have received
/// it. It is given back at once, since streams have windows of their own: those
/// that nobody reads never hold up the others.
pub(super) const WINDOW: u32 = 64 * 1024 * 1024;
/// By how much the windows of streams may grow together: so much may wait to be
/// read on a connection, and what every stream has at first.
const GROWTH: u32 = 64 * 1024 * 1024;
/// How much waits to be written before calls wait with more.
const BACKLOG: usize = 256 * 1024;
/// How many streams a server takes that does not say.
const MANY: usize = 1 << 20;

pub(super) struct State {
    pub(super) streams: Streams,
    pub(super) encoder: Encoder,
    pub(super) outbox: Outbox,
    /// How many bytes were written or are being written, without the outbox.
    pub(super) taken: u64,
    next: u32,

    /// What the server takes: on the connection, on a new stream, in a frame,
    /// streams at a time.
    pub(super) send_window: i64,
    pub(super) initial_window: i64,
    pub(super) max_frame: usize,
    pub(super) max_streams: usize,
    /// Streams that wait for the connection's window or for room to write.
    pub(super) blocked: Vec<u32>,

    /// What the server may still send, and what was received of it.
    pub(super) window: i64,
    received: u32,
    /// By how much windows of streams may still grow.
    growth: u32,

    /// Why no calls are taken any more.
    pub(super) ending: Option<Status>,
    /// Whether nobody can make calls any more.
    pub(super) forgotten: bool,
    pub(super) cancelled: Cancelled,
    /// The task of the connection, when it sleeps.
    pub(super) driver: Option<Waker>,
}

pub(super) type Streams = HashMap<u32, Stream, BuildHasherDefault<Spread>>;

/// What became of a piece that was to be sent.
pub(super) enum Sent {
    /// It is on its way.
    All,
    /// Some of it has to wait.
    Blocked,
    /// The stream is over; nobody wants it.
    Gone,
}

impl State {
    pub(super) fn new(https: bool, authority: HeaderValue) -> Self {
        Self {
            streams: HashMap::default(),
            encoder: Encoder::new(https, authority),
            outbox: Outbox::default(),
            taken: 0,
            next: 1,
            send_window: 65_535,
            initial_window: 65_535,
            max_frame: 16_384,
            max_streams: MANY,
            blocked: Vec::new(),
            window: WINDOW.into(),
            received: 0,
            growth: GROWTH,
            ending: None,
            forgotten: false,
            cancelled: Cancelled::new(),
            driver: None,
        }
    }

    /// Begins a call: its stream, with its head on the way.
    pub(super) fn open(
        &mut self,
        head: &Head<'_>,
        over: bool,
        reader: &Waker,
    ) -> Result<u32, Failure> {
        if let Some(status) = &self.ending {
            return Err(Failure::Unprocessed(status.clone()));
        }
        if self.streams.len() >= self.max_streams {
            let message = format!("the server takes {} calls at a time", self.max_streams);
            return Err(Failure::Unprocessed(Status::new(
                Code::Unavailable,
                message,
            )));
        }
        let id = self.next;
        self.next += 2;
        if self.next > 0x7fff_ff00 {
            let message = "the connection has had as many calls as one can have";
            self.ending = Some(Status::new(Code::Unavailable, message));
        }
        let position = self.taken + self.outbox.size() as u64;
        let mut stream = Stream::new(self.initial_window, position, reader.clone());
        stream.sent = over;
        self.streams.insert(id, stream);
        let (encoder, max_frame) = (&mut self.encoder, self.max_frame);
        let end = if over { frame::END_STREAM } else { 0 };
        self.outbox.append(|out| {
            let start = out.len();
            frame::head(out, 0, 0, 0, 0);
            encoder.encode(head, out);
            let length = out.len() - start - frame::HEADER;
            if length <= max_frame {
                let mut written = Vec::with_capacity(frame::HEADER);
                let flags = frame::END_HEADERS | end;
                frame::head(&mut written, length, frame::HEADERS, flags, id);
                out[start..start + frame::HEADER].copy_from_slice(&written);
                return;
            }
            let block = out.split_off(start + frame::HEADER);
            out.truncate(start);
            let count = block.len().div_ceil(max_frame);
            for (at, part) in block.chunks(max_frame).enumerate() {
                let last = if at + 1 == count {
                    frame::END_HEADERS
                } else {
                    0
                };
                let (kind, flags) = match at {
                    0 => (frame::HEADERS, last | end),
                    _ => (frame::CONTINUATION, last),
                };
                frame::head(out, part.len(), kind, flags, id);
                out.extend_from_slice(part);
            }
        });
        Ok(id)
    }

    /// Sends as much of a piece as there is room for; `last` ends the request
    /// with it.
    pub(super) fn send(&mut self, id: u32, rest: &mut Bytes, last: bool, writer: &Waker) -> Sent {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Sent::Gone;
        };
        if stream.end.is_some() || stream.abandoned {
            return Sent::Gone;
        }
        loop {
            let window = stream.send_window.min(self.send_window);
            let room = usize::try_from(window).unwrap_or(0).min(self.max_frame);
            let backlog = self.outbox.size() >= BACKLOG;
            if (room == 0 || backlog) && !rest.is_empty() {
                stream.writer = Some(writer.clone());
                // Its own window wakes a stream by itself.
                if stream.send_window > 0 && !stream.blocked {
                    stream.blocked = true;
                    self.blocked.push(id);
                }
                return Sent::Blocked;
            }
            let part = rest.split_to(room.min(rest.len()));
            let over = last && rest.is_empty();
            let flags = if over { frame::END_STREAM } else { 0 };
            stream.send_window -= part.len() as i64;
            self.send_window -= part.len() as i64;
            self.outbox
                .append(|out| frame::head(out, part.len(), frame::DATA, flags, id));
            self.outbox.push(part);
            stream.sent |= over;
            if rest.is_empty() {
                return Sent::All;
            }
        }
    }

    /// The head of the answer.
    pub(super) fn take_head(
        &mut self,
        id: u32,
        context: &Context<'_>,
    ) -> Poll<Result<(StatusCode, HeaderMap), Failure>> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Poll::Ready(Err(Failure::gone()));
        };
        if let Some(head) = stream.head.take() {
            stream.head_taken = true;
            return Poll::Ready(Ok(head));
        }
        match stream.end.take() {
            None => {
                wait(&mut stream.reader, context);
                Poll::Pending
            }
            Some(end) => {
                self.remove(id);
                // An end without a head is none.
                Poll::Ready(Err(end.err().unwrap_or_else(Failure::gone)))
            }
        }
    }

    /// The next piece of the answer, or its trailers. The stream is gone with its
    /// end.
    pub(super) fn take_frame(
        &mut self,
        id: u32,
        context: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Poll::Ready(None);
        };
        if let Some(data) = stream.data.pop_front() {
            self.consume(id, data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let Some(end) = stream.end.take() else {
            wait(&mut stream.reader, context);
            return Poll::Pending;
        };
        let trailers = stream.trailers.take();
        self.remove(id);
        Poll::Ready(match end {
            Ok(()) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(failure) => Some(Err(failure)),
        })
    }

    /// What is left of an answer that has all come, if it has, so that it need
    /// not be asked for piece by piece.
    pub(super) fn take_rest(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.get(&id)?;
        if !matches!(stream.end, Some(Ok(()))) {
            return None;
        }
        self.remove(id)
    }

    /// Lets go of a call before its end.
    pub(super) fn abandon(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.abandoned {
            return;
        }
        stream.discard();
        stream.reader = None;
        stream.writer = None;
        if stream.end.is_some() {
            self.remove(id);
            return;
        }
        stream.abandoned = true;
        // What may be a stream without an end is reset; so is a request that has
        // none, since a server could take it for whole.
        let may_end = stream.sent && !stream.head_taken;
        let now = Instant::now();
        self.cancelled.add(id, may_end, now);
        self.reset_due(now);
    }

    /// Resets what is due and allowed.
    pub(super) fn reset_due(&mut self, now: Instant) {
        let streams = &self.streams;
        let lingers = |id| streams.contains_key(&id);
        let mut due = Vec::new();
        while let Some(id) = self.cancelled.next(now, lingers) {
            due.push(id);
        }
        for id in due {
            self.outbox
                .append(|out| frame::reset(out, id, Reason::CANCEL));
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.sent = true;
            }
            self.remove(id);
        }
        let streams = &self.streams;
        let lingers = |id| streams.contains_key(&id);
        if self.ending.is_none() && self.cancelled.is_overrun(lingers) {
            let message = "the connection has too many calls that were cancelled";
            self.ending = Some(Status::new(Code::Unavailable, message));
        }
    }

    /// Forgets a stream. A request that has no end yet gets one.
    pub(super) fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        self.growth += stream.grown();
        if stream.abandoned {
            self.cancelled.lingering -= 1;
        }
        if !stream.sent {
            self.outbox
                .append(|out| frame::reset(out, id, Reason::CANCEL));
        }
        if let Some(writer) = &stream.writer {
            writer.wake_by_ref();
        }
        Some(stream)
    }

    /// Counts what was received on the connection, and lets the server send more.
    pub(super) fn receive(&mut self, size: usize) {
        // A piece is no larger than a frame.
        self.received += size as u32;
        if self.received >= WINDOW / 4 {
            let increment = std::mem::take(&mut self.received);
            self.window += i64::from(increment);
            self.outbox
                .append(|out| frame::window_update(out, 0, increment));
        }
    }

    /// Counts what was read on a stream, and lets the server send more.
    pub(super) fn consume(&mut self, id: u32, size: usize) {
        if let Some(stream) = self.streams.get_mut(&id)
            && let Some(increment) = stream.consume(size, &mut self.growth)
        {
            self.outbox
                .append(|out| frame::window_update(out, id, increment));
        }
    }

    /// More room on a stream; an error when it is more than there can be.
    pub(super) fn widen(&mut self, id: u32, increment: u32) -> Result<Option<Waker>, ()> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(None);
        };
        stream.send_window += i64::from(increment);
        if stream.send_window > LARGEST_WINDOW {
            return Err(());
        }
        Ok(stream.writer.take())
    }

    /// Everybody who waits for room on the connection.
    pub(super) fn unblock(&mut self, wake: &mut Vec<Waker>) {
        for id in self.blocked.drain(..) {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.blocked = false;
                wake.extend(stream.writer.take());
            }
        }
    }

    /// Whether some want to send and there is room to write.
    pub(super) fn has_room(&self) -> bool {
        !self.blocked.is_empty() && self.send_window > 0 && self.outbox.size() < BACKLOG
    }

    /// Whether a stream with this id has been begun.
    pub(super) fn has_opened(&self, id: u32) -> bool {
        id < self.next
    }

    /// How many calls there have been.
    pub(super) fn opened(&self) -> u64 {
        u64::from(self.next / 2)
    }

    /// Calls that somebody waits for.
    pub(super) fn live(&self) -> usize {
        self.streams.len() - self.cancelled.lingering
    }

    /// Whether nothing is left to do, and nothing will be.
    pub(super) fn is_finished(&self) -> bool {
        self.live() == 0 && (self.ending.is_some() || self.forgotten)
    }

    /// Whoever has to be woken since there is something to write, or since this
    /// may have been the last call of a connection that ends.
    pub(super) fn waken(&mut self) -> Option<Waker> {
        let needed = self.outbox.size() > 0
            || self.cancelled.lingering > 0
            || self.forgotten
            || self.ending.is_some();
        if needed { self.driver.take() } else { None }
    }
}

/// Remembers who waits.
fn wait(slot: &mut Option<Waker>, context: &Context<'_>) {
    match slot {
        Some(waker) if waker.will_wake(context.waker()) => {}
        slot => *slot = Some(context.waker().clone()),
    }
}

/// Spreads stream ids over a table: they are odd and follow each other, and
/// nobody but us chooses them.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
