//! From a reply of many messages to an HTTP response, in the form the client
//! asked for.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body::Frame as BodyFrame;
use http_body_util::StreamBody;

use super::accept::Form;
use super::reply::{Payload, TRAILER_PREFIX, payload};
use super::{RestExchange, error};
use crate::messages::{Event, ReplyReader};
use crate::{Body, Code, Status, metadata};

/// Asks proxies to pass a response on as it comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A stream. It answers with the status of an error that comes before the
/// first message; a live one does not wait for ever to know.
pub(super) async fn response(exchange: RestExchange, reader: ReplyReader) -> Response<Body> {
    let form = exchange.form;
    let mut stream = Stream {
        exchange,
        reader,
        first: None,
        written: 0,
        trailers: None,
    };
    let first = match form {
        Form::Array | Form::Raw => stream.event().await,
        Form::Ndjson | Form::Sse => {
            let wait = stream.exchange.core.options.first_message_wait;
            tokio::time::timeout(wait, stream.event())
                .await
                .unwrap_or_default()
        }
    };
    if let Some(Event::End(status, trailers)) = &first
        && status.code() != Code::Ok
    {
        let mut response = stream.exchange.error(status);
        metadata::to_headers(trailers, TRAILER_PREFIX, response.headers_mut());
        return response;
    }
    let content_type = match &first {
        Some(Event::Message(payload)) if form == Form::Raw => payload.content_type.clone(),
        _ => HeaderValue::from_static(form.content_type()),
    };
    stream.first = first;
    if stream.exchange.head_only {
        // All that is asked for is known.
        stream.reader.close(Status::ok());
    }
    let mut response = Response::new(stream.into_body());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    if form != Form::Raw {
        metadata::vary(headers, header::ACCEPT);
    }
    if form == Form::Sse {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // nginx would gather events until its buffers are full.
        headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    }
    response
}

struct Stream {
    exchange: RestExchange,
    reader: ReplyReader,
    /// What came while the status was waited for.
    first: Option<Event<Payload>>,
    /// Elements written so far.
    written: usize,
    /// What comes behind the last piece.
    trailers: Option<HeaderMap>,
}

impl Stream {
    fn into_body(self) -> Body {
        let frames = futures_util::stream::unfold(self, |mut stream| async move {
            let frame = stream.next().await?;
            Some((frame, stream))
        });
        Body::new(StreamBody::new(frames))
    }

    async fn event(&mut self) -> Option<Event<Payload>> {
        // Lines and events hold a message on one line.
        let indent = self.exchange.core.options.write.indent;
        let indent = indent.filter(|_| self.exchange.form == Form::Array);
        let exchange = &self.exchange;
        self.reader
            .next(|message| payload(&exchange.core, &exchange.binding, message, indent))
            .await
    }

    /// The next piece of the body, and behind the last one the trailers.
    async fn next(&mut self) -> Option<Result<BodyFrame<Bytes>, Status>> {
        if let Some(trailers) = self.trailers.take() {
            return Some(Ok(BodyFrame::trailers(trailers)));
        }
        let event = match self.first.take() {
            Some(first) => Some(first),
            None if self.exchange.form == Form::Sse
                && !self.exchange.core.options.keep_alive.is_zero() =>
            {
                let pause = self.exchange.core.options.keep_alive;
                match tokio::time::timeout(pause, self.event()).await {
                    Ok(event) => event,
                    Err(_) => {
                        let comment = Bytes::from_static(b": keep-alive\n\n");
                        return Some(Ok(BodyFrame::data(comment)));
                    }
                }
            }
            None => self.event().await,
        };
        match event? {
            Event::Message(payload) => {
                let element = self.element(payload.bytes, None);
                Some(Ok(BodyFrame::data(element)))
            }
            // Bytes of any type have no place for an error: the client sees the
            // body break off.
            Event::End(status, _)
                if self.exchange.form == Form::Raw && status.code() != Code::Ok =>
            {
                Some(Err(status))
            }
            Event::End(status, trailers) => {
                let mut travelling = HeaderMap::new();
                metadata::to_headers(&trailers, "", &mut travelling);
                self.trailers = (!travelling.is_empty()).then_some(travelling);
                let last = self.last(&status);
                if last.is_empty() {
                    return self.trailers.take().map(BodyFrame::trailers).map(Ok);
                }
                Some(Ok(BodyFrame::data(last)))
            }
        }
    }

    /// What stands behind the last message.
    fn last(&mut self, status: &Status) -> Bytes {
        let mut last = Vec::new();
        if status.code() != Code::Ok {
            let error = error::element(&self.exchange.core, status);
            last.extend_from_slice(&self.element(error.into(), Some("error")));
        }
        match self.exchange.form {
            Form::Array if self.written == 0 => last.extend_from_slice(b"[]"),
            Form::Array => last.push(b']'),
            // Without it a browser takes the end for a lost connection, and
            // asks for all of it again.
            Form::Sse if status.code() == Code::Ok => {
                last.extend_from_slice(b"event: end\ndata: {}\n\n");
            }
            Form::Sse | Form::Ndjson | Form::Raw => {}
        }
        last.into()
    }

    /// A value as a part of the stream; `event` is its name among events.
    fn element(&mut self, value: Bytes, event: Option<&str>) -> Bytes {
        let mut element = Vec::with_capacity(value.len() + 32);
        match self.exchange.form {
            Form::Raw => return value,
            Form::Array => {
                element.push(if self.written == 0 { b'[' } else { b',' });
                element.extend_from_slice(&value);
            }
            Form::Ndjson => {
                element.extend_from_slice(&value);
                element.push(b'\n');
            }
            Form::Sse => {
                // A browser that connects again says which event it had last, and
                // the service finds that in its metadata.
                let name = match event {
                    Some(event) => format!("event: {event}\n"),
                    None => {
                        self.exchange.events = self.exchange.events.saturating_add(1);
                        format!("id: {}\n", self.exchange.events)
                    }
                };
                element.extend_from_slice(name.as_bytes());
                element.extend_from_slice(b"data: ");
                element.extend_from_slice(&value);
                element.extend_from_slice(b"\n\n");
            }
        }
        self.written += 1;
        element.into()
    }
}
