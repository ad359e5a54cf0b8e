//! Services and their methods.

use crate::MessageId;
use crate::http::HttpRule;

/// A service.
#[derive(Debug)]
pub struct Service {
    pub(crate) name: Box<str>,
    pub(crate) methods: Vec<Method>,
    pub(crate) deprecated: bool,
    pub(crate) comment: Box<str>,
}

impl Service {
    /// The full name, such as `grpc.health.v1.Health`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name without its package.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// The methods in the order of their declaration.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Whether the contract marks it as deprecated.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.deprecated
    }

    /// The comment in front of it; see [`Message::comment`](crate::Message::comment).
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }
}

/// How the messages of an RPC flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Streaming {
    /// One request, one reply.
    Unary,
    /// Many requests, one reply.
    Client,
    /// One request, many replies.
    Server,
    /// Many requests and many replies, each at its own pace.
    Bidi,
}

impl Streaming {
    /// Whether the client sends any number of messages.
    #[must_use]
    pub fn from_client(self) -> bool {
        matches!(self, Self::Client | Self::Bidi)
    }

    /// Whether the server sends any number of messages.
    #[must_use]
    pub fn from_server(self) -> bool {
        matches!(self, Self::Server | Self::Bidi)
    }
}

/// A method of a service.
#[derive(Debug)]
pub struct Method {
    pub(crate) name: Box<str>,
    pub(crate) path: Box<str>,
    pub(crate) input: MessageId,
    pub(crate) output: MessageId,
    pub(crate) streaming: Streaming,
    pub(crate) no_side_effects: bool,
    pub(crate) idempotent: bool,
    pub(crate) deprecated: bool,
    pub(crate) http_rules: Vec<HttpRule>,
    pub(crate) comment: Box<str>,
}

impl Method {
    /// The name, such as `Check`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of its gRPC requests, such as `/grpc.health.v1.Health/Check`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The type of its requests.
    #[must_use]
    pub fn input(&self) -> MessageId {
        self.input
    }

    /// The type of its replies.
    #[must_use]
    pub fn output(&self) -> MessageId {
        self.output
    }

    /// How its messages flow.
    #[must_use]
    pub fn streaming(&self) -> Streaming {
        self.streaming
    }

    /// Whether the contract promises that calls change nothing
    /// (`idempotency_level = NO_SIDE_EFFECTS`).
    #[must_use]
    pub fn has_no_side_effects(&self) -> bool {
        self.no_side_effects
    }

    /// Whether calling it twice is the same as calling it once; true also for
    /// methods without side effects.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Whether the contract marks it as deprecated.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.deprecated
    }

    /// Its `google.api.http` rules, the main one first.
    #[must_use]
    pub fn http_rules(&self) -> &[HttpRule] {
        &self.http_rules
    }

    /// The comment in front of it; see [`Message::comment`](crate::Message::comment).
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }
}
