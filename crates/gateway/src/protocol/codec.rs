//! How a protocol with frames encodes its messages: protobuf or JSON.

use bytes::Bytes;
use portolan_schema::MessageId;

use super::Core;
use crate::call::{Fault, Messages};
use crate::compression::{Encoding, gzip};
use crate::frame::{self, COMPRESSED, Frame};
use crate::messages::{FrameReader, decompress};
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
            Encoding::Gzip if !message.is_empty() => frame::wrap(COMPRESSED, &gzip(&message)),
            _ => frame::wrap(0, &message),
        })
    }

    /// The frames of a request body as gRPC frames: decompressed and in
    /// protobuf.
    pub(crate) fn transcode_request(
        self,
        core: std::sync::Arc<Core>,
        input: MessageId,
        body: Body,
        encoding: Encoding,
        fault: Fault,
    ) -> Body {
        let limit = core.options.max_message_size;
        let reader = FrameReader::new(body, limit);
        let stream = futures_util::stream::try_unfold(
            (reader, core),
            move |(mut reader, core)| async move {
                let Some(Frame { flags, payload }) = reader.next().await? else {
                    return Ok(None);
                };
                if !frame::are_known(flags) {
                    return Err(Status::new(
                        Code::InvalidArgument,
                        format!("a message has unknown flags: {flags:#04x}"),
                    ));
                }
                let message = decompress(Frame { flags, payload }, encoding, limit)?;
                let frame = self.decode(&core, input, &message)?;
                Ok(Some((frame, (reader, core))))
            },
        );
        Messages::body(Box::pin(stream), fault)
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
