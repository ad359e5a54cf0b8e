//! `grpc.health.v1.Health`: which services are ready for calls. What decides
//! that is the owner's affair; the server says it only when it ends.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Whether a service takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// It does.
    Yes,
    /// It does not, or not yet, or not any more.
    No,
}

impl From<Serving> for ServingStatus {
    fn from(serving: Serving) -> Self {
        match serving {
            Serving::Yes => Self::Serving,
            Serving::No => Self::NotServing,
        }
    }
}

/// The health of a server and of each of its services. Clones share it.
///
/// ```
/// use portolan_server::{Health, Serving};
///
/// let health = Health::new(["shop.v1.Orders"]);
/// health.set("shop.v1.Orders", Serving::No);
/// let service = health.service(); // to be served like any tonic service
/// ```
#[derive(Clone, Debug)]
pub struct Health(Arc<watch::Sender<State>>);

#[derive(Debug)]
struct State {
    services: BTreeMap<String, Serving>,
    draining: bool,
}

/// The gRPC service that answers with a [`Health`].
pub type HealthService = HealthServer<Checks>;

impl Health {
    /// The contract, encoded as a `google.protobuf.FileDescriptorSet`.
    pub const FILE_DESCRIPTOR_SET: &[u8] = tonic_health::pb::FILE_DESCRIPTOR_SET;

    /// Health of a server with these services (`package.Service`), all of them
    /// serving, and of the server as a whole, whose name is empty (gRPC Health
    /// Checking Protocol).
    #[must_use]
    pub fn new<N: Into<String>>(services: impl IntoIterator<Item = N>) -> Self {
        let names = services.into_iter().map(Into::into).chain([String::new()]);
        let services = names.map(|name| (name, Serving::Yes)).collect();
        Self(Arc::new(watch::Sender::new(State {
            services,
            draining: false,
        })))
    }

    /// Notes whether a service, or with the empty name the whole server, takes
    /// calls. Once the server drains, this has no effect.
    pub fn set(&self, service: impl Into<String>, serving: Serving) {
        self.0.send_if_modified(|state| {
            if state.draining {
                return false;
            }
            state.services.insert(service.into(), serving) != Some(serving)
        });
    }

    /// Notes that these services take calls, and that there are no others. The
    /// server as a whole does when there is one at least. Once the server drains,
    /// this has no effect.
    pub fn serve_only<N: Into<String>>(&self, services: impl IntoIterator<Item = N>) {
        let names = services.into_iter().map(Into::into);
        let mut services: BTreeMap<_, _> = names.map(|name| (name, Serving::Yes)).collect();
        let whole = if services.is_empty() {
            Serving::No
        } else {
            Serving::Yes
        };
        services.insert(String::new(), whole);
        self.0.send_if_modified(|state| {
            if state.draining || state.services == services {
                return false;
            }
            state.services = services;
            true
        });
    }

    /// Notes that nothing takes calls any more. Watching clients are told, and
    /// their streams end so that the server can.
    pub fn drain(&self) {
        self.0.send_modify(|state| {
            state.draining = true;
            state
                .services
                .values_mut()
                .for_each(|serving| *serving = Serving::No);
        });
    }

    /// The gRPC service.
    #[must_use]
    pub fn service(&self) -> HealthService {
        HealthServer::new(Checks(self.0.subscribe()))
    }
}

/// What stands behind a [`HealthService`].
#[derive(Debug)]
pub struct Checks(watch::Receiver<State>);

impl State {
    fn status(&self, service: &str) -> Option<ServingStatus> {
        self.services.get(service).map(|&serving| serving.into())
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl health_server::Health for Checks {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        let status = self.0.borrow().status(&service);
        match status {
            Some(status) => Ok(Response::new(response(status))),
            None => Err(Status::not_found(format!(
                "service `{service}` is not known here"
            ))),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// An unknown service is SERVICE_UNKNOWN and may become known later; only
    /// `Check` answers NOT_FOUND.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let changes = self.0.clone();
        let told = None;
        let stream = stream::unfold(Some((changes, told)), move |watching| {
            let service = service.clone();
            async move {
                let (mut changes, told) = watching?;
                loop {
                    let (status, draining) = {
                        let state = changes.borrow_and_update();
                        (
                            state
                                .status(&service)
                                .unwrap_or(ServingStatus::ServiceUnknown),
                            state.draining,
                        )
                    };
                    if told != Some(status) {
                        let next = (!draining).then_some((changes, Some(status)));
                        return Some((Ok(response(status)), next));
                    }
                    if draining {
                        return None;
                    }
                    changes.changed().await.ok()?;
                }
            }
        });
        Ok(Response::new(Box::pin(stream)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tonic::Code;
    use tonic_health::pb::health_server::Health as _;

    use super::*;

    fn request(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest {
            service: service.into(),
        })
    }

    #[tokio::test]
    async fn check_tells_each_service_apart() {
        let health = Health::new(["a.A", "b.B"]);
        health.set("b.B", Serving::No);
        let checks = Checks(health.0.subscribe());
        for (service, expected) in [
            ("", ServingStatus::Serving),
            ("a.A", ServingStatus::Serving),
            ("b.B", ServingStatus::NotServing),
        ] {
            let answer = checks.check(request(service)).await.unwrap().into_inner();
            assert_eq!(answer.status(), expected, "{service}");
        }
        let error = checks.check(request("c.C")).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(error.message(), "service `c.C` is not known here");
    }

    #[tokio::test]
    async fn services_that_are_gone_are_not_known_any_more() {
        let health = Health::new(["a.A", "b.B"]);
        let checks = Checks(health.0.subscribe());
        let mut gone = checks.watch(request("a.A")).await.unwrap().into_inner();
        let told = gone.next().await.unwrap().unwrap().status();
        assert_eq!(told, ServingStatus::Serving);
        health.serve_only(["b.B", "c.C"]);
        for (service, known) in [("", true), ("a.A", false), ("b.B", true), ("c.C", true)] {
            let answer = checks.check(request(service)).await;
            assert_eq!(answer.is_ok(), known, "{service}");
        }
        let told = gone.next().await.unwrap().unwrap().status();
        assert_eq!(told, ServingStatus::ServiceUnknown);
        // A server that ends takes no calls, whatever it has.
        health.drain();
        health.serve_only(["a.A"]);
        let answer = checks.check(request("b.B")).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::NotServing);
    }

    #[tokio::test]
    async fn a_server_without_a_service_does_not_serve() {
        let health = Health::new(Vec::<String>::new());
        let checks = Checks(health.0.subscribe());
        for (services, expected) in [
            (vec![], ServingStatus::NotServing),
            (vec!["a.A"], ServingStatus::Serving),
            (vec![], ServingStatus::NotServing),
        ] {
            health.serve_only(services);
            let answer = checks.check(request("")).await.unwrap().into_inner();
            assert_eq!(answer.status(), expected);
        }
    }

    #[tokio::test]
    async fn watch_tells_changes_and_ends_with_the_server() {
        let health = Health::new(["a.A"]);
        let checks = Checks(health.0.subscribe());
        let mut known = checks.watch(request("a.A")).await.unwrap().into_inner();
        let mut unknown = checks.watch(request("c.C")).await.unwrap().into_inner();
        assert_eq!(
            known.next().await.unwrap().unwrap().status(),
            ServingStatus::Serving
        );
        assert_eq!(
            unknown.next().await.unwrap().unwrap().status(),
            ServingStatus::ServiceUnknown
        );

        health.set("a.A", Serving::No);
        health.set("c.C", Serving::Yes);
        assert_eq!(
            known.next().await.unwrap().unwrap().status(),
            ServingStatus::NotServing
        );
        assert_eq!(
            unknown.next().await.unwrap().unwrap().status(),
            ServingStatus::Serving
        );

        health.drain();
        health.set("a.A", Serving::Yes);
        assert!(known.next().await.is_none(), "NOT_SERVING was told already");
        assert_eq!(
            unknown.next().await.unwrap().unwrap().status(),
            ServingStatus::NotServing
        );
        assert!(unknown.next().await.is_none());
    }
}
