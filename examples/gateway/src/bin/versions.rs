//! Versioned contracts: the package `myapp.v1` has its version in its name, and
//! the gateway's path says it to those who speak HTTP. A version 2 would be a
//! package `myapp.v2`, and a gateway at `/v2`, beside it.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin versions
//! $ curl http://localhost:8000/v1/user/getuser \
//!     -H 'content-type: application/json' -d '{"id": "1"}'
//! {"id":"1","name":"Ada Lovelace"}
//! $ grpcurl -plaintext -d '{"id": "1"}' 127.0.0.1:50051 myapp.v1.UserService/GetUser
//! ```

use axum::Router;
use gateway_examples::proto::DESCRIPTORS;
use gateway_examples::proto::myapp::v1::user_service_server::UserServiceServer;
use gateway_examples::{Ports, Users, ctrl_c, serve};
use portolan::grpc_gateway::{GrpcGateway, register_grpc_http_routes};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let ports = Ports::from_arguments()?;
    let v1 = GrpcGateway::new("/v1")
        .service(UserServiceServer::new(Users))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .port(ports.grpc)
        .build()?;
    let app = register_grpc_http_routes(Router::new(), [&v1], "")?;

    println!("gRPC on http://{}", v1.startup().await?);
    serve(app, ports.http, ctrl_c()).await?;
    v1.shutdown().await;
    Ok(())
}
