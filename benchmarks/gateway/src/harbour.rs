//! What gateways stand in front of: a tonic service whose answers are encoded
//! before the first call, so that it takes as little of a core as it can.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Result;
use bytes::{Buf, BufMut, Bytes};
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response};
use portolan_rpc::BoxError;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::Grpc;
use tower::service_fn;
use tower_service::Service;

use crate::contract::{self, Route, WATCH};

/// The service.
#[derive(Clone)]
pub(crate) struct Harbour {
    /// By the path of the RPC.
    answers: Arc<HashMap<String, Answer>>,
}

#[derive(Clone)]
enum Answer {
    Once(Bytes),
    /// Once, and the call stays open.
    ThenNothing(Bytes),
}

impl Harbour {
    /// The service with the answers of all routes.
    pub(crate) fn new() -> Result<Self> {
        let mut answers = HashMap::new();
        for route in Route::all()? {
            let reply = Bytes::from(route.reply.wire.clone());
            if route.method == "SayHello" {
                answers.insert(contract::rpc(WATCH), Answer::ThenNothing(reply.clone()));
            }
            answers.insert(route.rpc(), Answer::Once(reply));
        }
        Ok(Self {
            answers: Arc::new(answers),
        })
    }
}

impl<B> Service<Request<B>> for Harbour
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.answers.get(request.uri().path()).cloned();
        Box::pin(async move {
            let mut grpc = Grpc::new(Verbatim);
            let response = match answer {
                Some(Answer::Once(reply)) => {
                    let answer = service_fn(move |_: tonic::Request<Bytes>| {
                        ready(Ok::<_, Status>(tonic::Response::new(reply.clone())))
                    });
                    grpc.unary(answer, request).await
                }
                Some(Answer::ThenNothing(reply)) => {
                    let answer = service_fn(move |_: tonic::Request<Bytes>| {
                        let once = stream::iter([Ok::<_, Status>(reply.clone())]);
                        ready(Ok(tonic::Response::new(once.chain(stream::pending()))))
                    });
                    grpc.server_streaming(answer, request).await
                }
                None => Status::unimplemented("no such method").into_http(),
            };
            Ok(response)
        })
    }
}

/// Messages as they are on the wire.
#[derive(Clone, Copy)]
struct Verbatim;

impl Codec for Verbatim {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
