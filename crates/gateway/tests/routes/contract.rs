//! A contract of a few lines behind a gateway; the service tells what reached it.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use portolan_gateway::{Body, GatewayLayer, Options};
use portolan_schema::Schema;
use portolan_schema::http::ServiceConfig;
use prost_reflect::{DescriptorPool, DynamicMessage};
use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};
use serde_json::Value;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

/// The files of a contract, by their names.
struct Texts(Vec<(String, String)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.iter().find(|(file, _)| file == name) {
            Some((file, text)) => File::from_source(file, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// A compiled contract.
pub(crate) struct Contract {
    pool: DescriptorPool,
    pub(crate) schema: Arc<Schema>,
}

/// An answer: its status, its body, and what the service saw.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The RPC's path and the message.
    pub(crate) seen: Option<(String, Value)>,
}

impl Contract {
    /// Of files of these texts, named `a.proto`, `b.proto` and so on. Each gets
    /// the lines in front that all have.
    pub(crate) fn of(texts: &[&str]) -> Self {
        let head = "syntax = \"proto3\"; import \"google/api/annotations.proto\"; import \
                    \"google/protobuf/timestamp.proto\"; import \"google/protobuf/duration.proto\"; \
                    import \"google/protobuf/field_mask.proto\"; import \
                    \"google/protobuf/wrappers.proto\";";
        let names: Vec<String> = (b'a'..)
            .map(|name| format!("{}.proto", char::from(name)))
            .take(texts.len())
            .collect();
        let files = names
            .iter()
            .cloned()
            .zip(texts.iter().map(|text| format!("{head}\n{text}")));
        let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
        let mut resolver = ChainFileResolver::new();
        resolver.add(Texts(files.collect()));
        resolver.add(IncludeFileResolver::new(protos));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.include_imports(true).include_source_info(true);
        compiler
            .open_files(names)
            .unwrap_or_else(|error| panic!("{error:?}"));
        let set = compiler.encode_file_descriptor_set();
        Self {
            pool: DescriptorPool::decode(&*set).unwrap(),
            schema: Arc::new(Schema::from_descriptor_sets([&*set]).unwrap()),
        }
    }

    /// The same with the rules of a service configuration, `rules.yaml`.
    pub(crate) fn configured(self, yaml: &str) -> Self {
        let config = ServiceConfig::parse("rules.yaml", yaml).unwrap();
        let schema = Arc::into_inner(self.schema).unwrap();
        Self {
            schema: Arc::new(schema.with_service_config(&config)),
            ..self
        }
    }

    pub(crate) fn layer(&self, options: Options) -> GatewayLayer {
        GatewayLayer::with_options(Arc::clone(&self.schema), options)
    }

    /// Sends `GET /v1/items?x=y` with a JSON body, if any.
    pub(crate) async fn send(&self, options: Options, request: &str, body: &str) -> Answer {
        let seen = Arc::new(Mutex::new(None));
        let log: Arc<Mutex<Option<(String, Bytes)>>> = Arc::clone(&seen);
        let service = service_fn(move |request: Request<Body>| {
            let log = Arc::clone(&log);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                *log.lock().unwrap() = Some((head.uri.path().to_owned(), body.slice(5..)));
                Ok::<_, Infallible>(empty_reply())
            }
        });
        let (method, uri) = request.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Body::from(body.as_bytes().to_vec())).unwrap();
        let response = self
            .layer(options)
            .layer(service)
            .oneshot(request)
            .await
            .unwrap();
        let (head, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        let seen = seen.lock().unwrap().take();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(text.into()).unwrap(),
            seen: seen.map(|(path, message)| {
                let message = self.json(&path, &message);
                (path, message)
            }),
        }
    }

    /// What the service saw of a request that is to reach it.
    pub(crate) async fn seen(&self, request: &str, body: &str) -> Value {
        let answer = self.send(Options::default(), request, body).await;
        assert_eq!(answer.status, 200, "{request}: {}", answer.text);
        answer.seen.unwrap().1
    }

    /// The error text of a request that is to be refused.
    pub(crate) async fn refusal(&self, request: &str, body: &str) -> String {
        let answer = self.send(Options::default(), request, body).await;
        assert_eq!(answer.status, 400, "{request}: {}", answer.text);
        let error: Value = serde_json::from_str(&answer.text).unwrap();
        error["message"].as_str().unwrap().to_owned()
    }

    /// A request message as JSON, by another implementation than ours.
    fn json(&self, path: &str, message: &Bytes) -> Value {
        let (service, method) = path[1..].split_once('/').unwrap();
        let service = self.pool.get_service_by_name(service).unwrap();
        let method = service
            .methods()
            .find(|found| found.name() == method)
            .unwrap();
        let message = DynamicMessage::decode(method.input(), message.clone()).unwrap();
        serde_json::to_value(message).unwrap()
    }
}

fn empty_reply() -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = [
        http_body::Frame::data(Bytes::from_static(b"\0\0\0\0\0")),
        http_body::Frame::trailers(trailers),
    ];
    let frames = futures_util::stream::iter(frames.map(Ok::<_, Infallible>));
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let content_type = "application/grpc".parse().unwrap();
    response.headers_mut().insert("content-type", content_type);
    response
}
