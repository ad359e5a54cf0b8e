//! Multiple services: three behind one path, and on one gRPC port.
//!
//! ```console
//! $ cargo run -p gateway-examples --bin services
//! $ curl 'http://localhost:8000/grpc/product/getproduct?sku=chart-1'
//! {"sku":"chart-1","title":"Chart of the Mediterranean","priceCents":"129900"}
//! ```

use axum::Router;
use gateway_examples::proto::myapp::v1::user_service_server::UserServiceServer;
use gateway_examples::proto::products::product_service_server::ProductServiceServer;
use gateway_examples::proto::{DESCRIPTORS, greeter_server::GreeterServer};
use gateway_examples::{GreeterService, Ports, Products, Users, ctrl_c, serve};
use portolan::grpc_gateway::{GrpcGateway, register_grpc_http_routes};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let ports = Ports::from_arguments()?;
    let gateway = GrpcGateway::new("/grpc")
        .service(GreeterServer::new(GreeterService))
        .service(UserServiceServer::new(Users))
        .service(ProductServiceServer::new(Products))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .port(ports.grpc)
        .build()?;
    let app = register_grpc_http_routes(Router::new(), [&gateway], "")?;

    let address = gateway.startup().await?;
    println!("gRPC on http://{address}");
    serve(app, ports.http, ctrl_c()).await?;
    gateway.shutdown().await;
    Ok(())
}
