//! Health and reflection as real gRPC clients see them.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::{Duration, Instant};

use portolan_server::{Health, Server, Serving, reflection};
use prost_types::FileDescriptorSet;
use support::Running;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

fn start(health: &Health) -> Running {
    let sets = [
        Health::FILE_DESCRIPTOR_SET,
        reflection::FILE_DESCRIPTOR_SET_V1,
        reflection::FILE_DESCRIPTOR_SET_V1ALPHA,
    ];
    let routes = Routes::new(health.service())
        .add_service(reflection::v1(sets).unwrap())
        .add_service(reflection::v1alpha(sets).unwrap())
        .prepare();
    Running::start(Server::new(routes).health(health.clone()))
}

async fn connect(server: &Running) -> Channel {
    Channel::from_shared(server.url(""))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[tokio::test]
async fn health_is_told_per_service() {
    let health = Health::new(["a.A"]);
    let server = start(&health);
    let mut client = HealthClient::new(connect(&server).await);
    for (service, expected) in [
        ("", ServingStatus::Serving),
        ("a.A", ServingStatus::Serving),
    ] {
        assert_eq!(
            client
                .check(request(service))
                .await
                .unwrap()
                .into_inner()
                .status(),
            expected
        );
    }
    health.set("a.A", Serving::No);
    assert_eq!(
        client
            .check(request("a.A"))
            .await
            .unwrap()
            .into_inner()
            .status(),
        ServingStatus::NotServing
    );
    assert_eq!(
        client.check(request("b.B")).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn watching_does_not_hold_the_end() {
    let health = Health::new(["a.A"]);
    let mut server = start(&health);
    let mut client = HealthClient::new(connect(&server).await);
    let mut watch = client.watch(request("a.A")).await.unwrap().into_inner();
    assert_eq!(
        watch.next().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    let begin = Instant::now();
    server.stop();
    assert_eq!(
        watch.next().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert!(watch.next().await.is_none(), "the stream ends well");
    assert_eq!(server.drained(Duration::from_secs(5)).await.cut, 0);
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn reflection_lists_and_describes() {
    let server = start(&Health::new(["a.A"]));
    let mut client = ServerReflectionClient::new(connect(&server).await);
    let ask = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let requests = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "grpc.health.v1.Health".into(),
        )),
    ];
    let mut answers = client
        .server_reflection_info(tokio_stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.next().await.unwrap().unwrap().message_response
    else {
        panic!("a list was asked for")
    };
    let names: Vec<_> = list
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection"
        ]
    );
    let Some(MessageResponse::FileDescriptorResponse(file)) =
        answers.next().await.unwrap().unwrap().message_response
    else {
        panic!("a file was asked for")
    };
    let known: FileDescriptorSet = prost::Message::decode(Health::FILE_DESCRIPTOR_SET).unwrap();
    assert_eq!(
        file.file_descriptor_proto,
        known
            .file
            .iter()
            .map(prost::Message::encode_to_vec)
            .collect::<Vec<_>>()
    );
}
