//! Whether documents tell the truth: a gateway over the same contract takes
//! every request that a document describes, and every example is a message of
//! its type.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use portolan_gateway::{Body, GatewayLayer, OpenApiOptions};
use portolan_schema::Schema;
use portolan_transcode::{ReadOptions, Transcoder};
use serde_json::Value;
use tower_layer::Layer;
use tower_service::Service;

use crate::contract::{document, schema};

/// Answers every call with one empty message.
#[derive(Clone)]
struct Empty;

impl Service<Request<Body>> for Empty {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // A stream of requests is read to its end by a task of its own, so that
        // what is wrong in it is found.
        let frames = async_stream(request.into_body());
        let mut response = Response::new(Body::new(StreamBody::new(frames)));
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", grpc);
        ready(Ok(response))
    }
}

/// The frames of the answer, once the request has been read.
fn async_stream(
    body: Body,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    futures_util::stream::unfold(Some((body, false)), |state| async move {
        let (body, answered) = state?;
        if answered {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            return Some((Ok(Frame::trailers(trailers)), None));
        }
        let whole = body.collect().await;
        // A request that broke off is answered by the gateway itself.
        drop(whole);
        let message = Bytes::from_static(&[0; 5]);
        Some((Ok(Frame::data(message)), Some((Body::empty(), true))))
    })
}

/// What is behind a reference of the document, or the value itself.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            resolve(document, document.pointer(pointer).expect(reference))
        }
        None => value,
    }
}

/// A value of a parameter, as text.
fn sample(document: &Value, schema: &Value) -> String {
    let schema = resolve(document, schema);
    if let Some(first) = schema["enum"].get(0) {
        return first.as_str().map_or(first.to_string(), str::to_owned);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str().unwrap(),
        kind => kind.as_str().unwrap(),
    };
    match (kind, schema["format"].as_str(), schema["pattern"].as_str()) {
        ("array", _, _) => sample(document, &schema["items"]),
        ("object", _, _) => sample(document, &schema["additionalProperties"]),
        ("boolean", _, _) => "true".to_owned(),
        ("integer" | "number", _, _) | (_, Some("int64" | "uint64"), _) => "7".to_owned(),
        (_, Some("date-time"), _) => "2025-01-31T09:30:00Z".to_owned(),
        (_, _, Some(pattern)) if pattern.ends_with("s$") => "1.5s".to_owned(),
        _ => "text".to_owned(),
    }
}

/// A request that an operation describes: its target, content type and body.
fn request(document: &Value, path: &str, operation: &Value) -> (String, String, Vec<u8>) {
    let (mut target, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let text = sample(document, &parameter["schema"]);
        match parameter["in"].as_str().unwrap() {
            "path" => target = target.replace(&format!("{{{name}}}"), &text),
            _ if parameter["style"] == "deepObject" => query.push(format!("{name}[key]={text}")),
            _ => query.push(format!("{name}={text}")),
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    let content = &operation["requestBody"]["content"];
    if !content["*/*"].is_null() {
        return (target, "image/png".to_owned(), b"\x89PNG".to_vec());
    }
    let json = &content["application/json"];
    if json.is_null() {
        return (target, String::new(), Vec::new());
    }
    let example = match &json["example"] {
        Value::Null => &resolve(document, &json["examples"]["example"])["value"],
        example => example,
    };
    assert!(!example.is_null(), "{path} has no example");
    let body = serde_json::to_vec(example).unwrap();
    (target, "application/json".to_owned(), body)
}

async fn every_operation_is_answered(files: &[&str]) -> usize {
    let schema = schema(files);
    let document = document(&schema, &OpenApiOptions::default());
    let gateway = GatewayLayer::new(schema).layer(Empty);
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut operations: Vec<(&String, &Value)> = Vec::new();
        for (key, value) in item.as_object().unwrap() {
            match key.as_str() {
                "x-additionalOperations" => operations.extend(value.as_object().unwrap()),
                _ => operations.push((key, value)),
            }
        }
        for (method, operation) in operations {
            let (target, content_type, body) = request(&document, path, operation);
            let mut head = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(&target);
            if !content_type.is_empty() {
                head = head.header("content-type", content_type);
            }
            let request = head.body(Body::from(body)).unwrap();
            let response = gateway.clone().call(request).await.unwrap();
            let status = response.status();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(status, 200, "{method} {target}: {body:?}");
            let text = String::from_utf8_lossy(&body);
            assert!(!text.contains("\"error\""), "{method} {target}: {text}");
            count += 1;
        }
    }
    count
}

fn every_example_is_a_message(schema: &std::sync::Arc<Schema>) -> usize {
    let document = document(schema, &OpenApiOptions::default());
    let transcoder = Transcoder::new(std::sync::Arc::clone(schema));
    let examples = document["components"]["examples"].as_object().unwrap();
    for (name, example) in examples {
        let (message, _) = name.rsplit_once('.').unwrap();
        let id = schema.message_by_name(message).expect(message);
        let json = serde_json::to_vec(&example["value"]).unwrap();
        let mut wire = Vec::new();
        transcoder
            .json_to_wire(id, &json, &mut wire, &ReadOptions::default())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    examples.len()
}

#[tokio::test]
async fn a_gateway_takes_what_its_document_describes() {
    let count = every_operation_is_answered(&["library.proto"]).await;
    assert!(count > 35, "{count}");
    let count = every_operation_is_answered(&["shelf.proto"]).await;
    assert!(count > 40, "{count}");
    every_operation_is_answered(&["legacy.proto"]).await;
    every_operation_is_answered(&["somafractalmemory/v1/memory.proto"]).await;
}

#[test]
fn examples_are_messages() {
    for file in ["library.proto", "shelf.proto", "legacy.proto"] {
        assert!(every_example_is_a_message(&schema(&[file])) > 0);
    }
}
