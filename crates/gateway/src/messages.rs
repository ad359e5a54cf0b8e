//! Messages one by one, out of bodies of frames.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as _;

use crate::call::{Guarded, Part, broke_off, torn};
use crate::compression::Encoding;
use crate::frame::{COMPRESSED, Decoder, Frame, larger_than, no_encoding, too_large};
use crate::{Body, Code, Status};

/// What comes next in a reply.
#[derive(Debug)]
pub(crate) enum Event<M = Bytes> {
    /// A message, decompressed.
    Message(M),
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
        }
    }

    /// The next message as `make` makes it, or the end; `None` after the end.
    /// A message that cannot be made ends the reply. Nothing is lost when this
    /// is dropped before it is done.
    pub(crate) async fn next<M>(
        &mut self,
        make: impl FnOnce(Bytes) -> Result<M, Status>,
    ) -> Option<Event<M>> {
        if self.ended {
            return None;
        }
        loop {
            match self.decoder.take() {
                Ok(None) => {}
                Ok(Some(frame)) => {
                    let made = decompress(frame, self.encoding, self.limit)
                        .map_err(blame_service)
                        .and_then(make);
                    return Some(made.map_or_else(|status| self.failed(status), Event::Message));
                }
                Err(status) => return Some(self.failed(status)),
            }
            match poll_fn(|context| self.body.poll(context)).await {
                Some(Part::Data(data)) => self.decoder.push(data),
                Some(Part::End(status, trailers)) => {
                    self.ended = true;
                    return Some(Event::End(status, trailers));
                }
                None => return Some(self.failed(no_status())),
            }
        }
    }

    /// The only message of a reply, as `make` makes it, and the trailers.
    pub(crate) async fn only<M>(
        mut self,
        make: impl FnOnce(Bytes) -> Result<M, Status>,
    ) -> (Result<M, Status>, HeaderMap) {
        let message = match self.next(make).await {
            Some(Event::Message(message)) => message,
            Some(Event::End(status, trailers)) if status.code() != Code::Ok => {
                return (Err(status), trailers);
            }
            // gRPC, "Status codes and their use": a response that is not
            // exactly one message is UNIMPLEMENTED.
            Some(Event::End(_, trailers)) => {
                let status = Status::new(
                    Code::Unimplemented,
                    "the service answered without a message",
                );
                return (Err(self.close(status)), trailers);
            }
            None => return (Err(self.close(no_status())), HeaderMap::new()),
        };
        match self.next(Ok).await {
            Some(Event::End(status, trailers)) if status.code() == Code::Ok => {
                (Ok(message), trailers)
            }
            Some(Event::End(status, trailers)) => (Err(status), trailers),
            Some(Event::Message(_)) => {
                let status = Status::new(
                    Code::Unimplemented,
                    "the service answered with more than one message",
                );
                (Err(self.close(status)), HeaderMap::new())
            }
            None => (Err(self.close(no_status())), HeaderMap::new()),
        }
    }

    /// Ends the reply with a status of the gateway's own, and lets go of the
    /// service.
    pub(crate) fn close(&mut self, status: Status) -> Status {
        self.ended = true;
        self.body.abandon(status.code());
        status
    }

    fn failed<M>(&mut self, status: Status) -> Event<M> {
        Event::End(self.close(status), HeaderMap::new())
    }
}

/// What is wrong with a message of the service is no fault of the client.
fn blame_service(status: Status) -> Status {
    if status.code() == Code::InvalidArgument {
        let message = format!("the service's answer cannot be read: {}", status.message());
        return Status::new(Code::Internal, message);
    }
    status
}

fn no_status() -> Status {
    Status::new(Code::Internal, "the service ended without a status")
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
            if let Some(frame) = self.decoder.take()? {
                return Ok(Some(frame));
            }
            match next_data(&mut self.body).await? {
                Some(data) => self.decoder.push(data),
                None if self.decoder.is_at_boundary() => return Ok(None),
                None => return Err(torn()),
            }
        }
    }
}

/// The payload of a frame, decompressed when its flag says so.
pub(crate) fn decompress(frame: Frame, encoding: Encoding, limit: usize) -> Result<Bytes, Status> {
    match (frame.flags & COMPRESSED != 0, encoding) {
        (false, _) => Ok(frame.payload),
        (true, Encoding::Identity) => Err(no_encoding()),
        (true, encoding) => encoding.decompress(frame.payload, limit),
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
    // A length that is declared is refused before the bytes come.
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > limit {
        return Err(too_large(declared, limit));
    }
    let Some(first) = next_data(&mut body).await? else {
        return Ok(Bytes::new());
    };
    let mut whole = Vec::new();
    let mut next = Some(first);
    while let Some(data) = next {
        let size = whole.len() + data.len();
        if size > limit {
            return Err(larger_than(size, limit));
        }
        next = next_data(&mut body).await?;
        if whole.is_empty() && next.is_none() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}
