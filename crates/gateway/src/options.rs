//! What whoever sets up a gateway may choose.

use std::time::Duration;

use portolan_transcode::{ReadOptions, WriteOptions};

/// The largest message, in bytes, that passes either way unless another limit
/// is chosen: gRPC's own default.
pub const DEFAULT_MAX_MESSAGE_SIZE: usize = 4 * 1024 * 1024;

/// The form of error bodies on REST routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// `{"code":5,"message":"…","details":[…]}`: `google.rpc.Status`.
    Status,
    /// `{"detail":"…"}`.
    Detail,
    /// RFC 9457, `application/problem+json`.
    Problem,
}

/// The choices for a gateway.
///
/// ```
/// use portolan_gateway::Options;
///
/// let options = Options { max_message_size: 64 * 1024, ..Options::default() };
/// assert_eq!(options.named_path.as_deref(), Some("/grpc"));
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest message in bytes, in each direction; 4 MiB by default. A
    /// JSON body may have as many bytes.
    pub max_message_size: usize,
    /// How JSON is read.
    pub read: ReadOptions,
    /// How JSON is written.
    pub write: WriteOptions,
    /// The form of errors on REST routes. By default annotated and automatic
    /// routes answer with [`ErrorStyle::Status`] and named ones with
    /// [`ErrorStyle::Detail`].
    pub errors: Option<ErrorStyle>,
    /// Where named routes begin; `/grpc` by default, `None` for no named routes.
    pub named_path: Option<String>,
    /// How long a live stream (NDJSON or SSE) waits for its first message
    /// before it answers 200: a stream that fails earlier gets the HTTP status
    /// of its error. One second by default.
    pub first_message_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            read: ReadOptions::default(),
            write: WriteOptions::default(),
            errors: None,
            named_path: Some("/grpc".to_owned()),
            first_message_wait: Duration::from_secs(1),
        }
    }
}
