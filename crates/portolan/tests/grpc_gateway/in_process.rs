//! The services without a port: called over gRPC, asked over HTTP, and as the
//! fallback of an app.

use axum::Router;
use axum::routing::get;
use portolan::grpc_gateway::TestClient;
use serde_json::{Value, json};
use tonic::Code;

use super::greeter::*;

#[tokio::test]
async fn a_client_calls_without_a_port() {
    let gateway = greeter().build().unwrap();
    let name = "greeter.v1.Greeter";
    let message = say_hello(gateway.in_process(), name, "GRPC").await.unwrap();
    assert_eq!(message, "Hello, GRPC! (1)");
    let error = say_hello(gateway.in_process(), name, "error")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.message(), "Invalid request");
    let error = say_hello(gateway.in_process(), name, "panic")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    let error = say_hello(gateway.in_process(), "no.Such", "")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert_eq!(gateway.local_address(), None, "nothing was started");
}

#[tokio::test]
async fn every_protocol_answers_without_a_port() {
    let gateway = greeter().expose_http(true).build().unwrap();
    let client = TestClient::new(gateway.in_process());
    for path in ["/grpc/greeter/sayhello", "/greeter.v1.Greeter/SayHello"] {
        let response = client.post(path).json(json!({ "name": "Ada" })).await;
        assert_eq!(response.unwrap().status(), 200, "{path}");
    }
    let request = client.post("/greeter.v1.Greeter/SayHello");
    let request = request.header("content-type", "application/grpc-web+proto");
    let response = request.body(&b"\0\0\0\0\0"[..]).await.unwrap();
    assert_eq!(
        response.header("content-type"),
        Some("application/grpc-web+proto")
    );
    let health = client.post("/grpc.health.v1.Health/Check");
    let health = health
        .json(json!({ "service": "greeter.v1.Greeter" }))
        .await;
    assert_eq!(
        health.unwrap().json::<Value>().unwrap(),
        json!({ "status": "SERVING" })
    );
}

#[tokio::test]
async fn named_routes_are_there_only_when_http_is_exposed() {
    let client = TestClient::new(greeter().build().unwrap().in_process());
    let response = client.post("/grpc/greeter/sayhello").json(json!({})).await;
    assert_eq!(response.unwrap().status(), 404);
    // gRPC, gRPC-Web and Connect are.
    let connect = client.post("/greeter.v1.Greeter/SayHello");
    let connect = connect.header("connect-protocol-version", "1");
    let response = connect.json(json!({ "name": "Ada" })).await.unwrap();
    assert_eq!(response.text(), r#"{"message":"Hello, Ada! (1)"}"#);
}

#[tokio::test]
async fn an_app_falls_back_to_every_protocol() {
    let gateway = greeter().expose_http(true).build().unwrap();
    let app = Router::new()
        .route("/", get(async || "the app's own"))
        .fallback_service(gateway.in_process());
    let message = say_hello(app.clone(), "greeter.v1.Greeter", "Ada").await;
    assert_eq!(message.unwrap(), "Hello, Ada! (1)");
    let client = TestClient::new(app);
    let response = client.post("/grpc/greeter/sayhello").json(json!({})).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(client.get("/").await.unwrap().text(), "the app's own");
}

#[tokio::test]
async fn the_test_client_says_what_is_wrong() {
    let client = TestClient::new(greeter().build().unwrap().in_process());
    let error = client.get("not a path").await.unwrap_err();
    assert!(
        error.to_string().starts_with("the request is not valid: "),
        "{error}"
    );
    let response = client.get("/nowhere").await.unwrap();
    let error = response.json::<Vec<u8>>().unwrap_err().to_string();
    assert!(
        error.starts_with("the answer is not the JSON expected: "),
        "{error}"
    );
    assert!(
        error.ends_with(&format!("; it is `{}`", response.text())),
        "{error}"
    );
}
