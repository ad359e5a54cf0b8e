//! A durable memory for agents: texts with metadata and vectors, stored so
//! that what was acknowledged survives everything, and found again by id, by
//! vector, by words, or by both.
//!
//! [`Memories`] is the memory itself. [`grpc`] serves it as the contract in
//! `proto/somafractalmemory/v1`, as services for any tower stack that speaks
//! gRPC. Servers, gateways, flags and files of settings are no part of this
//! crate.

mod error;
mod fusion;
pub mod grpc;
mod memories;
mod memory;
pub mod proto;
mod settings;
mod store;
pub mod vector;
mod words;

pub use self::{
    error::{Error, Invalid},
    memories::{Batch, BatchOutcome, Memories, MemoryStream, VectorSearch},
    memory::{
        BatchId, CreatedAt, Dimension, Figures, Filters, Found, Limit, Memory, MemoryId, Metadata,
        Metric, Namespace, NewMemory, Threshold, Vector,
    },
    proto::FILE_DESCRIPTOR_SET,
    settings::{Durability, Settings},
    store::Failure,
    words::Words,
};
