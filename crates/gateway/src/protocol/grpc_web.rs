//! gRPC-Web (grpc, "PROTOCOL-WEB"): gRPC's frames over any HTTP, the trailers
//! as a last frame, and all of it in base64 for clients that read text only.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_body::Frame as BodyFrame;

use super::codec::Codec;
use super::grpc::{
    add_own_encodings, framed_call, liked_encoding, speak_own_encoding, transcode_reply,
};
use super::{
    Accept, Accepted, Core, Eventually, Exchange, Protocol, method_not_allowed,
    unsupported_media_type,
};
use crate::BoxError;
use crate::call::{Call, Reply};
use crate::compression::Encoding;
use crate::route::Route;
use crate::{Body, Code, Deadline, Status, frame, metadata};

pub(crate) struct GrpcWeb;

const ACCEPTS: &str = "application/grpc-web, application/grpc-web+proto, application/grpc-web+json, \
                       application/grpc-web-text, application/grpc-web-text+proto";
/// The flag of the frame with the trailers.
const TRAILERS: u8 = 0b1000_0000;

impl Protocol for GrpcWeb {
    fn accept(&self, head: &Parts, media_type: &str, core: &Arc<Core>) -> Option<Accepted> {
        let rest = media_type.strip_prefix("application/grpc-web")?;
        let (text, rest) = rest
            .strip_prefix("-text")
            .map_or((false, rest), |rest| (true, rest));
        let codec = if rest.is_empty() {
            Some(Codec::Proto)
        } else {
            rest.strip_prefix('+').and_then(Codec::named)
        };
        let Some(codec) = codec else {
            return Some(Accepted::Answer(unsupported_media_type(ACCEPTS)));
        };
        if head.method != Method::POST {
            return Some(Accepted::Answer(method_not_allowed(&[Method::POST])));
        }
        let path = head.uri.path();
        let route = core.routes.by_path(path).cloned();
        // The answer is text when the question is, or when it is asked for.
        let accept = head
            .headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let text_reply = accept.contains("application/grpc-web-text")
            || (text && !accept.contains("application/grpc-web"));
        Some(Accepted::Call(Accept {
            path: route
                .as_ref()
                .map_or_else(|| path.into(), |route| Arc::clone(&route.path)),
            route: route.clone(),
            protocol: "grpc-web",
            deadline: Deadline::from_grpc(&head.headers),
            exchange: Box::new(GrpcWebExchange {
                core: Arc::clone(core),
                route,
                codec,
                text_request: text,
                text_reply,
                likes: liked_encoding(head, codec),
            }),
        }))
    }
}

struct GrpcWebExchange {
    core: Arc<Core>,
    route: Option<Arc<Route>>,
    codec: Codec,
    text_request: bool,
    text_reply: bool,
    likes: Encoding,
}

impl Exchange for GrpcWebExchange {
    fn call(&mut self, head: Parts, body: Body) -> Eventually<'_, Result<Call, Status>> {
        let mut metadata = metadata::from_grpc_headers(head.headers);
        for name in ["x-grpc-web", "accept", "accept-encoding"] {
            metadata.remove(name);
        }
        let body = if self.text_request {
            Body::new(Base64Decoder {
                body,
                left_over: Vec::new(),
            })
        } else {
            body
        };
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
            let (metadata, body) = match reply {
                Err(status) => {
                    let mut trailers = HeaderMap::new();
                    status.write_to(&mut trailers);
                    (HeaderMap::new(), Body::from(trailers_frame(&trailers)))
                }
                Ok(reply) => match &self.route {
                    Some(route) if self.codec == Codec::Json => {
                        let metadata = reply.metadata.clone();
                        let core = Arc::clone(&self.core);
                        let frames = transcode_reply(core, route.output, reply, self.likes);
                        (
                            metadata,
                            Body::new(TrailersInBody {
                                body: frames,
                                ended: false,
                            }),
                        )
                    }
                    _ => (
                        reply.metadata,
                        Body::new(TrailersInBody {
                            body: Body::new(reply.messages),
                            ended: false,
                        }),
                    ),
                },
            };
            let body = if self.text_reply {
                Body::new(Base64Encoder { body })
            } else {
                body
            };
            let mut response = Response::new(body);
            *response.headers_mut() = metadata;
            if self.codec == Codec::Json {
                speak_own_encoding(response.headers_mut(), self.likes);
            } else {
                add_own_encodings(response.headers_mut());
            }
            let content_type = match (self.text_reply, self.codec) {
                (true, Codec::Proto) => "application/grpc-web-text+proto",
                (true, Codec::Json) => "application/grpc-web-text+json",
                (false, Codec::Proto) => "application/grpc-web+proto",
                (false, Codec::Json) => "application/grpc-web+json",
            };
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            response
        })
    }
}

/// Trailers as the payload of a frame: `name: value` lines as in HTTP/1.1, the
/// names in lower case.
fn trailers_frame(trailers: &HeaderMap) -> Bytes {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    frame::wrap(TRAILERS, &lines)
}

/// Frames with the trailers as a last one.
struct TrailersInBody {
    body: Body,
    ended: bool,
}

impl http_body::Body for TrailersInBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = match frame?.into_data() {
            Ok(data) => data,
            Err(frame) => {
                self.ended = true;
                trailers_frame(&frame.into_trailers().unwrap_or_default())
            }
        };
        Poll::Ready(Some(Ok(BodyFrame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// Each piece in base64, padded: readers take padding in the middle.
struct Base64Encoder {
    body: Body,
}

impl http_body::Body for Base64Encoder {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(
            frame.map(|frame| {
                frame.map(|frame| frame.map_data(|data| STANDARD.encode(data).into()))
            }),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Base64 that comes in pieces of any length, padded at any group of four.
struct Base64Decoder {
    body: Body,
    /// Fewer than four characters.
    left_over: Vec<u8>,
}

impl Base64Decoder {
    fn decode(&mut self, text: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.left_over
            .extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let whole = self.left_over.len() / 4 * 4;
        let groups: Vec<u8> = self.left_over.drain(..whole).collect();
        let mut plain = Vec::with_capacity(whole / 4 * 3);
        let mut start = 0;
        while start < groups.len() {
            // A run of groups ends behind the first padded one.
            let padded = groups[start..]
                .iter()
                .position(|byte| *byte == b'=')
                .map(|at| (start + at) / 4 * 4 + 4);
            let end = padded.unwrap_or(groups.len()).min(groups.len());
            STANDARD
                .decode_vec(&groups[start..end], &mut plain)
                .map_err(|_| not_base64())?;
            start = end;
        }
        Ok(plain)
    }
}

impl http_body::Body for Base64Decoder {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            if self.left_over.is_empty() {
                return Poll::Ready(None);
            }
            self.left_over.clear();
            return Poll::Ready(Some(Err(not_base64())));
        };
        match frame?.into_data() {
            Ok(text) => Poll::Ready(Some(
                self.decode(&text)
                    .map(|plain| BodyFrame::data(plain.into())),
            )),
            Err(frame) => Poll::Ready(Some(Ok(frame))),
        }
    }
}

fn not_base64() -> BoxError {
    Status::new(Code::InvalidArgument, "the request is not valid base64").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_however_it_is_cut_and_padded() {
        let text = [
            STANDARD.encode(b"a"),
            STANDARD.encode(b"bcd"),
            STANDARD.encode(b"ef"),
        ]
        .concat();
        for size in 1..text.len() {
            let mut decoder = Base64Decoder {
                body: Body::empty(),
                left_over: Vec::new(),
            };
            let plain: Vec<u8> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| decoder.decode(piece).unwrap())
                .collect();
            assert_eq!(plain, b"abcdef");
            assert!(decoder.left_over.is_empty());
        }
        let mut decoder = Base64Decoder {
            body: Body::empty(),
            left_over: Vec::new(),
        };
        assert!(decoder.decode(b"****").is_err());
    }

    #[test]
    fn trailers_are_lines() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        assert_eq!(
            &trailers_frame(&trailers)[..],
            b"\x80\0\0\0\x10grpc-status: 0\r\n"
        );
    }
}
