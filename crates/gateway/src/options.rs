//! What whoever sets up a gateway may choose.

use std::time::Duration;

use http::Method;
use portolan_transcode::{ReadOptions, WriteOptions};

use crate::MultiSegment;

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
    /// The largest message of a reply, in bytes, where that is to be another
    /// than of a request; `None` by default.
    pub max_reply_size: Option<usize>,
    /// How long a call may take whose client says nothing of it; for ever by
    /// default. The service behind hears of it as of any deadline, and what a
    /// client says comes before it, also when that is longer.
    pub default_timeout: Option<Duration>,
    /// Whether the body of a request waits until the service asks for its
    /// message, also where it is to be read whole; `false` by default. A service
    /// that refuses calls by their metadata then does so before anything is read
    /// or complained of, and one that asks late holds up its client.
    pub read_on_demand: bool,
    /// How JSON is read.
    pub read: ReadOptions,
    /// How JSON is written.
    pub write: WriteOptions,
    /// The form of errors on REST routes. By default annotated and automatic
    /// routes answer with [`ErrorStyle::Status`] and named ones with
    /// [`ErrorStyle::Detail`].
    pub errors: Option<ErrorStyle>,
    /// In front of every path of plain HTTP: with `/api` a rule's `/v1/users` is
    /// at `/api/v1/users` and a named route at `/api/grpc/users/get`. The paths
    /// of gRPC, gRPC-Web and Connect stay where their specifications have them;
    /// there plain JSON is taken too. Empty by default.
    pub base_path: String,
    /// Whether `google.api.http` rules are served; `true` by default.
    pub rules: bool,
    /// Whether `POST /package.Service/Method` with JSON is served; `true` by
    /// default. Connect is always.
    pub auto: bool,
    /// Where named routes begin; `/grpc` by default, `None` for no named routes.
    pub named_path: Option<String>,
    /// The HTTP methods that automatic and named routes are limited to; all
    /// that each can take by default. A route takes no more for a longer list:
    /// `GET` is only for what has no side effects.
    pub http_methods: Option<Vec<Method>>,
    /// Whether a path with a slash at its end that nothing matches is taken for
    /// the path without; `false` by default.
    pub ignore_trailing_slash: bool,
    /// Whether query parameters that are no field are passed over rather than
    /// refused; `false` by default. Fields of JSON have an option of their own,
    /// [`ReadOptions::ignore_unknown`], which does both.
    pub ignore_unknown_query: bool,
    /// Query parameters that are somebody else's, such as `key` for an API key
    /// that a proxy reads: they are passed over. Those that begin with `$`, such
    /// as `$alt`, always are.
    pub ignored_query: Vec<String>,
    /// Which escapes stay in a path variable of several segments. By default
    /// what a service configuration says (`fully_decode_reserved_expansion`), or
    /// else [`MultiSegment::DecodeAllButSlash`].
    pub multi_segment: Option<MultiSegment>,
    /// How long a live stream (NDJSON or SSE) waits for its first message
    /// before it answers 200: a stream that fails earlier gets the HTTP status
    /// of its error. One second by default.
    pub first_message_wait: Duration,
    /// How often a stream that has nothing to say shows that it is alive, so
    /// that proxies leave it open: server-sent events by a comment, WebSockets by
    /// a ping. A WebSocket client that has left three pings in a row without an
    /// answer has gone. 15 seconds by default; zero is never.
    pub keep_alive: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            max_reply_size: None,
            default_timeout: None,
            read_on_demand: false,
            read: ReadOptions::default(),
            write: WriteOptions::default(),
            errors: None,
            base_path: String::new(),
            rules: true,
            auto: true,
            named_path: Some("/grpc".to_owned()),
            http_methods: None,
            ignore_trailing_slash: false,
            ignore_unknown_query: false,
            ignored_query: Vec::new(),
            multi_segment: None,
            first_message_wait: Duration::from_secs(1),
            keep_alive: Duration::from_secs(15),
        }
    }
}

impl Options {
    /// Of these methods those that routes without a rule may take.
    pub(crate) fn limited(&self, mut methods: Vec<Method>) -> Vec<Method> {
        if let Some(limit) = &self.http_methods {
            methods.retain(|method| limit.contains(method));
        }
        methods
    }

    /// The largest message of a reply, in bytes.
    pub(crate) fn reply_limit(&self) -> usize {
        self.max_reply_size.unwrap_or(self.max_message_size)
    }
}
