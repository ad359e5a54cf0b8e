//! Testing a service: over HTTP and over gRPC, without a port and with one.

use axum::Router;
use gateway_examples::GreeterService;
use gateway_examples::proto::greeter_client::GreeterClient;
use gateway_examples::proto::{DESCRIPTORS, HelloRequest, greeter_server::GreeterServer};
use portolan::grpc_gateway::{GrpcGateway, TestClient, register_grpc_http_routes};
use serde_json::{Value, json};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn gateway() -> Result<GrpcGateway, portolan::grpc_gateway::Error> {
    GrpcGateway::new("/grpc")
        .service(GreeterServer::new(GreeterService))
        .descriptors(DESCRIPTORS)
        .expose_http(true)
        .port(0)
        .build()
}

#[tokio::test]
async fn over_http() -> TestResult {
    let app: Router = register_grpc_http_routes(Router::new(), [gateway()?], "")?;
    let client = TestClient::new(app);

    // Test successful request.
    let request = client.post("/grpc/greeterservice/sayhello");
    let response = request.json(json!({ "name": "World" })).await?;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.json::<Value>()?,
        json!({ "message": "Hello, World!" })
    );

    // Test error handling.
    let request = client.post("/grpc/greeterservice/sayhello");
    let response = request.json(json!({ "name": "error" })).await?;
    assert_eq!(response.status(), 400);
    assert_eq!(response.json::<Value>()?["detail"], "Invalid request");
    Ok(())
}

#[tokio::test]
async fn over_grpc_without_a_port() -> TestResult {
    let mut client = GreeterClient::new(gateway()?.in_process());
    let name = "GRPC".to_owned();
    let response = client.say_hello(HelloRequest { name }).await?;
    assert_eq!(response.into_inner().message, "Hello, GRPC!");
    Ok(())
}

#[tokio::test]
async fn over_grpc() -> TestResult {
    let gateway = gateway()?;
    let address = gateway.startup().await?;
    let mut client = GreeterClient::connect(format!("http://{address}")).await?;
    let name = "GRPC".to_owned();
    let response = client.say_hello(HelloRequest { name }).await?;
    assert_eq!(response.into_inner().message, "Hello, GRPC!");
    gateway.shutdown().await;
    Ok(())
}
