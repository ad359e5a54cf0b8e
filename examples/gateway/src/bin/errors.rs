//! Errors: a status of the service becomes an HTTP status and a `detail`.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin errors
//! $ curl -i http://localhost:8000/grpc/user/getuser \
//!     -H 'content-type: application/json' -d '{"id": "2"}'
//! HTTP/1.1 404 Not Found
//! …
//! {"detail":"User not found"}
//! ```

use axum::Router;
use gateway_examples::proto::myapp::v1::user_service_server::UserServiceServer;
use gateway_examples::proto::{DESCRIPTORS, greeter_server::GreeterServer};
use gateway_examples::{GreeterService, Ports, Users, ctrl_c, serve};
use portolan::grpc_gateway::{GrpcGateway, register_grpc_http_routes};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `GreeterService` answers `error` with INVALID_ARGUMENT, which is 400;
    // `Users` answers who is not there with NOT_FOUND, which is 404.
    let gateway = GrpcGateway::new("/grpc")
        .service(GreeterServer::new(GreeterService))
        .service(UserServiceServer::new(Users))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .build()?;
    let app = register_grpc_http_routes(Router::new(), [&gateway], "")?;
    serve(app, Ports::from_arguments()?.http, ctrl_c()).await
}
