//! Several servers as one: each call goes to the one that has its service.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portolan_rpc::{Body, Code, Status};
use tower_service::Service;

use crate::{Answering, Channel};

/// Sends each call to a channel by its service: to the one for exactly that
/// service, or for the longest package around it, or for everything else. A
/// service that nobody has is UNIMPLEMENTED.
///
/// ```
/// use portolan_client::{Channel, Upstreams};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let users = Channel::connect_lazy("http://users:50051".parse()?)?;
/// let orders = Channel::connect_lazy("http://orders:50051".parse()?)?;
/// let upstreams = Upstreams::new()
///     .route("users.v1.UserService", users)
///     .route("orders", orders);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    routes: Arc<HashMap<Box<str>, Channel>>,
    otherwise: Option<Channel>,
}

impl Upstreams {
    /// No servers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the calls of a service, or of all services in a package and the
    /// packages inside it, to this server. Nothing as name stands for all that
    /// no other route has.
    #[must_use]
    pub fn route(mut self, service_or_package: &str, server: Channel) -> Self {
        let name = service_or_package
            .trim_end_matches('*')
            .trim_end_matches('.');
        if name.is_empty() {
            return self.otherwise(server);
        }
        Arc::make_mut(&mut self.routes).insert(name.into(), server);
        self
    }

    /// Sends all calls that no route has to this server.
    #[must_use]
    pub fn otherwise(mut self, server: Channel) -> Self {
        self.otherwise = Some(server);
        self
    }

    /// The server for a service.
    #[must_use]
    pub fn server(&self, service: &str) -> Option<&Channel> {
        let mut name = service;
        loop {
            if let Some(server) = self.routes.get(name) {
                return Some(server);
            }
            match name.rfind('.') {
                Some(at) if !self.routes.is_empty() => name = &name[..at],
                _ => return self.otherwise.as_ref(),
            }
        }
    }
}

impl Service<Request<Body>> for Upstreams {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answering;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Channels are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        let path = request.uri().path();
        let service = path.strip_prefix('/').unwrap_or(path);
        let service = service
            .rsplit_once('/')
            .map_or(service, |(service, _)| service);
        match self.server(service) {
            Some(server) => server.clone().call(request),
            None => {
                let message = format!("no upstream has the service `{service}`");
                Box::pin(ready(Err(Status::new(Code::Unimplemented, message))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_wins() {
        let channel = |port: u16| {
            let endpoint = format!("http://127.0.0.1:{port}");
            Channel::connect_lazy(endpoint.parse().unwrap()).unwrap()
        };
        let upstreams = Upstreams::new()
            .route("a", channel(1))
            .route("a.b.*", channel(2))
            .route("a.b.C", channel(3));
        let port = |upstreams: &Upstreams, service: &str| {
            let server = upstreams.server(service)?;
            server.endpoints().next()?.authority().port_u16()
        };
        for (service, expected) in [
            ("a.A", Some(1)),
            ("a.b.D", Some(2)),
            ("a.b.c.D", Some(2)),
            ("a.b.C", Some(3)),
            ("a.b.C.D", Some(3)),
            ("ab.C", None),
            ("", None),
        ] {
            assert_eq!(port(&upstreams, service), expected, "{service}");
        }
        let upstreams = upstreams.otherwise(channel(4));
        assert_eq!(port(&upstreams, "ab.C"), Some(4));
        assert_eq!(port(&upstreams, ""), Some(4));
    }

    #[test]
    fn a_service_that_nobody_has_is_unimplemented() {
        let request = Request::post("/a.A/M").body(Body::empty()).unwrap();
        let mut answer = Upstreams::new().call(request);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(Err(status)) = answer.as_mut().poll(&mut context) else {
            panic!("nothing to wait for");
        };
        assert_eq!(status.code(), Code::Unimplemented);
        assert_eq!(status.message(), "no upstream has the service `a.A`");
    }
}
