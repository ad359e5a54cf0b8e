//! Quick start: a service in an app.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin quick_start
//! $ curl http://localhost:8000/grpc/greeterservice/sayhello \
//!     -H 'content-type: application/json' -d '{"name": "World"}'
//! {"message":"Hello, World!"}
//! ```

use axum::Router;
use gateway_examples::proto::{DESCRIPTORS, greeter_server::GreeterServer};
use gateway_examples::{GreeterService, Ports, ctrl_c, serve};
use portolan::grpc_gateway::{GrpcGateway, register_grpc_http_routes};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Create the gateway.
    let gateway = GrpcGateway::new("/grpc")
        .service(GreeterServer::new(GreeterService))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .build()?;

    // Register it with the app.
    let app = register_grpc_http_routes(Router::new(), [&gateway], "")?;

    serve(app, Ports::from_arguments()?.http, ctrl_c()).await
}
