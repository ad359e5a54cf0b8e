//! Bytes into each encoding and back. What comes out is bounded while it is
//! read, so that a small message cannot grow without end, and so is what the
//! decoders keep meanwhile.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::frame::larger_than;
use crate::{Code, Status};

/// The level of zstd: its own default.
const ZSTD_LEVEL: i32 = 3;
/// The largest window of zstd that a decoder of HTTP contents takes, as a power
/// of two: 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 23;
/// The level of Brotli, of 11: one for what is made as it is asked for.
const BROTLI_QUALITY: i32 = 4;
/// The window of Brotli, as a power of two.
const BROTLI_WINDOW: i32 = 18;
/// The piece that Brotli works on.
const BROTLI_PIECE: usize = 16 * 1024;

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(room(bytes), Compression::fast());
    written(encoder.write_all(bytes).and_then(|()| encoder.finish()))
}

pub(super) fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    read("gzip", MultiGzDecoder::new(bytes), limit)
}

pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(room(bytes), Compression::fast());
    written(encoder.write_all(bytes).and_then(|()| encoder.finish()))
}

pub(super) fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    read("deflate", ZlibDecoder::new(bytes), limit)
}

pub(super) fn brotli(bytes: &[u8]) -> Vec<u8> {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: BROTLI_WINDOW,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut compressed = room(bytes);
    let mut input = bytes;
    let size = brotli::BrotliCompress(&mut input, &mut compressed, &parameters);
    written(size.map(|_| compressed))
}

pub(super) fn unbrotli(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    // A window of more than 16 MiB is announced by what RFC 7932 §9.1 reserves.
    if bytes.first().is_some_and(|first| first & 0x7f == 0x11) {
        return Err(invalid("br"));
    }
    let decoder = brotli::Decompressor::new(bytes, BROTLI_PIECE.min(bytes.len()));
    read("br", decoder, limit)
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    written(zstd::bulk::compress(bytes, ZSTD_LEVEL))
}

pub(super) fn unzstd(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes).and_then(|mut decoder| {
        decoder.window_log_max(ZSTD_WINDOW)?;
        Ok(decoder)
    });
    let decoder = decoder.map_err(|_| invalid("zstd"))?;
    read("zstd", decoder, limit)
}

pub(super) fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(room(bytes));
    let encoded = encoder.write_all(bytes).and_then(|()| {
        encoder
            .into_inner()
            .map_err(snap::write::IntoInnerError::into_error)
    });
    written(encoded)
}

pub(super) fn unsnappy(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    read("snappy", snap::read::FrameDecoder::new(bytes), limit)
}

/// Where something compressed is written: it is rarely larger than half.
fn room(bytes: &[u8]) -> Vec<u8> {
    Vec::with_capacity(bytes.len() / 2 + 32)
}

/// What was written to memory, which does not fail.
fn written(result: io::Result<Vec<u8>>) -> Vec<u8> {
    result.unwrap_or_default()
}

/// Reads a decoder to its end, or to one byte over the limit.
fn read(name: &str, decoder: impl Read, limit: usize) -> Result<Vec<u8>, Status> {
    let mut plain = Vec::new();
    decoder
        .take((limit as u64).saturating_add(1))
        .read_to_end(&mut plain)
        .map_err(|_| invalid(name))?;
    if plain.len() > limit {
        return Err(larger_than(plain.len(), limit));
    }
    Ok(plain)
}

fn invalid(name: &str) -> Status {
    let message = format!("the message is not valid {name}");
    Status::new(Code::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_bounded() {
        // A frame without a length, whose one block is a raw byte.
        let frame = |window: u8| {
            let window = (window - 10) << 3;
            [0x28, 0xb5, 0x2f, 0xfd, 0, window, 9, 0, 0, b'x']
        };
        assert_eq!(unzstd(&frame(23), 10).unwrap(), b"x");
        let status = unzstd(&frame(24), 10).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);

        assert_eq!(unbrotli(&brotli(b"x"), 10).unwrap(), b"x");
        let status = unbrotli(&[0x11, 24, 0x0c, 0, 0x80, b'x', 3], 10).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }

    #[test]
    fn the_largest_limit_is_none() {
        for coded in [
            gunzip(&gzip(b"x"), usize::MAX),
            unzstd(&zstd(b"x"), usize::MAX),
        ] {
            assert_eq!(coded.unwrap(), b"x");
        }
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        let twice = |part: Vec<u8>| [part.clone(), part].concat();
        assert_eq!(gunzip(&twice(gzip(b"ab")), 9).unwrap(), b"abab");
        assert_eq!(unzstd(&twice(zstd(b"ab")), 9).unwrap(), b"abab");
        assert_eq!(unsnappy(&twice(snappy(b"ab")), 9).unwrap(), b"abab");
    }
}
