//! Dual protocol: one service, reached over HTTP in the app and over gRPC on
//! the gateway's own port, which speaks gRPC-Web, Connect and REST/JSON too.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin dual_protocol
//! $ curl http://localhost:8000/grpc/greeterservice/sayhello \
//!     -H 'content-type: application/json' -d '{"name": "World"}'
//! {"message":"Hello, World!"}
//! $ grpcurl -plaintext -d '{"name": "World"}' 127.0.0.1:50051 Greeter/SayHello
//! {
//!   "message": "Hello, World!"
//! }
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
        .host("127.0.0.1")
        .port(ports.grpc)
        .build()?;
    let app = register_grpc_http_routes(Router::new(), [&gateway], "")?;

    let address = gateway.startup().await?;
    println!("gRPC on http://{address}");
    serve(app, ports.http, ctrl_c()).await?;
    gateway.shutdown().await;
    Ok(())
}
