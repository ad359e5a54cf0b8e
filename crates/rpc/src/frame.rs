//! Length-prefixed messages: a byte of flags, four bytes of length, the
//! message (gRPC over HTTP/2, "Length-Prefixed-Message"). gRPC-Web and Connect
//! use the same frames with flags of their own.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Code, Status};

/// Flags and length in front of each message.
pub const PREFIX: usize = 5;
/// The message is compressed.
pub const COMPRESSED: u8 = 0b1;

/// A message and its flags.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// [`COMPRESSED`] or nothing in gRPC; other protocols have more.
    pub flags: u8,
    /// The message as it was sent.
    pub payload: Bytes,
}

/// Builds a frame: `write` appends the payload, of about `size` bytes.
pub fn build<E>(
    flags: u8,
    size: usize,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<Bytes, E> {
    let mut frame = Vec::with_capacity(PREFIX + size);
    frame.extend_from_slice(&[flags, 0, 0, 0, 0]);
    write(&mut frame)?;
    // Nothing above 4 GiB gets here: every message is held to a limit.
    let length = u32::try_from(frame.len() - PREFIX).unwrap_or(u32::MAX);
    frame[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    Ok(frame.into())
}

/// A frame of a message that the gateway makes itself, which may be larger than
/// what it is made of: RESOURCE_EXHAUSTED when it is over the limit.
pub fn build_within(
    limit: usize,
    size: usize,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Status>,
) -> Result<Bytes, Status> {
    let frame = build(0, size.min(limit), write)?;
    let size = frame.len() - PREFIX;
    if size > limit {
        return Err(too_large(size, limit));
    }
    Ok(frame)
}

/// A frame around a payload.
pub fn wrap(flags: u8, payload: &[u8]) -> Bytes {
    let built: Result<Bytes, std::convert::Infallible> = build(flags, payload.len(), |frame| {
        frame.extend_from_slice(payload);
        Ok(())
    });
    match built {
        Ok(frame) => frame,
        Err(never) => match never {},
    }
}

/// The status for a message over the limit.
pub fn too_large(size: usize, limit: usize) -> Status {
    let message = format!("the message has {size} bytes, which is over the limit of {limit} bytes");
    Status::new(Code::ResourceExhausted, message)
}

/// The status for something that is known to be over the limit, but not how
/// large it is as a whole.
pub fn larger_than(seen: usize, limit: usize) -> Status {
    let message =
        format!("the message has at least {seen} bytes, which is over the limit of {limit} bytes");
    Status::new(Code::ResourceExhausted, message)
}

/// The status for a compressed message of a call that names no encoding.
pub fn no_encoding() -> Status {
    Status::new(
        Code::Internal,
        "a message is compressed, but no encoding was named",
    )
}

/// Whether the flags are among those that gRPC has. The others are reserved.
pub fn are_known(flags: u8) -> bool {
    flags & !COMPRESSED == 0
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct Decoder {
    /// A frame that came in pieces, and what is behind it.
    buffer: BytesMut,
    /// Or a piece that begins with a frame, while the buffer is empty.
    piece: Bytes,
    limit: usize,
}

impl Decoder {
    /// A decoder of messages with at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            piece: Bytes::new(),
            limit,
        }
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: Bytes) {
        if self.is_at_boundary() {
            self.piece = bytes;
            return;
        }
        self.gather();
        self.buffer.extend_from_slice(&bytes);
    }

    /// The next frame, once it is there whole. One that came in one piece is not
    /// copied.
    pub fn take(&mut self) -> Result<Option<Frame>, Status> {
        let gathered = self.piece.is_empty();
        let bytes: &[u8] = if gathered { &self.buffer } else { &self.piece };
        let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [flags, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length) as usize;
        if length > self.limit {
            return Err(too_large(length, self.limit));
        }
        let missing = (PREFIX + length).saturating_sub(bytes.len());
        if missing > 0 {
            self.gather();
            self.buffer.reserve(missing);
            return Ok(None);
        }
        let payload = if gathered {
            self.buffer.advance(PREFIX);
            self.buffer.split_to(length).freeze()
        } else {
            self.piece.advance(PREFIX);
            self.piece.split_to(length)
        };
        Ok(Some(Frame { flags, payload }))
    }

    /// Whether every byte was part of a whole frame.
    pub fn is_at_boundary(&self) -> bool {
        self.buffer.is_empty() && self.piece.is_empty()
    }

    /// Puts the piece where more can be added to it.
    fn gather(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        self.buffer.extend_from_slice(&piece);
    }
}

/// Watches frames go by without taking them apart: their lengths against a
/// limit, their flags, and whether the last one is whole.
#[derive(Debug)]
pub struct Meter {
    limit: usize,
    /// The code for frames that are none: it says who sent them.
    malformed: Code,
    /// Whether messages may be compressed.
    compressed: bool,
    messages: u64,
    prefix: [u8; PREFIX],
    prefix_length: usize,
    payload_left: usize,
}

impl Meter {
    /// A meter of messages with at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize, malformed: Code) -> Self {
        Self {
            limit,
            malformed,
            compressed: true,
            messages: 0,
            prefix: [0; PREFIX],
            prefix_length: 0,
            payload_left: 0,
        }
    }

    /// Refuses messages that are compressed, since no encoding was named: they
    /// are INTERNAL (gRPC, "Compression").
    #[must_use]
    pub fn uncompressed(self) -> Self {
        Self {
            compressed: false,
            ..self
        }
    }

    /// Counts the bytes of a piece.
    pub fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let taken = self.payload_left.min(bytes.len());
                self.payload_left -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            let taken = (PREFIX - self.prefix_length).min(bytes.len());
            self.prefix[self.prefix_length..self.prefix_length + taken]
                .copy_from_slice(&bytes[..taken]);
            self.prefix_length += taken;
            bytes = &bytes[taken..];
            if self.prefix_length == PREFIX {
                self.prefix_length = 0;
                let [flags, length @ ..] = self.prefix;
                if !are_known(flags) {
                    let message = format!("a message has unknown flags: {flags:#04x}");
                    return Err(Status::new(self.malformed, message));
                }
                if flags & COMPRESSED != 0 && !self.compressed {
                    return Err(no_encoding());
                }
                self.messages += 1;
                self.payload_left = u32::from_be_bytes(length) as usize;
                if self.payload_left > self.limit {
                    return Err(too_large(self.payload_left, self.limit));
                }
            }
        }
        Ok(())
    }

    /// How many messages have begun.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether the last frame was whole.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.payload_left == 0 && self.prefix_length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let stream = [wrap(0, b"hello"), wrap(COMPRESSED, b""), wrap(0, &[7; 300])].concat();
        for size in [1, 2, 5, 7, 1000] {
            let mut decoder = Decoder::new(300);
            let mut meter = Meter::new(300, Code::Internal);
            let mut frames = Vec::new();
            for piece in stream.chunks(size) {
                meter.pass(piece).unwrap();
                decoder.push(Bytes::copy_from_slice(piece));
                while let Some(frame) = decoder.take().unwrap() {
                    frames.push((frame.flags, frame.payload.len()));
                }
            }
            assert_eq!(frames, [(0, 5), (1, 0), (0, 300)]);
            assert!(decoder.is_at_boundary() && meter.is_at_boundary());
            assert_eq!(meter.messages(), 3);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_the_bytes_come() {
        let mut decoder = Decoder::new(10);
        decoder.push(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]));
        let status = decoder.take().unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            status.message(),
            "the message has 4294967295 bytes, which is over the limit of 10 bytes"
        );
        assert_eq!(
            Meter::new(10, Code::Internal)
                .pass(&[0, 0, 0, 0, 11])
                .unwrap_err()
                .code(),
            Code::ResourceExhausted
        );
        assert_eq!(
            Meter::new(10, Code::DataLoss)
                .pass(&[2, 0, 0, 0, 1])
                .unwrap_err()
                .code(),
            Code::DataLoss
        );
    }

    #[test]
    fn a_torn_frame_is_noticed() {
        let mut meter = Meter::new(10, Code::DataLoss).uncompressed();
        meter.pass(&[0, 0, 0, 0, 2, 1]).unwrap();
        assert!(!meter.is_at_boundary());
        let status = meter.pass(&[1, COMPRESSED, 0, 0, 0, 0]).unwrap_err();
        assert_eq!(status.code(), Code::Internal);
    }
}
