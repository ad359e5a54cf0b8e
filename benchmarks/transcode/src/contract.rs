//! The contract of the samples, as those who learn it at run time see it.

use std::sync::Arc;

use anyhow::{Context, Result};
use portolan_schema::{MessageId, Schema};
use portolan_transcode::{Level, Transcoder};

use crate::sample::Sample;

pub(crate) use benchmark_samples::PACKAGE;

/// The descriptor set, encoded.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/samples.binpb"));

pub(crate) fn schema() -> Result<Arc<Schema>> {
    Ok(Arc::new(Schema::from_descriptor_sets([DESCRIPTORS])?))
}

/// The type of a sample.
pub(crate) fn message(schema: &Schema, sample: &Sample) -> Result<MessageId> {
    schema
        .message_by_name(&sample.message)
        .with_context(|| format!("the contract has no {}", sample.message))
}

/// Ours as its users get it, which is what is timed.
pub(crate) fn transcoder() -> Result<Transcoder> {
    Ok(Transcoder::new(schema()?))
}

/// Ours as its instructions are counted: the same on every processor, so that a
/// count on one machine can be held against a count on another.
pub(crate) fn steady_transcoder() -> Result<Transcoder> {
    Ok(Transcoder::with_level(schema()?, Level::Baseline))
}
