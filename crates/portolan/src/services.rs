//! Puts the services together: the memory, health and reflection behind one
//! gateway. Every contract that is served is also one that can be asked for.

use std::sync::Arc;
use std::time::Duration;

use portolan_gateway::{Gateway, GatewayLayer};
use portolan_memory::grpc::{CallStatistics, MemoryGrpc, MethodStatistics, MetricsGrpc};
use portolan_memory::proto::memory_service_server::{self, MemoryServiceServer};
use portolan_memory::proto::metrics_server::{self, MetricsServer};
use portolan_memory::{FILE_DESCRIPTOR_SET, Memories};
use portolan_schema::Schema;
use portolan_server::{CallMetrics, Health, MethodCalls, Recover, reflection};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tower_layer::Layer;

use crate::config::Config;
use crate::contracts;
use crate::documented::{Documented, documented};
use crate::encoding::InKind;

/// Every contract that is served.
pub(crate) const CONTRACTS: [&[u8]; 4] = [
    FILE_DESCRIPTOR_SET,
    Health::FILE_DESCRIPTOR_SET,
    reflection::FILE_DESCRIPTOR_SET_V1,
    reflection::FILE_DESCRIPTOR_SET_V1ALPHA,
];

/// The services, ready to be served.
pub(crate) struct Services {
    /// All of them, in every protocol.
    pub(crate) everywhere: Documented<Gateway<Recover<InKind<Routes>>>>,
    /// Says which of them take calls.
    pub(crate) health: Health,
}

/// Puts them together. No message is larger than the options allow, and the
/// gateway holds answers to that: tonic would say OUT_OF_RANGE, and gRPC says
/// RESOURCE_EXHAUSTED.
pub(crate) fn compose(
    memories: Memories,
    calls: Arc<CallMetrics>,
    config: &Config,
) -> anyhow::Result<Services> {
    let options = config.gateway_options();
    let max_message_size = options.max_message_size;
    let health = Health::new([
        memory_service_server::SERVICE_NAME,
        metrics_server::SERVICE_NAME,
    ]);
    let metrics = MetricsGrpc::new(memories.clone(), Arc::new(Statistics(calls)));
    let memory = MemoryServiceServer::new(MemoryGrpc::new(memories))
        .max_decoding_message_size(max_message_size)
        .accept_compressed(Gzip)
        .send_compressed(Gzip);
    let metrics = MetricsServer::new(metrics)
        .max_decoding_message_size(max_message_size)
        .accept_compressed(Gzip)
        .send_compressed(Gzip);
    let routes = Routes::new(memory)
        .add_service(metrics)
        .add_service(
            health
                .service()
                .accept_compressed(Gzip)
                .send_compressed(Gzip),
        )
        .add_service(
            reflection::v1(CONTRACTS)?
                .accept_compressed(Gzip)
                .send_compressed(Gzip),
        )
        .add_service(reflection::v1alpha(CONTRACTS)?.compressed(Gzip))
        .prepare();
    let schema = Schema::from_descriptor_sets(CONTRACTS)?;
    let schema = Arc::new(contracts::with_rules(schema, &config.rules()?));
    let gateway = GatewayLayer::with_options(Arc::clone(&schema), options)
        .layer(Recover::new(InKind(routes)));
    let described = [
        memory_service_server::SERVICE_NAME,
        metrics_server::SERVICE_NAME,
    ];
    let described = described.map(str::to_owned).to_vec();
    let everywhere = documented(gateway, &schema, described, config);
    Ok(Services { everywhere, health })
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
