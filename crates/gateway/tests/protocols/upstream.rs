//! The service behind the gateway: gRPC by hand, so that it can also misbehave.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use portolan_gateway::{Body, BoxError, Gateway, GatewayLayer, Options};
use tower_layer::Layer;
use tower_service::Service;

use crate::contract::{HttpBody, Item, Upload, schema};

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

/// A tower service out of a function.
#[derive(Clone)]
pub(crate) struct Upstream(Arc<dyn Fn(Request<Body>) -> Answer + Send + Sync>);

impl Service<Request<Body>> for Upstream {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        (self.0)(request)
    }
}

/// A gateway before a function.
pub(crate) fn before<F, T>(options: Options, answer: F) -> Gateway<Upstream>
where
    F: Fn(Request<Body>) -> T + Send + Sync + 'static,
    T: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
{
    let upstream = Upstream(Arc::new(move |request| Box::pin(answer(request))));
    GatewayLayer::with_options(schema(), options).layer(upstream)
}

/// A gateway whose service always answers the same.
pub(crate) fn answering(
    answer: impl Fn() -> Response<Body> + Send + Sync + 'static,
) -> Gateway<Upstream> {
    before(Options::default(), move |request| {
        let answer = answer();
        async move {
            // As a real one, it reads what it is sent.
            let _ = request.into_body().collect().await;
            Ok(answer)
        }
    })
}

/// A gRPC frame.
pub(crate) fn frame(flags: u8, message: &[u8]) -> Bytes {
    let mut frame = vec![flags];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(message);
    frame.into()
}

pub(crate) fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            )
        })
        .collect()
}

/// A response of frames and trailers.
pub(crate) fn reply(
    frames: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
    trailers: HeaderMap,
) -> Response<Body> {
    let end = futures_util::stream::once(async move { Ok(Frame::trailers(trailers)) });
    let frames = frames.map(|frame| frame.map(Frame::data)).chain(end);
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// A response of these messages and these trailers.
pub(crate) fn said(messages: &[Item], trailers: &[(&str, &str)]) -> Response<Body> {
    let frames: Vec<_> = messages
        .iter()
        .map(|item| Ok(frame(0, &item.wire())))
        .collect();
    reply(futures_util::stream::iter(frames), headers(trailers))
}

/// A response of headers alone.
pub(crate) fn trailers_only(trailers: &[(&str, &str)]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = headers(trailers);
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// The messages of a request, one by one.
pub(crate) struct Messages {
    body: Body,
    buffer: BytesMut,
}

impl Messages {
    pub(crate) fn of(body: Body) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            if self.buffer.len() >= 5 {
                let length = u32::from_be_bytes(self.buffer[1..5].try_into().unwrap()) as usize;
                if self.buffer.len() >= 5 + length {
                    let flags = self.buffer[0];
                    self.buffer.advance(5);
                    let message = self.buffer.split_to(length).freeze();
                    return Some(if flags == 1 {
                        gunzip(&message)
                    } else {
                        Ok(message)
                    });
                }
            }
            match std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await
            {
                Some(Ok(frame)) => self
                    .buffer
                    .extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Some(Err(error)),
                None if self.buffer.is_empty() => return None,
                None => return Some(Err("a torn message".into())),
            }
        }
    }
}

fn gunzip(message: &[u8]) -> Result<Bytes, BoxError> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(message), &mut plain)?;
    Ok(plain.into())
}

/// Everything that reached the service.
pub(crate) type Seen = Arc<Mutex<VecDeque<(String, HeaderMap)>>>;

/// The gateway before the shelf of the contract.
pub(crate) fn shelf() -> Gateway<Upstream> {
    shelf_with(Options::default()).0
}

/// The same, with choices, and what reaches it.
pub(crate) fn shelf_with(options: Options) -> (Gateway<Upstream>, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let gateway = before(options, move |request| {
        let (head, body) = request.into_parts();
        log.lock()
            .unwrap()
            .push_back((head.uri.path().to_owned(), head.headers.clone()));
        async move {
            Ok(serve(head.uri.path(), &head.headers, body)
                .await
                .unwrap_or_else(|status| *status))
        }
    });
    (gateway, seen)
}

/// Every request with `x-in` gets it back as `x-out`, and every reply has
/// metadata and trailers.
async fn serve(
    path: &str,
    metadata: &HeaderMap,
    body: Body,
) -> Result<Response<Body>, Box<Response<Body>>> {
    let mut messages = Messages::of(body);
    let tail = headers(&[("grpc-status", "0"), ("x-tail", "end"), ("tail-bin", "AwQ")]);
    let method = path.rsplit('/').next().unwrap_or_default();
    let mut response = match method {
        "Echo" | "Act" | "Change" => {
            let message = one(&mut messages).await?;
            reply(futures_util::stream::iter([Ok(frame(0, &message))]), tail)
        }
        "List" => {
            let item = Item::of_wire(&one(&mut messages).await?);
            let items =
                (0..item.count).map(move |n| Ok(frame(0, &Item::counted(&item.name, n).wire())));
            reply(futures_util::stream::iter(items), tail)
        }
        "Collect" => {
            let mut sum = Item::default();
            while let Some(message) = messages.next().await {
                let item = Item::of_wire(&message.map_err(|error| broken(&error))?);
                sum.count += item.count;
                sum.tags.push(item.name);
            }
            reply(
                futures_util::stream::iter([Ok(frame(0, &sum.wire()))]),
                tail,
            )
        }
        "Chat" => chat(messages, tail),
        "Download" | "DownloadAll" => {
            let item = Item::of_wire(&one(&mut messages).await?);
            let copies = if method == "Download" { 1 } else { item.count };
            let chunks = (0..copies).map(move |n| {
                let body = HttpBody {
                    content_type: "image/png".into(),
                    data: format!("{}{n}", item.name).into(),
                };
                Ok(frame(0, &prost::Message::encode_to_vec(&body)))
            });
            reply(futures_util::stream::iter(chunks), tail)
        }
        "Put" => {
            let body: HttpBody = prost::Message::decode(one(&mut messages).await?).unwrap();
            let item = Item {
                name: body.content_type,
                raw: body.data,
                ..Item::default()
            };
            reply(
                futures_util::stream::iter([Ok(frame(0, &item.wire()))]),
                tail,
            )
        }
        "PutTo" | "PutAll" => {
            let mut size = 0;
            let mut item = Item::default();
            while let Some(message) = messages.next().await {
                let upload: Upload =
                    prost::Message::decode(message.map_err(|error| broken(&error))?).unwrap();
                let file = upload.file.unwrap_or_default();
                item.tags = vec![upload.name, file.content_type];
                size += file.data.len();
                item.weight += file.data.iter().map(|byte| f64::from(*byte)).sum::<f64>();
                item.count += 1;
            }
            item.labels.insert("size".into(), size.to_string());
            reply(
                futures_util::stream::iter([Ok(frame(0, &item.wire()))]),
                tail,
            )
        }
        _ => trailers_only(&[("grpc-status", "12"), ("grpc-message", "no such method")]),
    };
    if let Some(value) = metadata.get("x-in") {
        response.headers_mut().insert("x-out", value.clone());
    }
    if let Some(value) = metadata.get("in-bin") {
        response.headers_mut().insert("out-bin", value.clone());
    }
    Ok(response)
}

/// The one message of a request.
async fn one(messages: &mut Messages) -> Result<Bytes, Box<Response<Body>>> {
    match messages.next().await {
        Some(Ok(message)) => {
            // As any server, it sees that there is no second one.
            match messages.next().await {
                None => Ok(message),
                Some(Ok(_)) => Err(Box::new(trailers_only(&[("grpc-status", "12")]))),
                Some(Err(error)) => Err(broken(&error)),
            }
        }
        Some(Err(error)) => Err(broken(&error)),
        None => Err(Box::new(trailers_only(&[
            ("grpc-status", "12"),
            ("grpc-message", "no message"),
        ]))),
    }
}

/// What a service makes of a request that fails while it is read.
fn broken(error: &BoxError) -> Box<Response<Body>> {
    Box::new(trailers_only(&[
        ("grpc-status", "2"),
        ("grpc-message", &error.to_string().replace('\n', " ")),
    ]))
}

fn chat(messages: Messages, tail: HeaderMap) -> Response<Body> {
    let frames = futures_util::stream::unfold(
        (messages, Some(tail)),
        |(mut messages, mut tail)| async move {
            let next = match messages.next().await {
                Some(Ok(message)) => Frame::data(frame(0, &message)),
                Some(Err(_)) => {
                    tail.take()?;
                    Frame::trailers(headers(&[("grpc-status", "2"), ("grpc-message", "torn")]))
                }
                None => Frame::trailers(tail.take()?),
            };
            Some((Ok::<_, Infallible>(next), (messages, tail)))
        },
    );
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}
