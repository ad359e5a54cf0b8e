//! Puts the services together: the memory, the users, health and reflection
//! behind one gateway. Every contract that is served is also one that can be asked for.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use portolan_gateway::{Gateway, GatewayLayer};
use portolan_memory::grpc::{CallStatistics, MemoryGrpc, MethodStatistics, MetricsGrpc};
use portolan_memory::proto::memory_service_server::{self, MemoryServiceServer};
use portolan_memory::proto::metrics_server::{self, MetricsServer};
use portolan_schema::Schema;
use portolan_server::interceptor::{Intercepted, InterceptorLayer};
use portolan_server::{CallMetrics, Health, MethodCalls, Recover, Serving, reflection};
use portolan_users::grpc;
use portolan_users::proto::user::user_service_server as user;
use portolan_users::proto::user::v1::user_service_server as user_v1;
use portolan_users::proto::users::v1::user_service_server as users_v1;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::{Routes, RoutesBuilder};
use tower_layer::Layer;

use crate::config::Config;
use crate::contracts;
use crate::documented::{Documented, documented};
use crate::encoding::InKind;
use crate::opened::Opened;

/// Every contract that can be served.
pub(crate) const CONTRACTS: [&[u8]; 5] = [
    portolan_memory::FILE_DESCRIPTOR_SET,
    portolan_users::FILE_DESCRIPTOR_SET,
    Health::FILE_DESCRIPTOR_SET,
    reflection::FILE_DESCRIPTOR_SET_V1,
    reflection::FILE_DESCRIPTOR_SET_V1ALPHA,
];

/// The memory's services.
const MEMORY: [&str; 2] = [
    memory_service_server::SERVICE_NAME,
    metrics_server::SERVICE_NAME,
];

/// The directory's services.
const USERS: [&str; 3] = [
    user_v1::SERVICE_NAME,
    users_v1::SERVICE_NAME,
    user::SERVICE_NAME,
];

/// The services, ready to be served.
pub(crate) struct Services {
    /// All of them, in every protocol.
    pub(crate) everywhere: Documented<Gateway<Recover<Intercepted<InKind<Routes>>>>>,
    /// Says which of them take calls.
    pub(crate) health: Health,
}

/// Puts those together that are open. No message is larger than the options
/// allow, and the gateway holds answers to that: tonic would say OUT_OF_RANGE,
/// and gRPC says RESOURCE_EXHAUSTED.
pub(crate) fn compose(
    opened: &Opened,
    calls: Arc<CallMetrics>,
    config: &Config,
    guards: &InterceptorLayer,
) -> anyhow::Result<Services> {
    let options = config.gateway_options();
    let max_message_size = options.max_message_size;
    let (mut names, mut contracts) = (Vec::new(), Vec::new());
    let mut routes = RoutesBuilder::default();
    // Generated types that have nothing in common but the names of these.
    macro_rules! serve {
        ($service:expr) => {
            routes.add_service(
                $service
                    .max_decoding_message_size(max_message_size)
                    .accept_compressed(Gzip)
                    .send_compressed(Gzip),
            )
        };
    }
    if let Some(memories) = &opened.memories {
        let metrics = MetricsGrpc::new(memories.clone(), Arc::new(Statistics(calls)));
        serve!(MemoryServiceServer::new(MemoryGrpc::new(memories.clone())));
        serve!(MetricsServer::new(metrics));
        names.extend(MEMORY);
        contracts.push(portolan_memory::FILE_DESCRIPTOR_SET);
    }
    if let Some(directory) = &opened.directory {
        let directory = || directory.clone();
        let canonical = grpc::user_v1::UserGrpc::new(directory());
        serve!(user_v1::UserServiceServer::new(canonical));
        let streaming = grpc::users_v1::UserGrpc::new(directory());
        serve!(users_v1::UserServiceServer::new(streaming));
        let small = grpc::user::UserGrpc::new(directory());
        serve!(user::UserServiceServer::new(small));
        names.extend(USERS);
        contracts.push(portolan_users::FILE_DESCRIPTOR_SET);
    }
    let health = Health::new(names.iter().copied());
    contracts.extend([
        Health::FILE_DESCRIPTOR_SET,
        reflection::FILE_DESCRIPTOR_SET_V1,
        reflection::FILE_DESCRIPTOR_SET_V1ALPHA,
    ]);
    serve!(health.service());
    serve!(reflection::v1(contracts.iter().copied())?);
    routes.add_service(reflection::v1alpha(contracts.iter().copied())?.compressed(Gzip));
    let schema = Schema::from_descriptor_sets(contracts)?;
    let schema = Arc::new(contracts::with_rules(schema, &config.rules()?));
    let gateway = GatewayLayer::with_options(Arc::clone(&schema), options).layer(Recover::new(
        guards.layer(InKind(routes.routes().prepare())),
    ));
    let described = names.into_iter().map(str::to_owned).collect();
    let everywhere = documented(gateway, &schema, described, config);
    Ok(Services { everywhere, health })
}

/// Says of the users' services that they take no calls while their database is
/// away; of the whole server too, when it has no others. For ever.
pub(crate) async fn follow(opened: &Opened, health: &Health) -> Infallible {
    if let Some(directory) = &opened.directory {
        let mut standing = directory.standing();
        loop {
            let serving = match *standing.borrow_and_update() {
                true => Serving::Yes,
                false => Serving::No,
            };
            let alone = opened.memories.is_none().then_some("");
            for name in USERS.into_iter().chain(alone) {
                health.set(name, serving);
            }
            if standing.changed().await.is_err() {
                break;
            }
        }
    }
    pending().await
}

/// The server's figures, in the words of the memory's contract.
struct Statistics(Arc<CallMetrics>);

impl CallStatistics for Statistics {
    fn methods(&self) -> Vec<MethodStatistics> {
        self.0.methods().into_iter().map(statistics).collect()
    }
}

fn statistics(method: MethodCalls) -> MethodStatistics {
    // A count that does not fit 63 bits was not reached by counting.
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    MethodStatistics {
        method: method.method,
        calls: count(method.calls),
        codes: method
            .codes
            .into_iter()
            .map(|(code, calls)| (code, count(calls)))
            .collect(),
        p50_ms: milliseconds(method.p50),
        p95_ms: milliseconds(method.p95),
        p99_ms: milliseconds(method.p99),
    }
}

/// From whole microseconds, so that no digits appear that were not measured.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}
