//! What can be chosen beside path, host and port.

use std::time::Duration;

use axum::Router;
use portolan::gateway::{self, Options};
use portolan::grpc_gateway::{
    GrpcGateway, GrpcGatewayBuilder, TestClient, register_grpc_http_routes,
};
use portolan::server::interceptor::{
    Admission, CallHead, Interceptor, InterceptorLayer, Refusal, async_trait,
};
use portolan::server::{Health, Serving};
use serde_json::{Value, json};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use super::greeter::*;

const SAY_HELLO: &str = "/grpc/greeter/sayhello";

fn app(builder: GrpcGatewayBuilder) -> TestClient<Router> {
    let gateway = builder.expose_http(true).build().unwrap();
    TestClient::new(register_grpc_http_routes(Router::new(), [gateway], "").unwrap())
}

#[tokio::test]
async fn interceptors_stand_in_front_of_both_protocols() {
    let guard = |request: Request<()>| match request.metadata().get("authorization") {
        Some(_) => Ok(request),
        None => Err(Status::unauthenticated(
            "Missing or invalid authorization header",
        )),
    };
    let service = InterceptedService::new(Friendly::<Greeter>::new("Hello"), guard);
    let builder = || {
        GrpcGateway::new("/grpc")
            .service(service.clone())
            .descriptors(descriptors())
    };
    let client = app(builder());
    let response = client.post(SAY_HELLO).json(json!({})).await.unwrap();
    assert_eq!(response.status(), 401);
    let detail = "Missing or invalid authorization header";
    assert_eq!(
        response.json::<Value>().unwrap(),
        json!({ "detail": detail })
    );
    let request = client.post(SAY_HELLO).header("authorization", "Bearer x");
    assert_eq!(request.json(json!({})).await.unwrap().status(), 200);

    let in_process = builder().build().unwrap().in_process();
    let error = say_hello(in_process, "greeter.v1.Greeter", "Ada").await;
    assert_eq!(error.unwrap_err().message(), detail);
}

#[tokio::test]
async fn a_message_is_as_large_as_allowed() {
    let options = Options {
        max_message_size: 64,
        ..Options::default()
    };
    let client = app(greeter().options(options));
    for (length, status) in [(1, 200), (64, 413)] {
        let body = json!({ "name": "x".repeat(length) });
        let response = client.post(SAY_HELLO).json(body).await.unwrap();
        assert_eq!(response.status(), status, "{}", response.text());
    }
}

#[tokio::test]
async fn http_methods_are_limited_on_its_own_port_too() {
    let gateway = greeter().expose_http(true).http_methods(["POST"]);
    let client = TestClient::new(gateway.build().unwrap().in_process());
    let response = client.put(SAY_HELLO).json(json!({})).await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(response.header("allow"), Some("POST"));
    let response = client.post(SAY_HELLO).json(json!({})).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn contracts_are_told_unless_they_are_not_to_be() {
    for (reflect, status) in [(true, 200), (false, 404)] {
        let gateway = greeter().reflection(reflect).build().unwrap();
        let client = TestClient::new(gateway.in_process());
        for version in ["v1", "v1alpha"] {
            let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            let question = json!([{ "listServices": "" }]);
            let response = client.post(&path).json(question).await.unwrap();
            assert_eq!(response.status(), status, "{}", response.text());
            let told = response.text().contains(r#""name":"greeter.v1.Greeter""#);
            assert_eq!(told, reflect, "{}", response.text());
        }
    }
}

#[tokio::test]
async fn health_of_ones_own_comes_first() {
    let health = Health::new(["greeter.v1.Greeter"]);
    health.set("greeter.v1.Greeter", Serving::No);
    let gateway = greeter().service(health.service()).build().unwrap();
    let client = TestClient::new(gateway.in_process());
    let check = client.post("/grpc.health.v1.Health/Check");
    let check = check.json(json!({ "service": "greeter.v1.Greeter" }));
    assert_eq!(check.await.unwrap().text(), r#"{"status":"NOT_SERVING"}"#);
}

#[tokio::test]
async fn the_end_waits_as_long_as_allowed() {
    let service = Friendly::<Greeter>::new("Hello");
    let gateway = GrpcGateway::new("/grpc")
        .service(service.clone())
        .descriptors(descriptors())
        .port(0)
        .drain_timeout(Duration::from_millis(10))
        .build()
        .unwrap();
    gateway.startup().await.unwrap();
    let endpoint = Endpoint::new(gateway.local_url().unwrap()).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let call = tokio::spawn(say_hello(channel, "greeter.v1.Greeter", "hang"));
    while service.calls() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.shutdown().await.unwrap().cut, 1);
    assert!(call.await.unwrap().is_err());
}

/// Lets only callers pass that know a word.
struct Word;

#[async_trait]
impl Interceptor for Word {
    async fn intercept(&self, call: &mut CallHead) -> Result<Admission, Refusal> {
        match call.metadata().get("word") {
            Some(_) => Ok(Admission::granted()),
            None => {
                Err(gateway::Status::new(gateway::Code::PermissionDenied, "say the word").into())
            }
        }
    }
}

#[tokio::test]
async fn interceptors_stand_around_every_call() {
    let gateway = greeter()
        .expose_http(true)
        .intercept(InterceptorLayer::new().with(Word));
    let gateway = gateway.build().unwrap();
    let client = TestClient::new(gateway.in_process());
    for path in [
        "/grpc/greeter/sayhello",
        "/greeter.v1.Greeter/SayHello",
        "/grpc.health.v1.Health/Check",
    ] {
        let silent = client.post(path).json(json!({})).await.unwrap();
        assert_eq!(silent.status(), 403, "{path}");
        let request = client.post(path).header("word", "please");
        assert_eq!(
            request.json(json!({})).await.unwrap().status(),
            200,
            "{path}"
        );
    }
    let error = say_hello(gateway.in_process(), "greeter.v1.Greeter", "Ada").await;
    assert_eq!(error.unwrap_err().message(), "say the word");
}
