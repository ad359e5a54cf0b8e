//! Unary calls: the message is the body, the status is the HTTP status.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, header};

use super::error::{ErrorJson, http_status};
use super::{accepted, get};
use crate::call::{Call, Fault, Reply};
use crate::compression::{Encoding, WORTHWHILE, gunzip, gzip};
use crate::messages::{Event, ReplyReader, collect};
use crate::protocol::codec::Codec;
use crate::protocol::{Core, Eventually, Exchange};
use crate::route::Route;
use crate::{Body, Code, Status, metadata};

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

    async fn message(&self, head: &Parts, body: Body) -> Result<Vec<u8>, Status> {
        let limit = self.core.options.max_message_size;
        if self.by_get {
            return get::message(head.uri.query().unwrap_or_default(), limit);
        }
        let encoding = Encoding::named(&head.headers, &header::CONTENT_ENCODING)?;
        let body = collect(body, limit).await?;
        match encoding {
            Encoding::Identity => Ok(body.into()),
            Encoding::Gzip => gunzip(&body, limit),
        }
    }

    /// The one message of a reply and its trailers.
    async fn read(&self, reply: Reply) -> Result<Success, (Status, HeaderMap)> {
        let metadata = reply.metadata.clone();
        let outcome = reply.outcome.clone();
        let mut reader = ReplyReader::new(
            reply.messages,
            &metadata,
            self.core.options.max_message_size,
        );
        let mut message = None;
        loop {
            match reader.next().await {
                Some(Event::Message(next)) if message.is_none() => message = Some(next),
                Some(Event::Message(_)) => {
                    let status = Status::new(
                        Code::Unimplemented,
                        "the service answered with more than one message",
                    );
                    return Err((status, metadata));
                }
                Some(Event::End(status, trailers)) if status.code() == Code::Ok => {
                    let Some(message) = message else {
                        let status = Status::new(
                            Code::Unimplemented,
                            "the service answered without a message",
                        );
                        return Err((status, with_trailers(metadata, &trailers)));
                    };
                    return match self.codec.encode(&self.core, self.route.output, message) {
                        Ok(body) => Ok(Success {
                            metadata: with_trailers(metadata, &trailers),
                            body: body.into(),
                        }),
                        Err(status) => {
                            outcome.end(status.code());
                            Err((status, metadata))
                        }
                    };
                }
                Some(Event::End(status, trailers)) => {
                    return Err((status, with_trailers(metadata, &trailers)));
                }
                None => {
                    return Err((
                        Status::new(Code::Internal, "the service ended without a status"),
                        metadata,
                    ));
                }
            }
        }
    }
}

struct Success {
    metadata: HeaderMap,
    body: Vec<u8>,
}

impl Exchange for Unary {
    fn call(&mut self, head: Parts, body: Body) -> Eventually<'_, Result<Call, Status>> {
        Box::pin(async move {
            let message = self.message(&head, body).await?;
            let frame = self.codec.decode(&self.core, self.route.input, &message)?;
            Ok(Call {
                path: Arc::clone(&self.route.path),
                metadata: metadata::from_headers(&head.headers),
                messages: Body::from(frame),
                fault: Fault::default(),
            })
        })
    }

    fn reply(self: Box<Self>, reply: Result<Reply, Status>) -> Eventually<'static, Response<Body>> {
        Box::pin(async move {
            let result = match reply {
                Ok(reply) => self.read(reply).await,
                Err(status) => Err((status, HeaderMap::new())),
            };
            let (mut response, metadata, content_type) = match result {
                Ok(success) => {
                    let content_type = match self.codec {
                        Codec::Proto => "application/proto",
                        Codec::Json => "application/json",
                    };
                    (
                        compressed(success.body, self.accepts),
                        success.metadata,
                        content_type,
                    )
                }
                Err((status, metadata)) => {
                    let body = ErrorJson::of(&self.core, &status).to_bytes();
                    let mut response = compressed(body, self.accepts);
                    *response.status_mut() = http_status(status.code());
                    (response, metadata, "application/json")
                }
            };
            let headers = response.headers_mut();
            metadata::to_headers(&metadata, "", headers);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            response
        })
    }
}

/// A body, compressed when that is allowed and worth it.
fn compressed(body: Vec<u8>, accepts: Encoding) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if accepts == Encoding::Gzip && body.len() >= WORTHWHILE {
        *response.body_mut() = gzip(&body).into();
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
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
