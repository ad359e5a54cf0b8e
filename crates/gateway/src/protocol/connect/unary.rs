//! Unary calls: the message is the body, the status is the HTTP status.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, header};

use super::error::ErrorJson;
use super::{accepted, get};
use crate::call::{Call, Fault, Reply};
use crate::compression::{Encoding, WORTHWHILE};
use crate::messages::{ReplyReader, collect};
use crate::on_demand::{OnDemand, take_headers};
use crate::protocol::codec::Codec;
use crate::protocol::{Core, Eventually, Exchange};
use crate::route::Route;
use crate::{Body, Status, metadata};

pub(super) struct Unary {
    core: Arc<Core>,
    route: Arc<Route>,
    codec: Codec,
    by_get: bool,
    accepts: Encoding,
}

impl Unary {
    pub(super) fn post(
        core: &Arc<Core>,
        route: &Arc<Route>,
        codec: Codec,
        headers: &HeaderMap,
    ) -> Self {
        Self::new(core, route, codec, headers, false)
    }

    pub(super) fn get(
        core: &Arc<Core>,
        route: &Arc<Route>,
        codec: Codec,
        headers: &HeaderMap,
    ) -> Self {
        Self::new(core, route, codec, headers, true)
    }

    fn new(
        core: &Arc<Core>,
        route: &Arc<Route>,
        codec: Codec,
        headers: &HeaderMap,
        by_get: bool,
    ) -> Self {
        Self {
            core: Arc::clone(core),
            route: Arc::clone(route),
            codec,
            by_get,
            accepts: accepted(headers, false),
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            core: Arc::clone(&self.core),
            route: Arc::clone(&self.route),
            codec: self.codec,
            by_get: self.by_get,
        }
    }
}

/// All that it takes to make the message of a request.
struct Reading {
    core: Arc<Core>,
    route: Arc<Route>,
    codec: Codec,
    by_get: bool,
}

impl Reading {
    /// The message, framed.
    async fn frame(self, head: &Parts, body: Body) -> Result<Body, Status> {
        let limit = self.core.options.max_message_size;
        let message = if self.by_get {
            get::message(head.uri.query().unwrap_or_default(), limit)?
        } else {
            let encoding = Encoding::named(&head.headers, &header::CONTENT_ENCODING)?;
            let body = collect(body, limit).await?;
            encoding.decompress(body, limit)?
        };
        let frame = self.codec.decode(&self.core, self.route.input, &message)?;
        Ok(Body::from(frame))
    }
}

impl Exchange for Unary {
    fn call(&mut self, mut head: Parts, body: Body) -> Eventually<'_, Result<Call, Status>> {
        Box::pin(async move {
            let reading = self.reading();
            let fault = Fault::default();
            let (headers, messages) = if self.core.options.read_on_demand {
                let headers = take_headers(&mut head);
                let read = async move { reading.frame(&head, body).await };
                (headers, OnDemand::body(read, fault.clone()))
            } else {
                let frame = reading.frame(&head, body).await?;
                (head.headers, frame)
            };
            Ok(Call {
                uri: self.route.uri.clone(),
                metadata: metadata::from_headers(headers),
                messages,
                fault,
            })
        })
    }

    fn reply(self: Box<Self>, reply: Result<Reply, Status>) -> Eventually<'static, Response<Body>> {
        Box::pin(async move {
            let (result, metadata) = match reply {
                Err(status) => (Err(status), HeaderMap::new()),
                Ok(reply) => {
                    let limit = self.core.options.reply_limit();
                    let reader = ReplyReader::new(reply.messages, &reply.metadata, limit);
                    let encode =
                        |message| self.codec.encode(&self.core, self.route.output, message);
                    let (result, trailers) = reader.only(encode).await;
                    (result, with_trailers(reply.metadata, &trailers))
                }
            };
            let (mut response, content_type) = match (result, self.codec) {
                (Ok(body), Codec::Proto) => (compressed(body, self.accepts), "application/proto"),
                (Ok(body), Codec::Json) => (compressed(body, self.accepts), "application/json"),
                (Err(status), _) => {
                    let body = ErrorJson::of(&self.core, &status).to_bytes();
                    let mut response = compressed(body.into(), self.accepts);
                    // Connect's table of statuses is the one of google.rpc.
                    *response.status_mut() = status.code().http_status();
                    (response, "application/json")
                }
            };
            let headers = response.headers_mut();
            metadata::to_headers(&metadata, "", headers);
            metadata::vary(headers, header::ACCEPT_ENCODING);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            response
        })
    }
}

/// A body, compressed when that is allowed and worth it.
fn compressed(body: Bytes, accepts: Encoding) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if accepts != Encoding::Identity && body.len() >= WORTHWHILE {
        *response.body_mut() = accepts.compress(&body).into_owned().into();
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, accepts.header_value());
    } else {
        *response.body_mut() = body.into();
    }
    response
}

/// Trailing metadata goes among the headers with a prefix (Connect,
/// "Unary-Response").
fn with_trailers(mut headers: HeaderMap, trailers: &HeaderMap) -> HeaderMap {
    metadata::to_headers(trailers, "trailer-", &mut headers);
    headers
}
