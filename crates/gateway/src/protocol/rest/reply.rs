//! From a reply to an HTTP response: one JSON value, or a stream in the form
//! the client asked for.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, Version, header};
use http_body::Frame as BodyFrame;
use http_body_util::StreamBody;

use super::accept::Form;
use super::{RestExchange, error};
use crate::call::Reply;
use crate::compression::{Encoding, WORTHWHILE, gzip};
use crate::messages::{Event, ReplyReader};
use crate::protocol::codec::unreadable;
use crate::{Body, Code, Outcome, Status, metadata};

/// Trailing metadata among the headers of an HTTP/1.1 response.
const TRAILER_PREFIX: &str = "grpc-trailer-";
/// A comment this often keeps proxies from closing a silent event stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn response(exchange: RestExchange, reply: Reply) -> Response<Body> {
    let Reply {
        metadata,
        messages,
        outcome,
    } = reply;
    let reader = ReplyReader::new(messages, &metadata, exchange.core.options.max_message_size);
    if exchange.binding.route.streaming.from_server() {
        streamed(exchange, metadata, reader, outcome).await
    } else {
        single(&exchange, metadata, reader, &outcome).await
    }
}

/// The one message of a reply.
async fn single(
    exchange: &RestExchange,
    metadata: HeaderMap,
    mut reader: ReplyReader,
    outcome: &Outcome,
) -> Response<Body> {
    let mut message = None;
    let (status, trailers) = loop {
        match reader.next().await {
            Some(Event::Message(next)) if message.is_none() => message = Some(next),
            Some(Event::Message(_)) => {
                break (
                    Status::new(
                        Code::Internal,
                        "the service answered with more than one message",
                    ),
                    HeaderMap::new(),
                );
            }
            Some(Event::End(status, trailers)) => break (status, trailers),
            None => {
                break (
                    Status::new(Code::Internal, "the service ended without a status"),
                    HeaderMap::new(),
                );
            }
        }
    };
    let json = match (status.code(), message) {
        (Code::Ok, Some(message)) => json(exchange, &message, exchange.core.options.write.indent),
        (Code::Ok, None) => Err(Status::new(
            Code::Internal,
            "the service answered without a message",
        )),
        _ => Err(status),
    };
    let (mut response, trailers_in_headers) = match json {
        Ok(json) => (
            body(exchange, json, &trailers),
            exchange.version < Version::HTTP_2,
        ),
        Err(status) => {
            outcome.end(status.code());
            (exchange.error(&status), true)
        }
    };
    let headers = response.headers_mut();
    metadata::to_headers(&metadata, "", headers);
    if trailers_in_headers {
        metadata::to_headers(&trailers, TRAILER_PREFIX, headers);
    }
    response
}

fn body(exchange: &RestExchange, json: Vec<u8>, trailers: &HeaderMap) -> Response<Body> {
    let compress = exchange.encoding == Encoding::Gzip && json.len() >= WORTHWHILE;
    let bytes = Bytes::from(if compress { gzip(&json) } else { json });
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
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if compress {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A message, or the part of it that the rule wants, as JSON.
fn json(exchange: &RestExchange, message: &[u8], indent: Option<u8>) -> Result<Vec<u8>, Status> {
    let mut json = Vec::with_capacity(message.len() * 2);
    let transcoder = &exchange.core.transcoder;
    let output = exchange.binding.route.output;
    let options = portolan_transcode::WriteOptions {
        indent,
        ..exchange.core.options.write
    };
    match &exchange.binding.response_body {
        None => transcoder.wire_to_json(output, message, &mut json, &options),
        Some(field) => transcoder.field_to_json(output, field, message, &mut json, &options),
    }
    .map_err(|error| unreadable(&error))?;
    Ok(json)
}

/// A stream. It answers with the status of an error that comes before the
/// first message; a live one does not wait for ever to know.
async fn streamed(
    exchange: RestExchange,
    metadata: HeaderMap,
    mut reader: ReplyReader,
    outcome: Outcome,
) -> Response<Body> {
    let form = exchange.form;
    let first = match form {
        Form::Array => reader.next().await,
        Form::Ndjson | Form::Sse => {
            tokio::time::timeout(exchange.core.options.first_message_wait, reader.next())
                .await
                .unwrap_or_default()
        }
    };
    let mut response = match first {
        Some(Event::End(status, trailers)) if status.code() != Code::Ok => {
            let mut response = exchange.error(&status);
            metadata::to_headers(&trailers, TRAILER_PREFIX, response.headers_mut());
            response
        }
        first => {
            if let Some(event) = first {
                reader.put_back(event);
            }
            let mut response = Response::new(
                Stream {
                    exchange,
                    reader,
                    outcome,
                    written: 0,
                }
                .into_body(),
            );
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static(form.content_type()),
            );
            if form == Form::Sse {
                response
                    .headers_mut()
                    .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            }
            response
        }
    };
    metadata::to_headers(&metadata, "", response.headers_mut());
    response
}

struct Stream {
    exchange: RestExchange,
    reader: ReplyReader,
    outcome: Outcome,
    /// Elements written so far.
    written: usize,
}

impl Stream {
    fn into_body(self) -> Body {
        let frames = futures_util::stream::unfold(
            (self, Vec::new()),
            |(mut stream, mut waiting)| async move {
                let frame = match waiting.pop() {
                    Some(frame) => frame,
                    None => {
                        waiting = stream.next().await?;
                        waiting.reverse();
                        waiting.pop()?
                    }
                };
                Some((Ok::<_, Infallible>(frame), (stream, waiting)))
            },
        );
        Body::new(StreamBody::new(frames))
    }

    /// The next piece of the body, and behind the last one the trailers.
    async fn next(&mut self) -> Option<Vec<BodyFrame<Bytes>>> {
        let event = if self.exchange.form == Form::Sse {
            match tokio::time::timeout(KEEP_ALIVE, self.reader.next()).await {
                Ok(event) => event,
                Err(_) => {
                    return Some(vec![BodyFrame::data(Bytes::from_static(
                        b": keep-alive\n\n",
                    ))]);
                }
            }
        } else {
            self.reader.next().await
        };
        let (status, trailers) = match event? {
            Event::Message(message) => match json(&self.exchange, &message, self.indent()) {
                Ok(json) => return Some(vec![BodyFrame::data(self.element(&json, None))]),
                Err(status) => {
                    self.outcome.end(status.code());
                    self.reader.end_with(status);
                    return Some(vec![BodyFrame::data(Bytes::new())]);
                }
            },
            Event::End(status, trailers) => (status, trailers),
        };
        let mut last = Vec::new();
        if status.code() != Code::Ok {
            let error = error::element(&self.exchange.core, &status);
            last.extend_from_slice(&self.element(&error, Some("error")));
        }
        match self.exchange.form {
            Form::Array if self.written == 0 => last.extend_from_slice(b"[]"),
            Form::Array => last.push(b']'),
            // Without it a browser takes the end for a lost connection, and
            // asks for all of it again.
            Form::Sse if status.code() == Code::Ok => {
                last.extend_from_slice(b"event: end\ndata: {}\n\n")
            }
            Form::Sse | Form::Ndjson => {}
        }
        let mut travelling = HeaderMap::new();
        metadata::to_headers(&trailers, "", &mut travelling);
        let mut frames = vec![BodyFrame::data(last.into())];
        if !travelling.is_empty() {
            frames.push(BodyFrame::trailers(travelling));
        }
        Some(frames)
    }

    /// Lines and events hold a message on one line.
    fn indent(&self) -> Option<u8> {
        self.exchange
            .core
            .options
            .write
            .indent
            .filter(|_| self.exchange.form == Form::Array)
    }

    fn element(&mut self, json: &[u8], event: Option<&str>) -> Bytes {
        let mut element = Vec::with_capacity(json.len() + 16);
        match self.exchange.form {
            Form::Array => {
                element.push(if self.written == 0 { b'[' } else { b',' });
                element.extend_from_slice(json);
            }
            Form::Ndjson => {
                element.extend_from_slice(json);
                element.push(b'\n');
            }
            Form::Sse => {
                if let Some(event) = event {
                    element.extend_from_slice(format!("event: {event}\n").as_bytes());
                }
                element.extend_from_slice(b"data: ");
                element.extend_from_slice(json);
                element.extend_from_slice(b"\n\n");
            }
        }
        self.written += 1;
        element.into()
    }
}
