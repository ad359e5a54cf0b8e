//! gRPC (grpc.io, "gRPC over HTTP2"): the messages pass untouched.

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, Version, header,
};
use http_body::Frame as BodyFrame;

use super::codec::Codec;
use super::{
    Accept, Accepted, Core, Eventually, Exchange, Protocol, bare, method_not_allowed,
    unsupported_media_type,
};
use crate::call::{Call, Fault, PassThrough, Reply};
use crate::compression::{Encoding, SPOKEN, accept};
use crate::messages::{Event, ReplyReader};
use crate::route::Route;
use crate::{Body, Code, Deadline, Status, metadata};

pub(crate) struct Grpc;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const ACCEPTS: &str = "application/grpc, application/grpc+proto, application/grpc+json";

impl Protocol for Grpc {
    fn accept(&self, head: &Parts, media_type: &str, core: &Arc<Core>) -> Option<Accepted> {
        let rest = media_type.strip_prefix("application/grpc")?;
        let codec = match rest.strip_prefix('+') {
            None if rest.is_empty() => Codec::Proto,
            // `application/grpc-web` is another protocol's.
            None => return None,
            Some(name) => match Codec::named(name) {
                Some(codec) => codec,
                None => return Some(Accepted::Answer(unsupported_media_type(ACCEPTS))),
            },
        };
        if head.method != Method::POST {
            return Some(Accepted::Answer(method_not_allowed(&[Method::POST])));
        }
        // The status is in trailers, which HTTP/1 clients do not get.
        if head.version < Version::HTTP_2 {
            let refusal = bare(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
            return Some(Accepted::Answer(refusal));
        }
        let path = head.uri.path();
        let route = core.routes.by_path(path).cloned();
        Some(Accepted::Call(Accept {
            path: route
                .as_ref()
                .map_or_else(|| path.into(), |route| Arc::clone(&route.path)),
            route: route.clone(),
            protocol: "grpc",
            deadline: Deadline::from_grpc(&head.headers),
            exchange: Box::new(GrpcExchange {
                core: Arc::clone(core),
                route,
                codec,
                content_type: head.headers.get(header::CONTENT_TYPE).cloned(),
                likes: liked_encoding(head, codec),
            }),
        }))
    }
}

struct GrpcExchange {
    core: Arc<Core>,
    /// `None` for an RPC that the contracts do not have; the service may.
    route: Option<Arc<Route>>,
    codec: Codec,
    content_type: Option<HeaderValue>,
    likes: Encoding,
}

impl Exchange for GrpcExchange {
    fn call(&mut self, head: Parts, body: Body) -> Eventually<'_, Result<Call, Status>> {
        let metadata = metadata::from_grpc_headers(head.headers);
        let call = framed_call(
            &self.core,
            &head.uri,
            self.route.as_ref(),
            self.codec,
            metadata,
            body,
        );
        Box::pin(std::future::ready(call))
    }

    fn reply(self: Box<Self>, reply: Result<Reply, Status>) -> Eventually<'static, Response<Body>> {
        Box::pin(async move {
            let (mut headers, body) = match reply {
                Err(status) => (trailers_only(&status, HeaderMap::new()), Body::empty()),
                Ok(mut reply) => match (reply.take_trailers_only(), &self.route) {
                    (Some((status, trailers)), _) => {
                        (trailers_only(&status, trailers), Body::empty())
                    }
                    (None, Some(route)) if self.codec == Codec::Json => {
                        let metadata = reply.metadata.clone();
                        let core = Arc::clone(&self.core);
                        let body = transcode_reply(core, route.output, reply, self.likes);
                        (metadata, body)
                    }
                    (None, _) => (reply.metadata, Body::new(reply.messages)),
                },
            };
            if self.codec == Codec::Json {
                speak_own_encoding(&mut headers, self.likes);
            } else {
                add_own_encodings(&mut headers);
            }
            let fallback = HeaderValue::from_static("application/grpc");
            headers.insert(header::CONTENT_TYPE, self.content_type.unwrap_or(fallback));
            let mut response = Response::new(body);
            *response.headers_mut() = headers;
            response
        })
    }
}

/// The headers of an answer that is over (gRPC over HTTP/2, "Trailers-Only").
fn trailers_only(status: &Status, mut trailers: HeaderMap) -> HeaderMap {
    status.write_to(&mut trailers);
    trailers
}

/// The call of a request whose body is gRPC's frames: with protobuf in them
/// they pass as they are, with JSON they are read.
pub(super) fn framed_call(
    core: &Arc<Core>,
    uri: &Uri,
    route: Option<&Arc<Route>>,
    codec: Codec,
    mut metadata: HeaderMap,
    body: Body,
) -> Result<Call, Status> {
    let fault = Fault::default();
    let messages = match route {
        Some(route) if codec == Codec::Json || !passes(&metadata) => {
            let encoding = Encoding::named(&metadata, &ENCODING);
            metadata.remove(ENCODING);
            if codec == Codec::Json {
                metadata.remove(ACCEPT_ENCODING);
            }
            codec.transcode_request(Arc::clone(core), route, body, encoding?, fault.clone())
        }
        None if codec == Codec::Json => {
            return Err(Status::new(
                Code::Unimplemented,
                format!("there is no method {}", uri.path()),
            ));
        }
        _ => {
            let mut frames = PassThrough::new(body, core.options.max_message_size, fault.clone());
            if Encoding::named(&metadata, &ENCODING) == Ok(Encoding::Identity) {
                frames = frames.uncompressed();
            }
            if route.is_some_and(|route| !route.streaming.from_client()) {
                frames = frames.single();
            }
            frames.into_body()
        }
    };
    Ok(Call {
        uri: match route {
            Some(route) => route.uri.clone(),
            // Without the query, which is nothing to gRPC.
            None => Uri::try_from(uri.path()).unwrap_or_default(),
        },
        metadata,
        messages,
        fault,
    })
}

/// Whether protobuf messages of this encoding go to the service as they are.
/// Gzip does, which is everywhere, and so does what only the service may know.
/// All others the gateway decompresses, since few services do.
fn passes(metadata: &HeaderMap) -> bool {
    !matches!(
        Encoding::named(metadata, &ENCODING),
        Ok(Encoding::Deflate | Encoding::Brotli | Encoding::Zstd | Encoding::Snappy)
    )
}

/// Makes the headers those of a reply whose messages the gateway writes itself,
/// with the encodings that it reads (gRPC, "Compression").
pub(super) fn speak_own_encoding(headers: &mut HeaderMap, encoding: Encoding) {
    headers.remove(ENCODING);
    if encoding != Encoding::Identity {
        headers.insert(ENCODING, encoding.header_value());
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(SPOKEN));
}

/// Adds the encodings that the gateway reads to those of a service, where that
/// names its own.
pub(super) fn add_own_encodings(headers: &mut HeaderMap) {
    let Some(listed) = headers.get(ACCEPT_ENCODING) else {
        return;
    };
    let listed = String::from_utf8_lossy(listed.as_bytes()).into_owned();
    let others = listed
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && Encoding::from_name(name.as_bytes()).is_none());
    let all: Vec<&str> = std::iter::once(SPOKEN).chain(others).collect();
    if let Ok(value) = HeaderValue::try_from(all.join(", ")) {
        headers.insert(ACCEPT_ENCODING, value);
    }
}

/// The encoding that a client would like its messages to have, where the
/// gateway writes them.
pub(super) fn liked_encoding(head: &Parts, codec: Codec) -> Encoding {
    match codec {
        Codec::Proto => Encoding::Identity,
        Codec::Json => accept::listed(&head.headers, &ACCEPT_ENCODING),
    }
}

/// The frames of a reply with JSON in them, then the trailers.
pub(super) fn transcode_reply(
    core: Arc<Core>,
    output: portolan_schema::MessageId,
    reply: Reply,
    encoding: Encoding,
) -> Body {
    let limit = core.options.reply_limit();
    let reader = ReplyReader::new(reply.messages, &reply.metadata, limit);
    let frames =
        futures_util::stream::unfold((reader, core), move |(mut reader, core)| async move {
            let encode = |message| Codec::Json.encode_frame(&core, output, message, encoding);
            let frame = match reader.next(encode).await? {
                Event::Message(frame) => BodyFrame::data(frame),
                Event::End(status, mut trailers) => {
                    status.write_to(&mut trailers);
                    BodyFrame::trailers(trailers)
                }
            };
            Some((Ok::<_, Infallible>(frame), (reader, core)))
        });
    Body::new(http_body_util::StreamBody::new(frames))
}
