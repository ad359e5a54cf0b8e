//! How a protocol with frames encodes its messages: protobuf or JSON.

use std::sync::Arc;

use bytes::Bytes;
use portolan_schema::MessageId;

use super::Core;
use crate::call::{Fault, Messages, too_few, too_many};
use crate::compression::Encoding;
use crate::frame::{self, COMPRESSED, Frame};
use crate::messages::{FrameReader, decompress};
use crate::route::Route;
use crate::{Body, Code, Status};

/// The encoding of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Proto,
    Json,
}

impl Codec {
    /// The codec that a content type ends in: `proto` or `json`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "proto" => Some(Self::Proto),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// A message of a client as protobuf, with its frame.
    pub(crate) fn decode(
        self,
        core: &Core,
        input: MessageId,
        message: &[u8],
    ) -> Result<Bytes, Status> {
        match self {
            Self::Proto => Ok(frame::wrap(0, message)),
            Self::Json => {
                frame::build_within(core.options.max_message_size, message.len(), |out| {
                    core.transcoder
                        .json_to_wire(input, message, out, &core.options.read)
                        .map_err(|error| invalid(&error))
                })
            }
        }
    }

    /// A message of a service in this codec.
    pub(crate) fn encode(
        self,
        core: &Core,
        output: MessageId,
        message: Bytes,
    ) -> Result<Bytes, Status> {
        match self {
            Self::Proto => Ok(message),
            Self::Json => {
                let mut json = Vec::with_capacity(json_size(message.len()));
                core.transcoder
                    .wire_to_json(output, &message, &mut json, &core.options.write)
                    .map_err(|error| unreadable(&error))?;
                Ok(json.into())
            }
        }
    }

    /// A message of a service in this codec, framed and perhaps compressed.
    pub(crate) fn encode_frame(
        self,
        core: &Core,
        output: MessageId,
        message: Bytes,
        encoding: Encoding,
    ) -> Result<Bytes, Status> {
        let message = self.encode(core, output, message)?;
        Ok(match encoding {
            Encoding::Identity => frame::wrap(0, &message),
            _ if message.is_empty() => frame::wrap(0, &message),
            encoding => frame::wrap(COMPRESSED, &encoding.compress(&message)),
        })
    }

    /// The frames of a request body as gRPC frames: decompressed and in
    /// protobuf.
    pub(crate) fn transcode_request(
        self,
        core: Arc<Core>,
        route: &Arc<Route>,
        body: Body,
        encoding: Encoding,
        fault: Fault,
    ) -> Body {
        let limit = core.options.max_message_size;
        let state = Frames {
            reader: FrameReader::new(body, limit),
            core,
            route: Arc::clone(route),
            count: 0,
        };
        let stream = futures_util::stream::try_unfold(state, move |mut frames| async move {
            let Some(Frame { flags, payload }) = frames.next().await? else {
                return Ok(None);
            };
            if !frame::are_known(flags) {
                return Err(Status::new(
                    Code::InvalidArgument,
                    format!("a message has unknown flags: {flags:#04x}"),
                ));
            }
            let message = decompress(Frame { flags, payload }, encoding, limit)?;
            let frame = self.decode(&frames.core, frames.route.input, &message)?;
            Ok(Some((frame, frames)))
        });
        Messages::body(Box::pin(stream), fault)
    }
}

/// The frames of a request, as many as the RPC takes.
struct Frames {
    reader: FrameReader,
    core: Arc<Core>,
    route: Arc<Route>,
    count: u64,
}

impl Frames {
    async fn next(&mut self) -> Result<Option<Frame>, Status> {
        let single = !self.route.streaming.from_client();
        if single && self.count > 0 {
            return Ok(None);
        }
        let Some(frame) = self.reader.next().await? else {
            return if single { Err(too_few()) } else { Ok(None) };
        };
        self.count += 1;
        // A service may answer as soon as it has a message, so that a second
        // one has to be ruled out first.
        if single && self.reader.next().await?.is_some() {
            return Err(too_many());
        }
        Ok(Some(frame))
    }
}

/// About how many bytes of JSON a message of so many becomes: a float of four
/// bytes has twelve characters, text hardly grows.
pub(crate) fn json_size(message: usize) -> usize {
    message * 3 + 64
}

/// The status for JSON that is not the message.
pub(crate) fn invalid(error: &portolan_transcode::Error) -> Status {
    Status::new(Code::InvalidArgument, error.to_string())
}

/// The status for a message of the service that cannot be read.
pub(crate) fn unreadable(error: &portolan_transcode::Error) -> Status {
    Status::new(
        Code::Internal,
        format!("the service's answer cannot be written as JSON: {error}"),
    )
}
