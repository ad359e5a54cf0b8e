//! The service behind the gateway: it notes the call and answers with nothing.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use portolan_gateway::{Body, GatewayLayer};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

/// What reached the service: the RPC's path and its messages.
pub(crate) type Call = (String, Vec<Bytes>);

/// What came of a request.
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) call: Option<Call>,
}

/// Sends a request through the gateway.
pub(crate) async fn send(layer: &GatewayLayer, request: Request<Body>) -> Result<Outcome> {
    let seen = Arc::new(Mutex::new(None));
    let log = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Body>| -> BoxFuture<'static, _> {
        let log = Arc::clone(&log);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // A body that breaks off is no call; its error is in the answer.
            if let Ok(body) = body.collect().await
                && let Ok(messages) = messages(body.to_bytes())
                && let Ok(mut log) = log.lock()
            {
                *log = Some((head.uri.path().to_owned(), messages));
            }
            Ok::<_, Infallible>(reply())
        })
    });
    let Ok(response) = layer.layer(service).oneshot(request).await;
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(anyhow::Error::from_boxed)?;
    let call = seen.lock().ok().and_then(|mut seen| seen.take());
    Ok(Outcome {
        status,
        body: body.to_bytes(),
        call,
    })
}

/// The messages in the frames of a body.
fn messages(mut body: Bytes) -> Result<Vec<Bytes>> {
    let mut messages = Vec::new();
    while body.has_remaining() {
        ensure!(body.len() >= 5 && body[0] == 0, "not a frame");
        body.advance(1);
        let length = usize::try_from(body.get_u32())?;
        ensure!(body.len() >= length, "a torn frame");
        messages.push(body.split_to(length));
    }
    Ok(messages)
}

fn reply() -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [
        Frame::data(Bytes::from_static(b"\0\0\0\0\0")),
        Frame::trailers(trailers),
    ];
    let frames = futures_util::stream::iter(frames.map(Ok::<_, Infallible>));
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let content_type = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", content_type);
    response
}
