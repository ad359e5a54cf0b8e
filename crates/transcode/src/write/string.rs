//! Strings as JSON has them (RFC 8259 §7): what is plain is copied many bytes
//! at a time, the rest is escaped.

use crate::raw::{Input, Level, Output};

/// Appends `source[at..end]` as a JSON string; false when it is not UTF-8.
/// Bytes of `source` behind `end` may be looked at.
#[inline(always)]
pub(super) fn put(
    out: &mut Output,
    source: &Input<'_>,
    at: usize,
    end: usize,
    level: Level,
) -> bool {
    out.put_short_string(source, at, end, level) || put_any(out, source, at, end, level)
}

/// A string that is longer, or not all plain.
#[inline(never)]
fn put_any(out: &mut Output, source: &Input<'_>, at: usize, end: usize, level: Level) -> bool {
    out.push(b'"');
    let (mut stop, mut ascii) = out.copy_plain(source, at, end, level);
    while stop < end {
        escape(out, source.bytes()[stop]);
        let (next, plain) = out.copy_plain(source, stop + 1, end, level);
        stop = next;
        ascii &= plain;
    }
    out.push(b'"');
    ascii || std::str::from_utf8(&source.bytes()[at..end]).is_ok()
}

/// A byte that JSON strings cannot hold as it is.
fn escape(out: &mut Output, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.put(&[b'\\', b'u', b'0', b'0', high, low], 6);
            return;
        }
    };
    out.put(&[b'\\', short], 2);
}

/// Appends a JSON string.
pub(crate) fn append_string(out: &mut Vec<u8>, text: &str) {
    let mut output = Output::new(std::mem::take(out));
    let source = Input::new(text.as_bytes());
    put(&mut output, &source, 0, text.len(), Level::Plain);
    *out = output.into_bytes();
}
