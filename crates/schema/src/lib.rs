//! Protobuf contracts at run time.
//!
//! A [`Schema`] is what one or more descriptor sets say, linked: every message,
//! enum and service by name, every reference resolved to an index, every
//! feature of proto2, proto3 and the editions decided per field, every
//! `google.api.http` rule read and its path template parsed. It is built once,
//! shared behind an `Arc`, and never changes.
//!
//! This crate knows nothing of HTTP connections, JSON or async code; it reads
//! bytes that it is given.
//!
//! ```
//! # fn main() -> Result<(), portolan_schema::Error> {
//! use portolan_schema::Schema;
//!
//! // An empty descriptor set is a valid, empty schema.
//! let schema = Schema::from_descriptor_sets([&b""[..]])?;
//! assert_eq!(schema.services().count(), 0);
//! # Ok(())
//! # }
//! ```

mod comments;
mod default;
mod descriptor;
mod enumeration;
mod error;
mod features;
mod file;
pub mod http;
mod link;
mod message;
mod schema;
mod service;
mod wire;

pub use default::DefaultValue;
pub use enumeration::{Enum, EnumId, EnumValue};
pub use error::Error;
pub use message::{Cardinality, Field, Kind, Message, MessageId};
pub use schema::{Schema, Symbol};
pub use service::{Method, Service, Streaming};
