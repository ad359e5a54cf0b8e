//! Routes as those see them who set up a gateway.

use std::fmt;

use http::Method;
use portolan_schema::Streaming;
use portolan_schema::http::{Body as RuleBody, Place};

use super::Binding;

/// Which kind of route it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// A `google.api.http` rule, from the contract or from a configuration.
    Rule,
    /// `POST /package.Service/Method`.
    Auto,
    /// `/grpc/service/method`, in lower case.
    Named,
}

/// A way to reach an RPC with plain HTTP and JSON. Its text is a line for a
/// table: `GET /v1/users/{id} → /users.v1.Users/Get`.
#[derive(Clone, Copy, Debug)]
pub struct RouteEntry<'a>(pub(super) &'a Binding);

impl<'a> RouteEntry<'a> {
    /// Which kind of route it is.
    #[must_use]
    pub fn kind(&self) -> RouteKind {
        self.0.kind
    }

    /// The HTTP methods that it takes; `None` for any. `HEAD` goes where `GET`
    /// goes without being named.
    #[must_use]
    pub fn methods(&self) -> Option<&'a [Method]> {
        self.0.methods.as_deref()
    }

    /// The path, base path included; of a rule the template.
    #[must_use]
    pub fn path(&self) -> &'a str {
        &self.0.path
    }

    /// The gRPC path of the RPC, such as `/users.v1.Users/Get`.
    #[must_use]
    pub fn rpc(&self) -> &'a str {
        &self.0.route.path
    }

    /// How the RPC's messages flow.
    #[must_use]
    pub fn streaming(&self) -> Streaming {
        self.0.route.streaming
    }

    /// What the HTTP body carries.
    #[must_use]
    pub fn body(&self) -> &'a RuleBody {
        &self.0.body
    }

    /// Where the rule is written, if it is one.
    #[must_use]
    pub fn place(&self) -> Option<&'a Place> {
        self.0.place.as_ref()
    }
}

impl fmt::Display for RouteEntry<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = names(self.methods());
        write!(formatter, "{methods} {} → {}", self.path(), self.rpc())
    }
}

/// Methods as a table has them; `*` for any.
pub(super) fn names(methods: Option<&[Method]>) -> String {
    match methods {
        None => "*".to_owned(),
        Some([]) => "-".to_owned(),
        Some(methods) => {
            let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
            names.join(",")
        }
    }
}
