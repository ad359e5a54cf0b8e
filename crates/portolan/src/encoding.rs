//! Which gRPC clients get compressed answers. Those of the C core (Python,
//! Ruby, C++) and of Node accept gzip in every call without ever asking for it,
//! and vectors hardly shrink: measured with a search of ten memories of 384
//! components, gzip doubled the server's work and the client's wait.

use std::task::{Context, Poll};

use http::{HeaderMap, Request};
use tower_service::Service;

/// Lets a gRPC service compress only for clients that compress themselves, or
/// that name gzip before `identity` among what they accept.
#[derive(Clone, Debug)]
pub(crate) struct InKind<S>(pub(crate) S);

impl<S, B> Service<Request<B>> for InKind<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if !wants_compression(request.headers()) {
            request.headers_mut().remove("grpc-accept-encoding");
        }
        self.0.call(request)
    }
}

fn wants_compression(headers: &HeaderMap) -> bool {
    let named = |name, what: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        let first = value.and_then(|value| value.split(',').next());
        first.is_some_and(|first| first.trim() == what)
    };
    named("grpc-encoding", "gzip") || !named("grpc-accept-encoding", "identity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            let value = http::HeaderValue::from_static(value);
            (http::HeaderName::from_static(name), value)
        });
        wants_compression(&headers.collect())
    }

    #[test]
    fn what_comes_first_is_preferred() {
        assert!(!wants(&[(
            "grpc-accept-encoding",
            "identity, deflate, gzip"
        )]));
        assert!(!wants(&[
            ("grpc-accept-encoding", "identity,gzip"),
            ("grpc-encoding", "identity")
        ]));
        assert!(wants(&[("grpc-accept-encoding", "gzip")]));
        assert!(wants(&[("grpc-accept-encoding", "gzip, identity")]));
        assert!(wants(&[
            ("grpc-accept-encoding", "identity,gzip"),
            ("grpc-encoding", "gzip")
        ]));
    }
}
