//! A durable memory for agents: texts with metadata and vectors, stored so
//! that what was acknowledged survives everything, and found again by id, by
//! vector, by words, or by both.
//!
//! [`Memories`] is the memory itself. [`grpc`] serves it as the contract in
//! `proto/somafractalmemory/v1`, as services for any tower stack that speaks
//! gRPC. Servers, gateways, flags and files of settings are no part of this
//! crate.

mod answer;
mod batch;
mod embedding;
mod error;
mod fusion;
pub mod grpc;
mod memories;
mod memory;
mod names;
pub mod proto;
mod search;
mod settings;
mod store;
pub mod vector;
mod words;

pub use portolan_sqlite::{Durability, Fault};

pub use self::{
    batch::{Batch, BatchOutcome},
    embedding::{Dimension, Metric, Vector},
    error::{Error, Invalid},
    memories::{Memories, MemoryStream, VectorSearch},
    memory::{CreatedAt, Figures, Found, Memory, MemoryId, Metadata, NewMemory},
    names::{BatchId, Namespace},
    proto::FILE_DESCRIPTOR_SET,
    search::{Filters, Limit, Threshold},
    settings::Settings,
    store::Failure,
    words::Words,
};
