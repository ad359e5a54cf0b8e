//! Streaming for large data: a file of 10 MB in pieces. Neither side holds all
//! of it, and a slow reader slows the service.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin download
//! $ curl -N http://localhost:8000/grpc/file/downloadfile \
//!     -H 'content-type: application/json' -H 'accept: application/x-ndjson' \
//!     -d '{"name": "numbers.bin"}' | wc -l
//! 153
//! ```
//!
//! With `accept: text/event-stream` the pieces come as events, and otherwise as
//! one JSON array.

use axum::Router;
use gateway_examples::proto::DESCRIPTORS;
use gateway_examples::proto::files::file_service_server::FileServiceServer;
use gateway_examples::{Files, Ports, ctrl_c, serve};
use portolan::grpc_gateway::{GrpcGateway, register_grpc_http_routes};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let ports = Ports::from_arguments()?;
    let gateway = GrpcGateway::new("/grpc")
        .service(FileServiceServer::new(Files { size: 10_000_000 }))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .port(ports.grpc)
        .build()?;
    let app = register_grpc_http_routes(Router::new(), [&gateway], "")?;

    println!("gRPC on http://{}", gateway.startup().await?);
    serve(app, ports.http, ctrl_c()).await?;
    gateway.shutdown().await;
    Ok(())
}
