//! The contract's messages, services and clients, generated from
//! `proto/somafractalmemory/v1`, and its descriptors. Nothing is added here.

// Written by a generator, which does not follow our lints.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// The contracts of this crate with everything they import, encoded as a
/// `google.protobuf.FileDescriptorSet` with comments and options: what
/// reflection and the gateway read.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/memory.fds"));

include!(concat!(env!("OUT_DIR"), "/somafractalmemory.v1.rs"));
