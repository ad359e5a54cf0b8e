//! From wire bytes to JSON.
//!
//! Fields may come in any order, a repeated field in pieces, a singular one
//! several times (protobuf.dev, "Last One Wins"); but what encoders write has
//! every field once and in one piece. The *straight* pass takes that for
//! granted: it walks over the bytes once and appends what it meets, without a
//! look ahead and without any store besides the output. Where it meets what is
//! not so, or is wrong, it gives up, what it wrote is dropped, and the
//! *careful* pass begins anew: it sorts what needs to be sorted, and says what
//! is wrong and where. A message so costs both at most once.
//!
//! How a single value looks is the same for both: `values`, `string` and
//! `defaults`.

mod careful;
mod defaults;
mod lines;
mod straight;
mod string;
mod values;

use std::mem;

use portolan_schema::{Kind, MessageId};

use self::careful::Careful;
use self::straight::{Straight, Unusual};
use crate::options::MOST_LEVELS;
use crate::raw::Output;
use crate::{Error, Problem, Transcoder, WriteOptions};

pub(crate) use string::append_string;

/// Appends a message as JSON.
pub(crate) fn message(
    transcoder: &Transcoder,
    id: MessageId,
    wire: &[u8],
    out: &mut Vec<u8>,
    options: &WriteOptions,
) -> Result<(), Error> {
    write(
        transcoder,
        wire,
        out,
        options,
        |straight| straight.message(id),
        |careful| careful.whole(id, wire),
    )
}

/// Appends one field of a message as JSON, or its default when it is not there.
pub(crate) fn field(
    transcoder: &Transcoder,
    id: MessageId,
    name: &str,
    wire: &[u8],
    out: &mut Vec<u8>,
    options: &WriteOptions,
) -> Result<(), Error> {
    let table = transcoder.table(id);
    let Some(index) = table.by_name(name.as_bytes()) else {
        let problem = Problem::UnknownField {
            field: name.to_owned(),
            message: table.name.to_string(),
        };
        return Err(Error::new(problem, 0));
    };
    write(
        transcoder,
        wire,
        out,
        options,
        |straight| straight.field(table, index),
        |careful| careful.field(table, index, wire),
    )
}

/// One pass or both, and then lines if they are wanted.
#[inline(always)]
fn write<'a>(
    transcoder: &'a Transcoder,
    wire: &'a [u8],
    out: &mut Vec<u8>,
    options: &WriteOptions,
    straight: impl FnOnce(&mut Straight<'a>) -> Result<(), Unusual>,
    careful: impl FnOnce(&mut Careful<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let options = &WriteOptions {
        recursion_limit: options.recursion_limit.min(MOST_LEVELS),
        ..*options
    };
    if let Some(width) = options.indent {
        let options = WriteOptions {
            indent: None,
            ..*options
        };
        return lines::spread_over(out, width, transcoder.level(), |out| {
            passes(transcoder, wire, out, &options, straight, careful)
        });
    }
    passes(transcoder, wire, out, options, straight, careful)
}

#[inline(always)]
fn passes<'a>(
    transcoder: &'a Transcoder,
    wire: &'a [u8],
    out: &mut Vec<u8>,
    options: &WriteOptions,
    straight: impl FnOnce(&mut Straight<'a>) -> Result<(), Unusual>,
    careful: impl FnOnce(&mut Careful<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let start = out.len();
    let mut written = Output::new(mem::take(out));
    // What is unknown needs a second look at every message.
    if !options.keep_unknown {
        let mut pass = Straight::new(transcoder, wire, written, options);
        let walked = straight(&mut pass);
        written = pass.finish();
        if walked.is_ok() {
            *out = written.into_bytes();
            return Ok(());
        }
        written.truncate(start);
    }
    let mut pass = Careful::new(transcoder, written, options);
    let result = careful(&mut pass);
    *out = pass.finish().into_bytes();
    result
}

/// Whether a number is the default of its kind. A negative zero is another
/// value.
#[inline(always)]
fn is_zero(kind: Kind, number: u64) -> bool {
    match kind {
        // What is beyond the 32nd bit of a varint does not count.
        Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_) => number as u32 == 0,
        _ => number == 0,
    }
}
