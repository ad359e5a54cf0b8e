//! Lifespan: the gateway starts before the app takes its first request, and
//! ends after the app has answered its last.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin lifespan
//! gRPC on http://127.0.0.1:50051
//! HTTP on http://127.0.0.1:8000
//! ^Cstopped, 0 connections cut
//! ```

use axum::Router;
use gateway_examples::proto::{DESCRIPTORS, greeter_server::GreeterServer};
use gateway_examples::{GreeterService, Ports, ctrl_c, serve};
use portolan::grpc_gateway::{GrpcGateway, register_grpc_http_routes};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let ports = Ports::from_arguments()?;
    let gateway = GrpcGateway::new("/grpc")
        .service(GreeterServer::new(GreeterService))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .port(ports.grpc)
        .build()?;
    let app = register_grpc_http_routes(Router::new(), [&gateway], "")?;

    println!("gRPC on http://{}", gateway.startup().await?);
    let served = serve(app, ports.http, ctrl_c()).await;
    // Also when the app could not be served.
    if let Some(drained) = gateway.shutdown().await {
        println!("stopped, {} connections cut", drained.cut);
    }
    served
}
