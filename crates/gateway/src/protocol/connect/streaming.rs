//! Streams: messages in frames, and a last frame with status and trailers as
//! JSON (Connect, "Streaming-Response").

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame as BodyFrame;
use serde::Serialize;

use super::accepted;
use super::error::ErrorJson;
use crate::call::{Call, Fault, Reply};
use crate::compression::Encoding;
use crate::messages::{Event, ReplyReader};
use crate::protocol::codec::Codec;
use crate::protocol::{Core, Eventually, Exchange};
use crate::route::Route;
use crate::{Body, Code, Status, frame, metadata};

/// The flag of the last frame.
const END: u8 = 0b10;
const CONTENT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

pub(super) struct Stream {
    core: Arc<Core>,
    route: Arc<Route>,
    codec: Codec,
    accepts: Encoding,
}

impl Stream {
    pub(super) fn new(
        core: &Arc<Core>,
        route: &Arc<Route>,
        codec: Codec,
        headers: &HeaderMap,
    ) -> Self {
        Self {
            core: Arc::clone(core),
            route: Arc::clone(route),
            codec,
            accepts: accepted(headers, true),
        }
    }
}

impl Exchange for Stream {
    fn call(&mut self, head: Parts, body: Body) -> Eventually<'_, Result<Call, Status>> {
        Box::pin(async move {
            let encoding = Encoding::named(&head.headers, &CONTENT_ENCODING)?;
            let fault = Fault::default();
            let core = Arc::clone(&self.core);
            Ok(Call {
                uri: self.route.uri.clone(),
                metadata: metadata::from_headers(head.headers),
                messages: self.codec.transcode_request(
                    core,
                    &self.route,
                    body,
                    encoding,
                    fault.clone(),
                ),
                fault,
            })
        })
    }

    fn reply(self: Box<Self>, reply: Result<Reply, Status>) -> Eventually<'static, Response<Body>> {
        Box::pin(async move {
            let content_type = match self.codec {
                Codec::Proto => "application/connect+proto",
                Codec::Json => "application/connect+json",
            };
            let accepts = self.accepts;
            let mut response = match reply {
                Err(status) => {
                    Response::new(Body::from(end(&self.core, &status, &HeaderMap::new())))
                }
                Ok(reply) => {
                    let metadata = reply.metadata.clone();
                    let mut response = Response::new(self.frames(reply));
                    metadata::to_headers(&metadata, "", response.headers_mut());
                    response
                }
            };
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            if accepts != Encoding::Identity {
                headers.insert(CONTENT_ENCODING, accepts.header_value());
            }
            response
        })
    }
}

impl Stream {
    fn frames(self, reply: Reply) -> Body {
        let limit = self.core.options.reply_limit();
        let reader = ReplyReader::new(reply.messages, &reply.metadata, limit);
        let frames =
            futures_util::stream::unfold((self, reader), |(this, mut reader)| async move {
                let encode = |message| {
                    let output = this.route.output;
                    this.codec
                        .encode_frame(&this.core, output, message, this.accepts)
                };
                let frame = match reader.next(encode).await? {
                    Event::Message(frame) => frame,
                    Event::End(status, trailers) => end(&this.core, &status, &trailers),
                };
                Some((Ok::<_, Infallible>(BodyFrame::data(frame)), (this, reader)))
            });
        Body::new(http_body_util::StreamBody::new(frames))
    }
}

#[derive(Serialize)]
struct EndJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, Vec<String>>,
}

/// The last frame.
fn end(core: &Core, status: &Status, trailers: &HeaderMap) -> Bytes {
    let mut travelling = HeaderMap::new();
    metadata::to_headers(trailers, "", &mut travelling);
    let mut metadata: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in &travelling {
        metadata
            .entry(name.as_str())
            .or_default()
            .push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    let error = (status.code() != Code::Ok).then(|| ErrorJson::of(core, status));
    // Strings and lists of strings always serialise.
    let json = serde_json::to_vec(&EndJson { error, metadata }).unwrap_or_default();
    frame::wrap(END, &json)
}
