//! Servers that describe themselves, and servers that lie.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use portolan_client::reflection::{self, Error, Limits, Options, Reflected};
use portolan_rpc::{Body, BoxError, Code, Status, frame};
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};
use tokio::net::TcpListener;
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tonic::transport::server::Router;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{
    ErrorResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};

use crate::server::channel;

const CONTRACTS: [(&str, &str); 3] = [
    (
        "shop.proto",
        r#"syntax = "proto3"; package shop; import "goods/good.proto"; import "google/protobuf/empty.proto";
           service Shop { rpc Buy(goods.Good) returns (google.protobuf.Empty); }"#,
    ),
    (
        "goods/good.proto",
        r#"syntax = "proto3"; package goods; import "google/protobuf/timestamp.proto"; import "goods/maker.proto";
           message Good { string name = 1; google.protobuf.Timestamp made = 2; Maker maker = 3; }"#,
    ),
    (
        "goods/maker.proto",
        r#"syntax = "proto3"; package goods; message Maker { string name = 1; }"#,
    ),
];

fn contract() -> FileDescriptorSet {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in CONTRACTS {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    protox::compile(["shop.proto"], [folder.path()]).unwrap()
}

async fn serve(router: Router) -> portolan_client::Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    channel(&format!("http://{address}"))
}

fn check(reflected: &Reflected) {
    assert!(reflected.services.contains(&"shop.Shop".to_owned()));
    let schema = reflected.schema().unwrap();
    assert!(schema.method("/shop.Shop/Buy").is_some());
    assert!(schema.message_by_name("goods.Maker").is_some());
    assert!(reflected.missing.is_empty() && reflected.undescribed.is_empty());
    let set = FileDescriptorSet::decode(&*reflected.descriptor_set).unwrap();
    let at = |name: &str| {
        set.file
            .iter()
            .position(|file| file.name() == name)
            .unwrap()
    };
    assert!(at("goods/maker.proto") < at("goods/good.proto"));
    assert!(at("goods/good.proto") < at("shop.proto"));
}

#[tokio::test]
async fn a_server_tells_its_contract_in_either_version() {
    let builder =
        || tonic_reflection::server::Builder::configure().register_file_descriptor_set(contract());
    let mut server = tonic::transport::Server::builder();
    let new = server.add_service(builder().build_v1().unwrap());
    let old = server.add_service(builder().build_v1alpha().unwrap());
    for router in [new, old] {
        let channel = serve(router).await;
        let reflected = reflection::fetch(channel.clone(), &Options::default()).await;
        let reflected = reflected.unwrap();
        check(&reflected);
        assert_eq!(
            reflected.services.len(),
            2,
            "reflection itself is a service"
        );
        let options = Options {
            infrastructure: false,
            ..Options::default()
        };
        let reflected = reflection::fetch(channel, &options).await.unwrap();
        check(&reflected);
        assert_eq!(reflected.services, ["shop.Shop"]);
    }
}

#[tokio::test]
async fn a_server_without_reflection_says_what_to_do() {
    let server = crate::server::Server::start().await;
    let error = reflection::fetch(server.channel(), &Options::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unimplemented(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.ends_with("give its contract as .proto files or as a descriptor set"),
        "{text}"
    );
}

type Answers = Vec<MessageResponse>;

/// A server in this process that answers as a function does, and then hangs.
fn liar(
    answer: impl Fn(MessageRequest) -> Answers + Clone + Send + Sync + 'static,
) -> impl tower_service::Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        let mut decoder = frame::Decoder::new(usize::MAX);
        let answers = request.into_body().into_data_stream().map(move |data| {
            decoder.push(data.unwrap());
            let mut frames = Vec::new();
            while let Some(frame) = decoder.take().unwrap() {
                let request = ServerReflectionRequest::decode(frame.payload).unwrap();
                for answer in answer(request.message_request.unwrap()) {
                    let response = ServerReflectionResponse {
                        message_response: Some(answer),
                        ..ServerReflectionResponse::default()
                    };
                    frames.extend_from_slice(&frame::wrap(0, &response.encode_to_vec()));
                }
            }
            Ok::<_, BoxError>(Frame::data(Bytes::from(frames)))
        });
        ready(Ok(Response::new(Body::new(StreamBody::new(answers)))))
    })
}

fn list(names: &[&str]) -> Answers {
    let service = names.iter().map(|name| ServiceResponse {
        name: (*name).to_owned(),
    });
    vec![MessageResponse::ListServicesResponse(ListServiceResponse {
        service: service.collect(),
    })]
}

fn files(files: &[Vec<u8>]) -> Answers {
    vec![MessageResponse::FileDescriptorResponse(
        FileDescriptorResponse {
            file_descriptor_proto: files.to_vec(),
        },
    )]
}

fn missing() -> Answers {
    vec![MessageResponse::ErrorResponse(ErrorResponse {
        error_code: 5,
        error_message: "none".into(),
    })]
}

fn file(name: &str, service: &str, imports: &[&str]) -> Vec<u8> {
    let service = ServiceDescriptorProto {
        name: Some(service.to_owned()),
        ..ServiceDescriptorProto::default()
    };
    FileDescriptorProto {
        name: Some(name.to_owned()),
        service: vec![service],
        dependency: imports.iter().map(|import| (*import).to_owned()).collect(),
        ..FileDescriptorProto::default()
    }
    .encode_to_vec()
}

async fn hear(
    answer: impl Fn(MessageRequest) -> Answers + Clone + Send + Sync + 'static,
) -> Result<Reflected, Error> {
    let options = Options {
        limits: Limits {
            files: 100,
            bytes: 100_000,
            time: Duration::from_millis(500),
        },
        ..Options::default()
    };
    reflection::fetch(liar(answer), &options).await
}

#[tokio::test]
async fn a_server_that_lies_is_found_out() {
    use MessageRequest::{FileByFilename, FileContainingSymbol, ListServices};
    let told = |error: Result<Reflected, Error>| error.unwrap_err().to_string();

    // Another file than the one with the service, or than was asked for.
    let answer = hear(|question| match question {
        ListServices(_) => list(&["a.A"]),
        _ => files(&[file("a.proto", "B", &[])]),
    });
    assert_eq!(
        told(answer.await),
        "the server sends files without the service `a.A`"
    );
    let answer = hear(|question| match question {
        ListServices(_) => list(&["A"]),
        FileContainingSymbol(_) => files(&[file("a.proto", "A", &["b.proto"])]),
        _ => files(&[file("c.proto", "C", &[])]),
    });
    assert_eq!(
        told(answer.await),
        "the server sends other files than `b.proto`"
    );

    // Imports without an end, one by one or in a circle.
    let answer = hear(|question| match question {
        ListServices(_) => list(&["A"]),
        FileContainingSymbol(_) => files(&[file("0", "A", &["1"])]),
        FileByFilename(name) => {
            let next = name.parse::<usize>().unwrap() + 1;
            files(&[file(&name, "", &[&next.to_string()])])
        }
        _ => missing(),
    });
    assert_eq!(
        told(answer.await),
        "the server has more than 100 files, which is the limit"
    );
    let answer = hear(|question| match question {
        ListServices(_) => list(&["A"]),
        FileContainingSymbol(_) => files(&[file("a", "A", &["b"])]),
        _ => files(&[file("b", "B", &["a"])]),
    });
    let cycle = "the server sends files that import each other: a → b → a";
    assert_eq!(told(answer.await), cycle);

    // Too much of anything.
    let many: Vec<String> = (0..101).map(|at| at.to_string()).collect();
    let answer = hear(move |_| list(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(
        told(answer.await),
        "the server has more than 100 files, which is the limit"
    );
    let answer = hear(|_| list(&["x".repeat(200_000).as_str()]));
    assert!(told(answer.await).contains("over the limit of 100000 bytes"));
    let answer = hear(|question| match question {
        ListServices(_) => list(&["A"]),
        FileByFilename(name) => files(&[file(&name, "", &[])]),
        _ => files(&[file("a", "A", &[&"x".repeat(60_000)])]),
    });
    let text = told(answer.await);
    assert_eq!(
        text,
        "the server's files have more than 100000 bytes, which is the limit"
    );
    let answer = hear(|question| match question {
        ListServices(_) => list(&[&"x".repeat(1_000)]),
        _ => files(&[file("a", "A", &[])]),
    });
    assert!(told(answer.await).len() < 300);

    // No answer, the wrong one, garbage.
    assert_eq!(
        told(hear(|_| vec![]).await),
        "the server has not told its contract within 500ms"
    );
    let answer = hear(|question| match question {
        ListServices(_) => list(&["A"]),
        _ => list(&["A"]),
    });
    let text = told(answer.await);
    assert_eq!(
        text,
        "the server lists its services though it was asked for a file"
    );
    assert!(told(hear(|_| files(&[])).await).contains("though it was asked for its services"));
    let answer = hear(|question| match question {
        ListServices(_) => list(&["A"]),
        _ => files(&[b"garbage".to_vec()]),
    });
    assert!(told(answer.await).starts_with("the server sends a file that is none: "));
}

#[tokio::test]
async fn two_files_with_one_symbol_do_not_link() {
    let reflected = hear(|question| match question {
        MessageRequest::ListServices(_) => list(&["A"]),
        MessageRequest::FileContainingSymbol(_) => {
            files(&[file("a", "A", &["b"]), file("b", "A", &[])])
        }
        _ => missing(),
    });
    let error = reflected.await.unwrap().schema().unwrap_err().to_string();
    assert_eq!(error, "`A` is defined in b and again in a");
}

#[tokio::test]
async fn what_is_missing_is_said_and_the_rest_is_there() {
    let reflected = hear(|question| match question {
        MessageRequest::ListServices(_) => list(&["A", "B", "A"]),
        MessageRequest::FileContainingSymbol(name) if name == "A" => {
            files(&[file("a", "A", &["options.proto"])])
        }
        _ => missing(),
    });
    let reflected = reflected.await.unwrap();
    assert_eq!(reflected.services, ["A"]);
    assert_eq!(reflected.missing, ["options.proto"]);
    let undescribed = ("B".to_owned(), Status::new(Code::NotFound, "none"));
    assert_eq!(reflected.undescribed, [undescribed]);
    assert_eq!(reflected.schema().unwrap().services().count(), 1);
}

#[tokio::test]
async fn metadata_goes_along() {
    let service = tower::service_fn(|request: Request<Body>| {
        let status = match request.headers().get("authorization") {
            Some(_) => Status::new(Code::Aborted, "seen"),
            None => Status::new(Code::Unauthenticated, "missing"),
        };
        ready(Err::<Response<Body>, _>(status))
    });
    let mut metadata = HeaderMap::new();
    metadata.insert("authorization", "Bearer x".parse().unwrap());
    let options = Options {
        metadata,
        ..Options::default()
    };
    let error = reflection::fetch(service, &options).await.unwrap_err();
    let text = "the server cannot be asked for its contract: ABORTED: seen";
    assert_eq!(error.to_string(), text);
}
