//! Monitoring: how long the service takes, in its own log; and what every
//! caller saw, in the access log and the figures of the gateway's port.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin monitoring
//! $ curl http://localhost:50051/Greeter/SayHello \
//!     -H 'content-type: application/json' -d '{"name": "World"}'
//! {"message":"Hello, World!"}
//! $ curl http://localhost:50051/metrics
//! ```

use std::time::Instant;

use gateway_examples::proto::greeter_server::{Greeter, GreeterServer};
use gateway_examples::proto::{DESCRIPTORS, HelloReply, HelloRequest};
use gateway_examples::{GreeterService, Ports, ctrl_c};
use portolan::grpc_gateway::GrpcGateway;
use portolan::server::logging::{self, LogFormat};
use portolan::server::{BuildInfo, Metrics};
use tonic::{Request, Response, Status};

/// A greeter that says how long it takes.
struct Timed<G>(G);

#[tonic::async_trait]
impl<G: Greeter> Greeter for Timed<G> {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let start = Instant::now();
        let result = self.0.say_hello(request).await;
        tracing::info!("SayHello took {:.3}s", start.elapsed().as_secs_f64());
        result
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    logging::install(LogFormat::Text, logging::filter("")?);
    let metrics = Metrics::new(BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
    });
    let gateway = GrpcGateway::new("/grpc")
        .service(GreeterServer::new(Timed(GreeterService)))
        .descriptors(DESCRIPTORS)
        .port(Ports::from_arguments()?.grpc)
        .metrics(metrics.clone())
        .build()?;
    let stop = ctrl_c();
    println!("gRPC on http://{}", gateway.startup().await?);
    stop.await;
    gateway.shutdown().await;
    for method in metrics.calls().methods() {
        println!("calls of {}: {}", method.method, method.calls);
    }
    Ok(())
}
