//! JSON ⇄ protobuf wire format in one pass over tables that are compiled from a
//! contract at run time.
//!
//! There is no message in between: reading JSON appends wire bytes to a buffer,
//! reading wire bytes appends JSON to one. What may be written how is the
//! proto3 JSON mapping (protobuf.dev, "ProtoJSON Format") for every kind of
//! field and every well-known type.
//!
//! The rooms: `table` holds what is compiled per message type, `read` goes from
//! JSON to wire bytes by way of `json`, which scans the text, `write` from wire
//! bytes to JSON, `number` knows decimal numbers both ways, `text` the special
//! forms of strings (timestamps, durations, base64, field masks), `wire` the
//! encoding itself, and `raw` is the one room with `unsafe`.
//!
//! ```
//! # fn example(schema: std::sync::Arc<portolan_schema::Schema>) -> Result<(), portolan_transcode::Error> {
//! use portolan_transcode::{ReadOptions, Transcoder, WriteOptions};
//!
//! let transcoder = Transcoder::new(schema.clone());
//! let request = schema.message_by_name("greeter.HelloRequest").expect("the contract defines it");
//!
//! let mut wire = Vec::new();
//! transcoder.json_to_wire(request, br#"{"name":"World"}"#, &mut wire, &ReadOptions::default())?;
//! assert_eq!(wire, b"\x0a\x05World");
//!
//! let mut json = Vec::new();
//! transcoder.wire_to_json(request, &wire, &mut json, &WriteOptions::default())?;
//! assert_eq!(json, br#"{"name":"World"}"#);
//! # Ok(())
//! # }
//! ```

mod error;
mod json;
mod number;
mod options;
mod raw;
mod read;
mod table;
mod text;
mod transcoder;
mod wire;
mod write;

pub use error::{Error, Problem};
pub use options::{PrintDefaults, ReadOptions, WriteOptions};
#[doc(hidden)]
pub use raw::Level;
pub use transcoder::Transcoder;
