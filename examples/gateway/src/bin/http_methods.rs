//! Limiting HTTP methods: POST, and nothing else.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin http_methods
//! $ curl -i -X PUT http://localhost:8000/grpc/greeter/sayhello \
//!     -H 'content-type: application/json' -d '{"name": "World"}'
//! HTTP/1.1 405 Method Not Allowed
//! allow: POST
//! …
//! {"detail":"/grpc/greeter/sayhello does not take PUT; it takes POST"}
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
        .http_methods(["POST"]) // Only allow POST
        .build()?;
    let app = register_grpc_http_routes(Router::new(), [&gateway], "")?;
    serve(app, Ports::from_arguments()?.http, ctrl_c()).await
}
