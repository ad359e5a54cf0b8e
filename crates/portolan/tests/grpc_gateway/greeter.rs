//! Services to put behind a gateway, written by hand: any tower service that
//! speaks gRPC and has a name will do.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use portolan::grpc_gateway::{GrpcGateway, GrpcGatewayBuilder};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use tonic::client::GrpcService;
use tonic::server::{Grpc, NamedService};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

const GREETER: &str = r#"
syntax = "proto3";
package greeter.v1;
service Greeter {
  rpc SayHello(HelloRequest) returns (HelloReply);
  rpc LookAt(HelloRequest) returns (HelloReply) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Repeat(HelloRequest) returns (stream HelloReply);
}
service UserService { rpc SayHello(HelloRequest) returns (HelloReply); }
service User { rpc SayHello(HelloRequest) returns (HelloReply); }
message HelloRequest { string name = 1; }
message HelloReply { string message = 1; }
"#;

const OTHER: &str = r#"
syntax = "proto3";
package other.v1;
import "greeter.proto";
service Greeter { rpc SayHello(greeter.v1.HelloRequest) returns (greeter.v1.HelloReply); }
"#;

struct Texts;

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "greeter.proto" => File::from_source(name, GREETER),
            "other.proto" => File::from_source(name, OTHER),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler
        .open_files(["greeter.proto", "other.proto"])
        .unwrap();
    compiler.encode_file_descriptor_set()
});

pub(crate) fn descriptors() -> &'static [u8] {
    &DESCRIPTORS
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HelloRequest {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HelloReply {
    #[prost(string, tag = "1")]
    pub(crate) message: String,
}

/// The full name of a service, as a type.
pub(crate) trait Name: Clone + Send + Sync + 'static {
    const NAME: &'static str;
}

macro_rules! names {
    ($($name:ident = $full:literal),*) => {$(
        #[derive(Clone)]
        pub(crate) struct $name;
        impl Name for $name {
            const NAME: &'static str = $full;
        }
    )*};
}
names!(
    Greeter = "greeter.v1.Greeter",
    UserService = "greeter.v1.UserService",
    User = "greeter.v1.User",
    OtherGreeter = "other.v1.Greeter",
    Unknown = "nobody.v1.Knows"
);

/// Answers with its word, the name, and how many calls it has had.
#[derive(Clone)]
pub(crate) struct Friendly<N> {
    word: &'static str,
    calls: Arc<AtomicUsize>,
    name: PhantomData<N>,
}

impl<N: Name> Friendly<N> {
    pub(crate) fn new(word: &'static str) -> Self {
        Self {
            word,
            calls: Arc::default(),
            name: PhantomData,
        }
    }

    /// How many calls it has had.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn greet(&self, request: Request<HelloRequest>) -> Result<HelloReply, Status> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let name = request.into_inner().name;
        match &*name {
            "error" => Err(Status::invalid_argument("Invalid request")),
            "nobody" => Err(Status::not_found("User not found")),
            "panic" => panic!("a panic on purpose"),
            _ => Ok(HelloReply {
                message: format!("{}, {name}! ({call})", self.word),
            }),
        }
    }
}

impl<N: Name> NamedService for Friendly<N> {
    const NAME: &'static str = N::NAME;
}

impl<N: Name> Service<http::Request<tonic::body::Body>> for Friendly<N> {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let greeter = self.clone();
        let mut grpc = Grpc::new(ProstCodec::<HelloReply, HelloRequest>::default());
        let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
        Box::pin(async move {
            Ok(match &*method {
                "SayHello" | "LookAt" => {
                    let greet = tower::service_fn(move |request: Request<HelloRequest>| {
                        let hangs = request.get_ref().name == "hang";
                        let result = greeter.greet(request).map(Response::new);
                        async move {
                            if hangs {
                                std::future::pending::<()>().await;
                            }
                            result
                        }
                    });
                    grpc.unary(greet, request).await
                }
                "Repeat" => {
                    let greet = tower::service_fn(move |request: Request<HelloRequest>| {
                        let again = Request::new(request.get_ref().clone());
                        let replies = [greeter.greet(request), greeter.greet(again)];
                        std::future::ready(Ok(Response::new(tokio_stream::iter(replies))))
                    });
                    grpc.server_streaming(greet, request).await
                }
                other => Status::new(Code::Unimplemented, other).into_http(),
            })
        })
    }
}

/// A gateway for a greeter, to be chosen further.
pub(crate) fn greeter() -> GrpcGatewayBuilder {
    GrpcGateway::new("/grpc")
        .service(Friendly::<Greeter>::new("Hello"))
        .descriptors(descriptors())
        .port(0)
}

/// Says hello over gRPC.
pub(crate) async fn say_hello<C>(channel: C, service: &str, name: &str) -> Result<String, Status>
where
    C: GrpcService<tonic::body::Body>,
    C::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut client = tonic::client::Grpc::new(channel);
    let ready = client.ready().await;
    ready.map_err(|error| Status::from_error(error.into()))?;
    let codec = ProstCodec::<HelloRequest, HelloReply>::default();
    let request = Request::new(HelloRequest { name: name.into() });
    let path = format!("/{service}/SayHello").parse().unwrap();
    let reply = client.unary(request, path, codec).await?;
    Ok(reply.into_inner().message)
}
