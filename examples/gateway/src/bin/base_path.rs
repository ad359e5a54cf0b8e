//! Custom base path: the routes of the gateway below those of an API.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin base_path
//! $ curl http://localhost:8000/api/v1/grpc/greeter/sayhello \
//!     -H 'content-type: application/json' -d '{"name": "World"}'
//! {"message":"Hello, World!"}
//! ```

use axum::Router;
use gateway_examples::proto::{DESCRIPTORS, greeter_server::GreeterServer};
use gateway_examples::{GreeterService, Ports, ctrl_c, serve};
use portolan::grpc_gateway::{GrpcGateway, register_grpc_http_routes};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let gateway = GrpcGateway::new("/grpc")
        .service(GreeterServer::new(GreeterService))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .build()?;
    // Routes become /api/v1/grpc/...
    let app = register_grpc_http_routes(Router::new(), [&gateway], "/api/v1")?;
    serve(app, Ports::from_arguments()?.http, ctrl_c()).await
}
