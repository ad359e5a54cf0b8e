//! The words that everyone who speaks gRPC over HTTP/2 shares, on either side of
//! a connection: how a call ends ([`Status`], [`Code`]), how long it may take
//! ([`Deadline`]), how its messages lie in a body ([`frame`], [`compression`])
//! and how bytes lie in a header ([`binary`]).
//!
//! Nothing here opens a socket or knows a contract.
//!
//! ```
//! use portolan_rpc::{Code, Status, frame};
//!
//! let status = Status::new(Code::NotFound, "Memory not found");
//! let mut trailers = http::HeaderMap::new();
//! status.write_to(&mut trailers);
//! assert_eq!(trailers["grpc-status"], "5");
//!
//! assert_eq!(frame::wrap(0, b"hello")[..], *b"\0\0\0\0\x05hello");
//! ```

pub mod binary;
mod body;
pub mod compression;
pub mod deadline;
pub mod details;
pub mod frame;
mod status;

pub use body::{Body, BoxError};
pub use deadline::Deadline;
pub use status::{Code, GRPC_MESSAGE, GRPC_STATUS, GRPC_STATUS_DETAILS, Status};
