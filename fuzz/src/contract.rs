//! The contract of the transcoder's own tests, every kind of field in it, and
//! both transcoders on it.

use std::sync::{Arc, LazyLock};

use portolan_schema::{MessageId, Schema};
use portolan_transcode::{Level, Transcoder};

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let contract = include_bytes!(concat!(env!("OUT_DIR"), "/contract.binpb"));
    let schema = Schema::from_descriptor_sets([&contract[..]]);
    Arc::new(schema.expect("the compiled contract links"))
});

/// One for every set of instructions.
static OURS: LazyLock<[Transcoder; 3]> = LazyLock::new(|| {
    [Level::Plain, Level::Baseline, Level::Widest]
        .map(|level| Transcoder::with_level(SCHEMA.clone(), level))
});

static REFERENCE: LazyLock<portolan_transcode_oracle::Transcoder> =
    LazyLock::new(|| portolan_transcode_oracle::Transcoder::new(SCHEMA.clone()));

/// The message types that an input can be of: all but the entries of maps,
/// which are no messages of their own.
static TYPES: LazyLock<Vec<MessageId>> = LazyLock::new(|| {
    let names = SCHEMA.messages().iter();
    names
        .filter(|message| !message.is_map_entry())
        .filter_map(|message| SCHEMA.message_by_name(message.name()))
        .collect()
});

/// The transcoder that is tested, with the instructions that the length of an
/// input stands for.
pub(crate) fn ours(input: &[u8]) -> &'static Transcoder {
    &OURS[input.len() % OURS.len()]
}

/// The one that it must agree with.
pub(crate) fn reference() -> &'static portolan_transcode_oracle::Transcoder {
    &REFERENCE
}

pub(crate) fn schema() -> &'static Schema {
    &SCHEMA
}

/// The type that a number stands for.
pub(crate) fn message_type(number: u8) -> MessageId {
    TYPES[usize::from(number) % TYPES.len()]
}

/// The number that stands for a type, by its full name.
pub(crate) fn type_number(name: &str) -> Option<u8> {
    let id = schema().message_by_name(name)?;
    let position = TYPES.iter().position(|known| *known == id)?;
    u8::try_from(position).ok()
}
