//! From a reply to an HTTP response: the one value of a unary RPC. Streams have
//! a file of their own.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, Version, header};
use http_body::Frame as BodyFrame;
use http_body_util::StreamBody;

use super::http_body::HttpBody;
use super::{RestExchange, stream};
use crate::call::Reply;
use crate::compression::{Encoding, WORTHWHILE};
use crate::messages::ReplyReader;
use crate::protocol::Core;
use crate::protocol::codec::{json_size, unreadable};
use crate::route::Binding;
use crate::{Body, Status, metadata};

/// Trailing metadata among the headers of an HTTP/1.1 response.
pub(super) const TRAILER_PREFIX: &str = "grpc-trailer-";

/// What a message of the service is for a client.
pub(in crate::protocol) struct Payload {
    pub(super) content_type: HeaderValue,
    pub(in crate::protocol) bytes: Bytes,
    /// Whether it is JSON, and not bytes of the service's choice.
    pub(in crate::protocol) is_json: bool,
}

pub(super) async fn response(exchange: RestExchange, reply: Reply) -> Response<Body> {
    let Reply { metadata, messages } = reply;
    let reader = ReplyReader::new(messages, &metadata, exchange.core.options.reply_limit());
    let mut response = if exchange.binding.route.streaming.from_server() {
        stream::response(exchange, reader).await
    } else {
        single(&exchange, reader).await
    };
    metadata::to_headers(&metadata, "", response.headers_mut());
    response
}

/// The one message of a reply.
async fn single(exchange: &RestExchange, reader: ReplyReader) -> Response<Body> {
    let indent = exchange.core.options.write.indent;
    let (result, trailers) = reader
        .only(|message| payload(&exchange.core, &exchange.binding, message, indent))
        .await;
    let (mut response, trailers_in_headers) = match result {
        Ok(payload) => (
            body(exchange, payload, &trailers),
            exchange.version < Version::HTTP_2,
        ),
        Err(status) => (exchange.error(&status), true),
    };
    if trailers_in_headers {
        metadata::to_headers(&trailers, TRAILER_PREFIX, response.headers_mut());
    }
    response
}

fn body(exchange: &RestExchange, payload: Payload, trailers: &HeaderMap) -> Response<Body> {
    let Payload {
        content_type,
        mut bytes,
        is_json,
    } = payload;
    let compress = is_json && exchange.encoding != Encoding::Identity && bytes.len() >= WORTHWHILE;
    if compress {
        bytes = exchange.encoding.compress(&bytes).into_owned().into();
    }
    let mut travelling = HeaderMap::new();
    metadata::to_headers(trailers, "", &mut travelling);
    let mut response = if travelling.is_empty() || exchange.version < Version::HTTP_2 {
        Response::new(Body::from(bytes))
    } else {
        let frames = [BodyFrame::data(bytes), BodyFrame::trailers(travelling)];
        Response::new(Body::new(StreamBody::new(futures_util::stream::iter(
            frames.map(Ok::<_, Infallible>),
        ))))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    if is_json {
        metadata::vary(headers, header::ACCEPT_ENCODING);
    }
    if compress {
        headers.insert(header::CONTENT_ENCODING, exchange.encoding.header_value());
    }
    response
}

/// A message, or the part of it that the rule wants.
pub(in crate::protocol) fn payload(
    core: &Core,
    binding: &Binding,
    message: Bytes,
    indent: Option<u8>,
) -> Result<Payload, Status> {
    if let Some(place) = binding.raw_reply {
        let HttpBody { content_type, data } = HttpBody::read(place, message)?;
        let content_type = HeaderValue::try_from(content_type)
            .ok()
            .filter(|value| !value.is_empty())
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        return Ok(Payload {
            content_type,
            bytes: data,
            is_json: false,
        });
    }
    let mut json = Vec::with_capacity(json_size(message.len()));
    let transcoder = &core.transcoder;
    let output = binding.route.output;
    let options = portolan_transcode::WriteOptions {
        indent,
        ..core.options.write
    };
    match &binding.response_body {
        None => transcoder.wire_to_json(output, &message, &mut json, &options),
        Some(field) => transcoder.field_to_json(output, field, &message, &mut json, &options),
    }
    .map_err(|error| unreadable(&error))?;
    Ok(Payload {
        content_type: HeaderValue::from_static("application/json"),
        bytes: json.into(),
        is_json: true,
    })
}
