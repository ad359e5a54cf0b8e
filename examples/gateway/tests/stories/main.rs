//! Every story, run as its reader would run it, on ports that the system
//! chooses.
#![allow(clippy::unwrap_used, reason = "what tests share is test code too")]

mod story;

use std::fs;

use gateway_examples::proto::HelloRequest;
use gateway_examples::proto::files::FileRequest;
use gateway_examples::proto::files::file_service_client::FileServiceClient;
use gateway_examples::proto::greeter_client::GreeterClient;
use gateway_examples::proto::myapp::v1::GetUserRequest;
use gateway_examples::proto::myapp::v1::user_service_client::UserServiceClient;
use gateway_examples::proto::products::GetProductRequest;
use gateway_examples::proto::products::product_service_client::ProductServiceClient;
use serde_json::{Value, json};
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use story::{Story, run};

const SAY_HELLO: &str = "/grpc/greeterservice/sayhello";

/// Says hello over gRPC.
async fn hello_over_grpc(url: &str, name: &str) -> Result<String, tonic::Status> {
    let mut client = GreeterClient::connect(url.to_owned()).await.unwrap();
    let name = name.to_owned();
    let reply = client.say_hello(HelloRequest { name }).await?;
    Ok(reply.into_inner().message)
}

#[tokio::test]
async fn quick_start() {
    let story = Story::start(env!("CARGO_BIN_EXE_quick_start"), 1).await;
    for path in [SAY_HELLO, "/grpc/greeter/sayhello"] {
        let answer = story.post(path, json!({ "name": "World" })).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({ "message": "Hello, World!" }));
    }
    story.stop().await;
}

#[tokio::test]
async fn dual_protocol() {
    let story = Story::start(env!("CARGO_BIN_EXE_dual_protocol"), 2).await;
    let answer = story.post(SAY_HELLO, json!({ "name": "World" })).await;
    assert_eq!(answer.json(), json!({ "message": "Hello, World!" }));
    let message = hello_over_grpc(&story.grpc(), "World").await.unwrap();
    assert_eq!(message, "Hello, World!");
    // The gateway's own port has all protocols too.
    let hello = json!({ "name": "World" });
    let answer = story
        .post_to(&story.grpc(), "/Greeter/SayHello", hello)
        .await;
    assert_eq!(answer.json(), json!({ "message": "Hello, World!" }));
    story.stop().await;
}

#[tokio::test]
async fn one_port() {
    let story = Story::start(env!("CARGO_BIN_EXE_one_port"), 1).await;
    assert_eq!(story.get("/").await.text(), "a page of the app\n");
    let answer = story.post(SAY_HELLO, json!({ "name": "World" })).await;
    assert_eq!(answer.json(), json!({ "message": "Hello, World!" }));
    let message = hello_over_grpc(&story.http(), "World").await.unwrap();
    assert_eq!(message, "Hello, World!");
    story.stop().await;
}

#[tokio::test]
async fn errors() {
    let story = Story::start(env!("CARGO_BIN_EXE_errors"), 1).await;
    let answer = story.post(SAY_HELLO, json!({ "name": "error" })).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json(), json!({ "detail": "Invalid request" }));
    let answer = story
        .post("/grpc/userservice/getuser", json!({ "id": "2" }))
        .await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json(), json!({ "detail": "User not found" }));
    story.stop().await;
}

#[tokio::test]
async fn tls() {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("server.crt"), pair.cert.pem()).unwrap();
    fs::write(
        folder.path().join("server.key"),
        pair.signing_key.serialize_pem(),
    )
    .unwrap();
    let story = Story::start_in(folder.path(), env!("CARGO_BIN_EXE_tls"), 1).await;
    let url = story.grpc();
    assert!(url.starts_with("https://"), "{url}");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(pair.cert.pem()))
        .domain_name("localhost");
    let endpoint = Endpoint::new(url).unwrap().tls_config(tls).unwrap();
    let mut client = GreeterClient::new(endpoint.connect().await.unwrap());
    let name = "World".to_owned();
    let reply = client.say_hello(HelloRequest { name }).await.unwrap();
    assert_eq!(reply.into_inner().message, "Hello, World!");
    story.stop().await;
}

#[tokio::test]
async fn http_methods() {
    let story = Story::start(env!("CARGO_BIN_EXE_http_methods"), 1).await;
    let answer = story.post(SAY_HELLO, json!({ "name": "World" })).await;
    assert_eq!(answer.status, 200);
    let answer = story.put(SAY_HELLO, json!({ "name": "World" })).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "POST");
    let detail = format!("{SAY_HELLO} does not take PUT; it takes POST");
    assert_eq!(answer.json(), json!({ "detail": detail }));
    story.stop().await;
}

#[tokio::test]
async fn base_path() {
    let story = Story::start(env!("CARGO_BIN_EXE_base_path"), 1).await;
    let path = format!("/api/v1{SAY_HELLO}");
    let answer = story.post(&path, json!({ "name": "World" })).await;
    assert_eq!(answer.json(), json!({ "message": "Hello, World!" }));
    let answer = story.post(SAY_HELLO, json!({ "name": "World" })).await;
    assert_eq!(answer.status, 404);
    story.stop().await;
}

#[tokio::test]
async fn services() {
    let story = Story::start(env!("CARGO_BIN_EXE_services"), 2).await;
    let answer = story.post(SAY_HELLO, json!({ "name": "World" })).await;
    assert_eq!(answer.json(), json!({ "message": "Hello, World!" }));
    let answer = story.post("/grpc/user/getuser", json!({ "id": "1" })).await;
    assert_eq!(answer.json(), json!({ "id": "1", "name": "Ada Lovelace" }));
    let answer = story.get("/grpc/product/getproduct?sku=chart-1").await;
    assert_eq!(answer.json()["priceCents"], "129900");

    let url = story.grpc();
    hello_over_grpc(&url, "World").await.unwrap();
    let mut users = UserServiceClient::connect(url.clone()).await.unwrap();
    let id = "2".to_owned();
    let error = users.get_user(GetUserRequest { id }).await.unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::NotFound, "User not found")
    );
    let mut products = ProductServiceClient::connect(url).await.unwrap();
    let sku = "chart-1".to_owned();
    let product = products
        .get_product(GetProductRequest { sku })
        .await
        .unwrap();
    assert_eq!(product.into_inner().price_cents, 129_900);
    story.stop().await;
}

#[tokio::test]
async fn lifespan() {
    let story = Story::start(env!("CARGO_BIN_EXE_lifespan"), 2).await;
    let answer = story.post(SAY_HELLO, json!({ "name": "World" })).await;
    assert_eq!(answer.status, 200);
    hello_over_grpc(&story.grpc(), "World").await.unwrap();
    assert_eq!(story.stop().await, "stopped, 0 connections cut\n");
}

#[tokio::test]
async fn pitfalls() {
    let said = run(env!("CARGO_BIN_EXE_pitfalls")).await;
    let lines: Vec<&str> = said.lines().collect();
    let [nothing, undescribed, conflict, stopped, started] = lines[..] else {
        panic!("{said}");
    };
    assert_eq!(
        nothing,
        "no service: the gateway at /grpc has no service; add one with .service(…)"
    );
    assert_eq!(
        undescribed,
        "no descriptors: no descriptor has the service Greeter; give the set of its file and \
         imports with .descriptors(…)"
    );
    let port = conflict
        .strip_prefix("port conflict: port ")
        .and_then(|rest| {
            rest.strip_suffix(" on 127.0.0.1 is in use; choose another with .port(…)")
        });
    assert!(port.unwrap().parse::<u16>().is_ok());
    assert!(stopped.starts_with("not started: "), "{stopped}");
    assert_eq!(started, "started: Hello, World!");
}

#[tokio::test]
async fn versions() {
    let story = Story::start(env!("CARGO_BIN_EXE_versions"), 2).await;
    let answer = story.post("/v1/user/getuser", json!({ "id": "1" })).await;
    assert_eq!(answer.json(), json!({ "id": "1", "name": "Ada Lovelace" }));
    let mut users = UserServiceClient::connect(story.grpc()).await.unwrap();
    let id = "1".to_owned();
    let user = users.get_user(GetUserRequest { id }).await.unwrap();
    assert_eq!(user.into_inner().name, "Ada Lovelace");
    story.stop().await;
}

#[tokio::test]
async fn download() {
    let story = Story::start(env!("CARGO_BIN_EXE_download"), 2).await;
    let mut files = FileServiceClient::connect(story.grpc()).await.unwrap();
    let name = "numbers.bin".to_owned();
    let chunks = files.download_file(FileRequest { name }).await.unwrap();
    let mut chunks = chunks.into_inner();
    let mut size = 0;
    while let Some(chunk) = chunks.message().await.unwrap() {
        assert_eq!(usize::try_from(chunk.offset).unwrap(), size);
        assert!(chunk.data.len() <= 64 * 1024);
        size += chunk.data.len();
    }
    assert_eq!(size, 10_000_000);

    let path = "/grpc/file/downloadfile";
    let file = json!({ "name": "numbers.bin" });
    let lines = story
        .post_accepting(path, file, "application/x-ndjson")
        .await;
    let chunks = lines
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    // A number of 64 bits is text in JSON.
    let offsets: Vec<String> = chunks
        .map(|chunk| chunk["offset"].as_str().unwrap_or("0").to_owned())
        .collect();
    let expected: Vec<String> = (0..10_000_000)
        .step_by(64 * 1024)
        .map(|o| o.to_string())
        .collect();
    assert_eq!(offsets, expected);
    // What fails before its first piece has the status of its error.
    let answer = story.post(path, json!({ "name": "no" })).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json(), json!({ "detail": "there is no file `no`" }));
    story.stop().await;
}

#[tokio::test]
async fn monitoring() {
    let story = Story::start(env!("CARGO_BIN_EXE_monitoring"), 1).await;
    hello_over_grpc(&story.grpc(), "World").await.unwrap();
    let metrics = story.get_from(&story.grpc(), "/metrics").await;
    assert!(
        metrics.text().contains("/Greeter/SayHello"),
        "{}",
        metrics.text()
    );
    assert_eq!(story.stop().await, "calls of Greeter/SayHello: 1\n");
}
