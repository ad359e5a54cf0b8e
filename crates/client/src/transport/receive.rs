//! What a server sends, frame by frame (RFC 9113 §6).

use std::task::Waker;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use portolan_rpc::{Code, Status};

use super::Failure;
use super::frame::{self, FrameHead, LARGEST_WINDOW, Reason};
use super::hpack::{Decoder, Field};
use super::state::State;

/// The largest frame that a server may send: an answer of some size comes in
/// few of them.
pub(super) const MAX_FRAME: usize = 64 * 1024;
/// The largest list of headers with what each counts (RFC 9113 §6.5.2): a larger
/// one ends its call.
pub(super) const MAX_HEADERS: usize = 256 * 1024;
/// The largest header block, which has to be read to its end for the sake of the
/// calls that follow: a larger one ends the connection.
const MAX_BLOCK: usize = 4 * MAX_HEADERS;
/// What is copied out of the buffer rather than holding it as a whole.
const SMALL: usize = 2 * 1024;
/// How much may wait to be written because the server asks for it.
const MAX_REPLIES: usize = 1024 * 1024;

/// Reads frames and hands them to their streams.
pub(super) struct Receiver {
    decoder: Decoder,
    /// A header block that goes on in the next frame.
    partial: Option<Partial>,
    /// Whether the server has begun as it has to, with its settings.
    begun: bool,
    /// The last stream that the server works on, once it has said that.
    pub(super) last: Option<u32>,
    /// Whether an answer to our ping has come.
    pub(super) pong: bool,
    name: String,
}

struct Partial {
    stream: u32,
    ends: bool,
    block: Vec<u8>,
}

/// What ends a connection.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    pub(super) text: &'static str,
}

fn fault(reason: Reason, text: &'static str) -> Fault {
    Fault { reason, text }
}

fn protocol(text: &'static str) -> Fault {
    fault(Reason::PROTOCOL_ERROR, text)
}

impl Receiver {
    pub(super) fn new(name: String) -> Self {
        Self {
            decoder: Decoder::new(),
            partial: None,
            begun: false,
            last: None,
            pong: false,
            name,
        }
    }

    /// Whether the server has sent its settings.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Takes every whole frame. Who has to be woken is appended to `wake`.
    pub(super) fn take_all(
        &mut self,
        input: &mut BytesMut,
        state: &mut State,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Fault> {
        while let Some(bytes) = input.first_chunk::<{ frame::HEADER }>() {
            let head = FrameHead::read(bytes);
            if !self.begun {
                if bytes.starts_with(b"HTTP/1") {
                    return Err(protocol("the server speaks HTTP/1.1 and not HTTP/2"));
                }
                if head.kind != frame::SETTINGS || head.has(frame::ACK) {
                    return Err(protocol("the server does not speak HTTP/2"));
                }
            }
            if head.length > MAX_FRAME {
                let text = "the server sent a frame that is too large";
                return Err(fault(Reason::FRAME_SIZE_ERROR, text));
            }
            let size = frame::HEADER + head.length;
            if input.len() < size {
                input.reserve(size - input.len());
                return Ok(());
            }
            input.advance(frame::HEADER);
            if self.partial.is_some() && head.kind != frame::CONTINUATION {
                return Err(protocol("the server broke off a header block"));
            }
            if head.kind == frame::DATA {
                self.data(head, input, state, wake)?;
            } else {
                let payload = input.split_to(head.length);
                self.other(head, &payload, state, wake)?;
            }
        }
        Ok(())
    }

    fn data(
        &mut self,
        head: FrameHead,
        input: &mut BytesMut,
        state: &mut State,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Fault> {
        self.known(head.stream, state)?;
        let mut length = head.length;
        let mut padding = 0;
        if head.has(frame::PADDED) {
            padding = usize::from(
                *input
                    .first()
                    .filter(|_| length > 0)
                    .ok_or_else(bad_padding)?,
            );
            input.advance(1);
            length = (length - 1).checked_sub(padding).ok_or_else(bad_padding)?;
        }
        let data = if length <= SMALL {
            let data = Bytes::copy_from_slice(&input[..length]);
            input.advance(length);
            data
        } else {
            input.split_to(length).freeze()
        };
        input.advance(padding);
        // All of the payload counts, padding too (RFC 9113 §6.9.1).
        state.window -= head.length as i64;
        if state.window < 0 {
            return Err(too_much());
        }
        state.receive(head.length);
        let Some(stream) = state.streams.get_mut(&head.stream) else {
            return enough(state);
        };
        stream.window -= head.length as i64;
        if stream.window < 0 {
            return Err(too_much());
        }
        let malformed = (stream.head.is_none() && !stream.head_taken) || stream.trailers.is_some();
        // What nobody reads of a stream is not replaced: so its server comes to a
        // stop.
        if !stream.abandoned && stream.end.is_none() {
            if malformed {
                return self.malformed(head.stream, state, wake);
            }
            let rest = head.length - data.len();
            if !data.is_empty() {
                stream.data.push_back(data);
                wake.extend(stream.reader.take());
            }
            if rest > 0 {
                // Padding is read by being passed over (RFC 9113 §6.9.1).
                state.consume(head.stream, rest);
                enough(state)?;
            }
        }
        if head.has(frame::END_STREAM) {
            self.end(head.stream, Ok(()), state, wake);
        }
        Ok(())
    }

    fn other(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        state: &mut State,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Fault> {
        match head.kind {
            frame::HEADERS => {
                self.known(head.stream, state)?;
                let mut rest = payload;
                if head.has(frame::PADDED) {
                    let (padding, tail) = rest.split_first().ok_or_else(bad_padding)?;
                    let length = tail.len().checked_sub(usize::from(*padding));
                    rest = &tail[..length.ok_or_else(bad_padding)?];
                }
                if head.has(frame::PRIORITIZED) {
                    rest = rest.get(5..).ok_or_else(short)?;
                }
                let ends = head.has(frame::END_STREAM);
                if head.has(frame::END_HEADERS) {
                    return self.headers(head.stream, ends, rest, state, wake);
                }
                self.partial = Some(Partial {
                    stream: head.stream,
                    ends,
                    block: rest.to_vec(),
                });
                Ok(())
            }
            frame::CONTINUATION => {
                let Some(mut partial) = self.partial.take() else {
                    return Err(protocol("the server continued a header block that is none"));
                };
                if partial.stream != head.stream {
                    return Err(protocol("the server broke off a header block"));
                }
                partial.block.extend_from_slice(payload);
                if partial.block.len() > MAX_BLOCK {
                    let text = "the server sent headers that are too large";
                    return Err(fault(Reason::ENHANCE_YOUR_CALM, text));
                }
                if head.has(frame::END_HEADERS) {
                    let Partial {
                        stream,
                        ends,
                        block,
                    } = partial;
                    return self.headers(stream, ends, &block, state, wake);
                }
                // A frame without a byte makes no progress, and could come for
                // ever.
                if payload.is_empty() {
                    let text = "the server sent empty parts of a header block";
                    return Err(fault(Reason::ENHANCE_YOUR_CALM, text));
                }
                self.partial = Some(partial);
                Ok(())
            }
            frame::RST_STREAM => {
                self.known(head.stream, state)?;
                let reason = Reason(u32::from_be_bytes(exactly(payload)?));
                let failure = self.reset(reason);
                if let Some(stream) = state.streams.get_mut(&head.stream) {
                    // Both directions are over.
                    stream.sent = true;
                }
                self.end(head.stream, Err(failure), state, wake);
                Ok(())
            }
            frame::SETTINGS => self.settings(head, payload, state, wake),
            frame::PING => {
                let payload = exactly(payload)?;
                if head.has(frame::ACK) {
                    self.pong = true;
                    return Ok(());
                }
                state
                    .outbox
                    .append(|out| frame::ping(out, frame::ACK, payload));
                enough(state)
            }
            frame::GOAWAY => self.go_away(payload, state, wake),
            frame::WINDOW_UPDATE => {
                let increment = u32::from_be_bytes(exactly(payload)?) & 0x7fff_ffff;
                if increment == 0 {
                    return Err(protocol("the server enlarged a window by nothing"));
                }
                if head.stream != 0 {
                    self.known(head.stream, state)?;
                    match state.widen(head.stream, increment) {
                        Ok(writer) => wake.extend(writer),
                        Err(()) => return Err(too_wide()),
                    }
                    return Ok(());
                }
                state.send_window += i64::from(increment);
                if state.send_window > LARGEST_WINDOW {
                    return Err(too_wide());
                }
                state.unblock(wake);
                Ok(())
            }
            frame::PUSH_PROMISE => Err(protocol("the server pushed what nobody asked for")),
            // Priorities are advice; extensions are ignored (RFC 9113 §5.3, §5.5).
            _ => Ok(()),
        }
    }

    /// A whole header block: the head of an answer, or its trailers.
    fn headers(
        &mut self,
        id: u32,
        ends: bool,
        block: &[u8],
        state: &mut State,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Fault> {
        let mut status = None;
        let mut malformed = false;
        let mut headers = HeaderMap::new();
        let read = self
            .decoder
            .decode(block, MAX_HEADERS, |field| match field {
                Field::Header(name, value) => {
                    malformed |= headers.try_append(name, value.clone()).is_err();
                }
                Field::Status(code) => malformed |= status.replace(*code).is_some(),
                Field::Malformed => malformed = true,
            });
        let Ok(size) = read else {
            let text = "the server sent headers that cannot be read";
            return Err(fault(Reason::COMPRESSION_ERROR, text));
        };
        let Some(stream) = state.streams.get_mut(&id) else {
            return Ok(());
        };
        if stream.end.is_some() {
            return Ok(());
        }
        if size > MAX_HEADERS {
            let message = format!(
                "{}: the server sent headers of {size} bytes, and the limit is {MAX_HEADERS}",
                self.name
            );
            let status = Status::new(Code::ResourceExhausted, message);
            return self.refuse(id, Reason::CANCEL, status, state, wake);
        }
        let headed = stream.head.is_some() || stream.head_taken;
        match status {
            _ if malformed => return self.malformed(id, state, wake),
            // Trailers have no status and end the stream (RFC 9113 §8.1).
            None if headed && ends => stream.trailers = Some(headers),
            // Something in between, such as `103 Early Hints`.
            Some(status) if !headed && status.is_informational() && !ends => return Ok(()),
            Some(status) if !headed => {
                stream.head = Some((status, headers));
                wake.extend(stream.reader.take());
            }
            _ => return self.malformed(id, state, wake),
        }
        if ends {
            self.end(id, Ok(()), state, wake);
        }
        Ok(())
    }

    fn settings(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        state: &mut State,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Fault> {
        if head.has(frame::ACK) {
            return Ok(());
        }
        if !payload.len().is_multiple_of(6) {
            return Err(short());
        }
        self.begun = true;
        for setting in payload.chunks_exact(6) {
            let name = u16::from_be_bytes([setting[0], setting[1]]);
            let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
            match name {
                frame::HEADER_TABLE_SIZE => state.encoder.resize(value as usize),
                frame::MAX_CONCURRENT_STREAMS => state.max_streams = value as usize,
                frame::MAX_FRAME_SIZE => {
                    if !(16_384..1 << 24).contains(&value) {
                        return Err(protocol("the server takes frames of no valid size"));
                    }
                    state.max_frame = value as usize;
                }
                frame::INITIAL_WINDOW_SIZE => {
                    let window = i64::from(value);
                    if window > LARGEST_WINDOW {
                        return Err(too_wide());
                    }
                    // It holds for streams that are there, too (RFC 9113 §6.9.2).
                    let more = window - state.initial_window;
                    state.initial_window = window;
                    for stream in state.streams.values_mut() {
                        stream.send_window += more;
                        if stream.send_window > LARGEST_WINDOW {
                            return Err(too_wide());
                        }
                        wake.extend(stream.writer.take());
                    }
                }
                _ => {}
            }
        }
        state
            .outbox
            .append(|out| frame::head(out, 0, frame::SETTINGS, frame::ACK, 0));
        enough(state)
    }

    /// The server takes no more calls, and says which it has taken
    /// (RFC 9113 §6.8).
    fn go_away(
        &mut self,
        payload: &[u8],
        state: &mut State,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Fault> {
        let (fixed, debug) = payload.split_at_checked(8).ok_or_else(short)?;
        let last = u32::from_be_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]) & 0x7fff_ffff;
        let reason = Reason(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]));
        // It may say so twice, and then of fewer.
        let last = self.last.map_or(last, |before| before.min(last));
        self.last = Some(last);
        let name = &self.name;
        let mut message = format!("{name}: the server ends the connection");
        if reason != Reason::NO_ERROR {
            message = format!("{message} ({})", reason.name());
        }
        if !debug.is_empty() {
            let debug = String::from_utf8_lossy(&debug[..debug.len().min(200)]);
            message = format!("{message}: {}", debug.escape_default());
        }
        let status = Status::new(Code::Unavailable, message);
        tracing::debug!(reason = status.message(), "GOAWAY");
        state.ending = Some(status.clone());
        let late: Vec<u32> = state
            .streams
            .keys()
            .copied()
            .filter(|id| *id > last)
            .collect();
        for id in late {
            if let Some(stream) = state.streams.get_mut(&id) {
                // The server ignores what comes for it.
                stream.sent = true;
            }
            let failure = Failure::Refused(status.clone());
            self.end(id, Err(failure), state, wake);
        }
        Ok(())
    }

    /// Ends the server's side of a stream.
    fn end(&mut self, id: u32, how: Result<(), Failure>, state: &mut State, wake: &mut Vec<Waker>) {
        let Some(stream) = state.streams.get_mut(&id) else {
            return;
        };
        if stream.abandoned {
            state.remove(id);
            return;
        }
        // What has ended well stays so: servers reset a stream behind their
        // answer when they want no more of the request.
        if stream.end.is_none() {
            stream.end = Some(how);
        }
        wake.extend(stream.reader.take());
        wake.extend(stream.writer.take());
    }

    /// A stream that breaks the rules of HTTP is reset (RFC 9113 §8.1.1).
    fn malformed(
        &mut self,
        id: u32,
        state: &mut State,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Fault> {
        let message = format!("{}: the server sent a response that is none", self.name);
        let status = Status::new(Code::Internal, message);
        self.refuse(id, Reason::PROTOCOL_ERROR, status, state, wake)
    }

    /// Resets a stream whose answer cannot be taken.
    fn refuse(
        &mut self,
        id: u32,
        reason: Reason,
        status: Status,
        state: &mut State,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Fault> {
        state.outbox.append(|out| frame::reset(out, id, reason));
        if let Some(stream) = state.streams.get_mut(&id) {
            stream.sent = true;
        }
        self.end(id, Err(Failure::Broken(status)), state, wake);
        enough(state)
    }

    /// What a reset says (gRPC over HTTP/2, "Errors").
    fn reset(&self, reason: Reason) -> Failure {
        let code = match reason {
            Reason::REFUSED_STREAM => Code::Unavailable,
            Reason::CANCEL => Code::Cancelled,
            Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
            Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
            _ => Code::Internal,
        };
        let message = format!(
            "{}: the server reset the call ({})",
            self.name,
            reason.name()
        );
        let status = Status::new(code, message);
        if reason == Reason::REFUSED_STREAM {
            Failure::Refused(status)
        } else {
            Failure::Broken(status)
        }
    }

    /// Streams are ours: odd, and none before we begin it.
    fn known(&self, id: u32, state: &State) -> Result<(), Fault> {
        if id % 2 == 1 && state.has_opened(id) {
            return Ok(());
        }
        Err(protocol("the server spoke of a stream that is none"))
    }
}

/// A server that asks for more than it reads is not served any more.
fn enough(state: &State) -> Result<(), Fault> {
    if state.outbox.size() > MAX_REPLIES {
        let text = "the server asks for more than it reads";
        return Err(fault(Reason::ENHANCE_YOUR_CALM, text));
    }
    Ok(())
}

fn exactly<const N: usize>(payload: &[u8]) -> Result<[u8; N], Fault> {
    payload.try_into().map_err(|_| short())
}

fn short() -> Fault {
    let text = "the server sent a frame of the wrong size";
    fault(Reason::FRAME_SIZE_ERROR, text)
}

fn bad_padding() -> Fault {
    protocol("the server sent a frame with more padding than there is")
}

fn too_much() -> Fault {
    let text = "the server sent more than there is room for";
    fault(Reason::FLOW_CONTROL_ERROR, text)
}

fn too_wide() -> Fault {
    let text = "the server made a window larger than one can be";
    fault(Reason::FLOW_CONTROL_ERROR, text)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::hpack::Head;
    use super::*;
    use portolan_rpc::Deadline;

    fn state() -> State {
        let mut state = State::new(false, HeaderValue::from_static("localhost"));
        let headers = HeaderMap::new();
        for _ in 0..8 {
            let head = Head {
                path: "/a.A/M",
                headers: &headers,
                deadline: Deadline::NEVER,
                previous_attempts: 0,
            };
            state.open(&head, true, Waker::noop()).unwrap();
        }
        state
    }

    /// A frame that is mostly like one of a server.
    fn frame_by_chance(random: &mut fastrand::Rng) -> Vec<u8> {
        let kinds = [0, 0, 0, 1, 1, 1, 1, 3, 4, 6, 7, 8, 2, 200, 9, 5];
        // The last are wrong wherever they come.
        let odd = random.u8(..32) == 0;
        let most = kinds.len() - if odd { 0 } else { 2 };
        let kind = kinds[random.usize(..most)];
        let payload: Vec<u8> = match random.u8(..64) {
            0 => (0..random.usize(..40)).map(|_| random.u8(..)).collect(),
            1 => vec![0; random.usize(..2000)],
            _ => match kind {
                1 | 9 => [
                    &b"\x88"[..],
                    b"\x88\x40\x01a\x01b",
                    b"\x40\x0bgrpc-status\x010",
                    b"\xbe",
                    b"\x8d\x5f\x10application/grpc",
                ][random.usize(..5)]
                .to_vec(),
                4 => {
                    let value = 16_384 + (random.u32(..) >> random.u32(10..32));
                    let mut setting = vec![0, random.u8(..8)];
                    setting.extend_from_slice(&value.to_be_bytes());
                    setting
                }
                3 | 8 => (1 + (random.u32(..) >> random.u32(4..32)))
                    .to_be_bytes()
                    .to_vec(),
                6 => vec![7; 8],
                7 => vec![0, 0, 0, random.u8(..20), 0, 0, 0, random.u8(..14), b'x'],
                _ => vec![b'd'; random.usize(..100)],
            },
        };
        let mut bytes = Vec::new();
        let flags = match kind {
            _ if odd => random.u8(..),
            1 => [4, 5][random.usize(..2)],
            _ => random.u8(..2),
        };
        let stream = match kind {
            4 | 6 | 7 => 0,
            _ if odd => random.u32(..20),
            _ => random.u32(..8) * 2 + 1,
        };
        frame::head(&mut bytes, payload.len(), kind, flags, stream);
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// A receiver and a state whose server has begun, and has sent the head of
    /// the first answer.
    fn answering() -> (Receiver, State, BytesMut) {
        let mut input = BytesMut::new();
        let mut bytes = Vec::new();
        frame::settings(&mut bytes, &[]);
        frame::head(&mut bytes, 1, frame::HEADERS, frame::END_HEADERS, 1);
        bytes.push(0x88);
        input.extend_from_slice(&bytes);
        let (mut receiver, mut state) = (Receiver::new("server".to_owned()), state());
        receiver
            .take_all(&mut input, &mut state, &mut Vec::new())
            .unwrap();
        (receiver, state, input)
    }

    #[test]
    fn padding_uses_up_no_window() {
        let (mut receiver, mut state, mut input) = answering();
        let mut padded = Vec::new();
        frame::head(&mut padded, 257, frame::DATA, frame::PADDED, 1);
        padded.extend_from_slice(&[255, b'x']);
        padded.resize(frame::HEADER + 257, 0);
        // Much more than the window, and little to read.
        for _ in 0..10_000 {
            input.extend_from_slice(&padded);
            receiver
                .take_all(&mut input, &mut state, &mut Vec::new())
                .unwrap();
        }
        let stream = state.streams.get(&1).unwrap();
        assert_eq!(stream.data.len(), 10_000);
        assert!(stream.window > 0);
    }

    /// Whatever a server sends, nothing panics, and every call that has not
    /// ended is still there to be failed.
    #[test]
    fn no_bytes_do_harm() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut good, mut faults, mut heads) = (0, 0, 0);
        for _ in 0..5_000 {
            let mut receiver = Receiver::new("server".to_owned());
            let mut state = state();
            let mut wake = Vec::new();
            let mut input = BytesMut::new();
            let mut bytes = Vec::new();
            frame::settings(&mut bytes, &[(frame::MAX_CONCURRENT_STREAMS, 100)]);
            for _ in 0..random.usize(..30) {
                bytes.extend(frame_by_chance(&mut random));
            }
            if random.bool() {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            // In pieces of any size.
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(random.usize(1..=rest.len()));
                rest = tail;
                input.extend_from_slice(piece);
                match receiver.take_all(&mut input, &mut state, &mut wake) {
                    Ok(()) => good += 1,
                    Err(fault) => {
                        faults += 1;
                        assert!(!fault.text.is_empty());
                        break;
                    }
                }
                // Calls come and go meanwhile.
                let id = random.u32(..10) * 2 + 1;
                let context = std::task::Context::from_waker(Waker::noop());
                match random.u8(..4) {
                    0 => state.abandon(id),
                    1 if state.streams.contains_key(&id) => {
                        heads += usize::from(state.take_head(id, &context).is_ready());
                    }
                    2 => drop(state.take_frame(id, &context)),
                    _ => {}
                }
                assert!(state.cancelled.lingering <= state.streams.len());
            }
            let abandoned = state
                .streams
                .values()
                .filter(|stream| stream.abandoned)
                .count();
            assert_eq!(abandoned, state.cancelled.lingering);
        }
        // The frames are good enough to get somewhere.
        assert!(
            good > 5_000 && faults > 500 && heads > 500,
            "{good} {faults} {heads}"
        );
    }
}
