//! Messages one by one, out of bodies of frames.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as _;

use crate::call::{Guarded, broke_off};
use crate::compression::{Encoding, gunzip};
use crate::frame::{COMPRESSED, Decoder, Frame};
use crate::{Body, Code, Status};

/// What comes next in a reply.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message, decompressed.
    Message(Bytes),
    /// The end: status and trailing metadata.
    End(Status, HeaderMap),
}

/// Reads the messages of a reply.
pub(crate) struct ReplyReader {
    body: Guarded,
    decoder: Decoder,
    encoding: Encoding,
    limit: usize,
    ended: bool,
    waiting: VecDeque<Event>,
}

impl ReplyReader {
    pub(crate) fn new(body: Guarded, metadata: &HeaderMap, limit: usize) -> Self {
        // The gateway asks for no encoding it cannot read, so an unknown one
        // shows when the first compressed message comes.
        let encoding = Encoding::named(metadata, &http::HeaderName::from_static("grpc-encoding"));
        Self {
            body,
            decoder: Decoder::new(limit),
            encoding: encoding.unwrap_or(Encoding::Identity),
            limit,
            ended: false,
            waiting: VecDeque::new(),
        }
    }

    /// The next message, or the end; `None` after the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            match self.decoder.next() {
                Ok(Some(frame)) => match self.message(frame) {
                    Ok(message) => return Some(Event::Message(message)),
                    Err(status) => return Some(self.fail(status)),
                },
                Ok(None) => {}
                Err(status) => return Some(self.fail(status)),
            }
            match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.decoder.push(&data),
                    Err(frame) => {
                        let mut trailers = frame.into_trailers().unwrap_or_default();
                        let status = Status::take_from(&mut trailers);
                        self.ended = true;
                        let status = status.unwrap_or_else(|| {
                            Status::new(Code::Internal, "the service ended without a status")
                        });
                        return Some(Event::End(status, trailers));
                    }
                },
                Some(Err(error)) => return Some(self.fail(broke_off(error))),
                None => {
                    return Some(self.fail(Status::new(
                        Code::Internal,
                        "the service ended without a status",
                    )));
                }
            }
        }
    }

    /// Puts an event back, to be the next.
    pub(crate) fn put_back(&mut self, event: Event) {
        self.waiting.push_front(event);
    }

    /// Ends the reply with a status of the gateway's own, as the next event.
    pub(crate) fn end_with(&mut self, status: Status) {
        let end = self.fail(status);
        self.waiting.push_back(end);
    }

    fn message(&self, frame: Frame) -> Result<Bytes, Status> {
        decompress(frame, self.encoding, self.limit)
    }

    fn fail(&mut self, status: Status) -> Event {
        self.ended = true;
        Event::End(status, HeaderMap::new())
    }
}

/// Reads the frames of a request.
pub(crate) struct FrameReader {
    body: Body,
    decoder: Decoder,
}

impl FrameReader {
    pub(crate) fn new(body: Body, limit: usize) -> Self {
        Self {
            body,
            decoder: Decoder::new(limit),
        }
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, Status> {
        loop {
            if let Some(frame) = self.decoder.next()? {
                return Ok(Some(frame));
            }
            match next_data(&mut self.body).await? {
                Some(data) => self.decoder.push(&data),
                None if self.decoder.is_at_boundary() => return Ok(None),
                None => {
                    return Err(Status::new(
                        Code::InvalidArgument,
                        "the request ended in the middle of a message",
                    ));
                }
            }
        }
    }
}

/// The payload of a frame, decompressed when its flag says so.
pub(crate) fn decompress(frame: Frame, encoding: Encoding, limit: usize) -> Result<Bytes, Status> {
    match (frame.flags & COMPRESSED != 0, encoding) {
        (false, _) => Ok(frame.payload),
        (true, Encoding::Gzip) => gunzip(&frame.payload, limit).map(Bytes::from),
        (true, Encoding::Identity) => Err(Status::new(
            Code::Internal,
            "a message is compressed, but no encoding was named",
        )),
    }
}

/// The next piece of a body; trailers of a request carry nothing.
pub(crate) async fn next_data(body: &mut Body) -> Result<Option<Bytes>, Status> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => return Err(broke_off(error)),
            None => return Ok(None),
        }
    }
}

/// A whole body, up to `limit` bytes.
pub(crate) async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Status> {
    let Some(first) = next_data(&mut body).await? else {
        return Ok(Bytes::new());
    };
    let mut whole = Vec::new();
    let mut next = Some(first);
    while let Some(data) = next {
        let size = whole.len() + data.len();
        if size > limit {
            let message = format!("the request body is over the limit of {limit} bytes");
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        next = next_data(&mut body).await?;
        if whole.is_empty() && next.is_none() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}
