//! One port: the app's own routes, and behind them every protocol of the
//! gateway, gRPC included.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin one_port
//! $ curl http://localhost:8000/
//! a page of the app
//! $ grpcurl -plaintext -d '{"name": "World"}' localhost:8000 Greeter/SayHello
//! {
//!   "message": "Hello, World!"
//! }
//! ```

use axum::Router;
use axum::routing::get;
use gateway_examples::proto::{DESCRIPTORS, greeter_server::GreeterServer};
use gateway_examples::{GreeterService, Ports, ctrl_c, serve};
use portolan::grpc_gateway::GrpcGateway;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let gateway = GrpcGateway::new("/grpc")
        .service(GreeterServer::new(GreeterService))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .build()?;
    let app = Router::new()
        .route("/", get(async || "a page of the app\n"))
        .fallback_service(gateway.in_process());
    serve(app, Ports::from_arguments()?.http, ctrl_c()).await
}
