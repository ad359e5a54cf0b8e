//! What the transcoder says to a request.

use std::sync::Arc;

use portolan_schema::{MessageId, Schema};
use portolan_transcode::{Error, Problem, ReadOptions, Transcoder, WriteOptions};

use crate::protocol::{Category, Format, Outcome, Payload, Request, Response};

/// The first message of a run asks for the tests that are known to fail.
const FAILURES: &str = "conformance.FailureSet";

/// A transcoder for the test messages.
pub(crate) struct Testee {
    transcoder: Transcoder,
}

impl Testee {
    pub(crate) fn new(descriptors: &[u8]) -> Result<Self, portolan_schema::Error> {
        let schema = Schema::from_descriptor_sets([descriptors])?;
        Ok(Self {
            transcoder: Transcoder::new(Arc::new(schema)),
        })
    }

    pub(crate) fn answer(&self, request: Request) -> Response {
        Response {
            outcome: Some(self.outcome(request)),
        }
    }

    fn outcome(&self, request: Request) -> Outcome {
        if request.message_type == FAILURES {
            // None: an empty list.
            return Outcome::Protobuf(Vec::new());
        }
        let Some(message) = self
            .transcoder
            .schema()
            .message_by_name(&request.message_type)
        else {
            return Outcome::RuntimeError(format!("no message type {}", request.message_type));
        };
        let (format, category) = (request.requested_output_format(), request.test_category());
        let skip = |format| Outcome::Skipped(format!("the transcoder does not know {format}"));
        match (request.payload, format) {
            (Some(Payload::Jspb(_)), _) | (_, Format::Jspb) => skip("JSPB"),
            (Some(Payload::Text(_)), _) | (_, Format::Text) => skip("the text format"),
            (None, _) | (_, Format::Unspecified) => {
                Outcome::RuntimeError("a request without a payload or a format".to_owned())
            }
            (Some(Payload::Protobuf(wire)), Format::Json) => self.write_json(message, &wire),
            (Some(Payload::Protobuf(wire)), Format::Protobuf) => self.by_json(message, &wire),
            (Some(Payload::Json(json)), format) => self.read_json(message, &json, format, category),
        }
    }

    fn write_json(&self, message: MessageId, wire: &[u8]) -> Outcome {
        match self.write(message, wire, &WriteOptions::default()) {
            Ok(json) => text(json),
            Err(error) => error_of_wire(&error),
        }
    }

    /// From binary to binary. JSON has no place for unknown fields, and they
    /// must come through: so they are kept.
    fn by_json(&self, message: MessageId, wire: &[u8]) -> Outcome {
        let json = WriteOptions {
            keep_unknown: true,
            ..WriteOptions::default()
        };
        let json = match self.write(message, wire, &json) {
            Ok(json) => json,
            Err(error) => return error_of_wire(&error),
        };
        let options = ReadOptions {
            keep_unknown: true,
            ..ReadOptions::default()
        };
        match self.read(message, &json, &options) {
            Ok(wire) => Outcome::Protobuf(wire),
            Err(error) => Outcome::RuntimeError(format!("our own JSON is refused: {error}")),
        }
    }

    fn read_json(
        &self,
        message: MessageId,
        json: &[u8],
        format: Format,
        category: Category,
    ) -> Outcome {
        let options = ReadOptions {
            ignore_unknown: category == Category::JsonIgnoreUnknown,
            ..ReadOptions::default()
        };
        let wire = match self.read(message, json, &options) {
            Ok(wire) => wire,
            Err(error) => return Outcome::ParseError(error.to_string()),
        };
        if format == Format::Protobuf {
            return Outcome::Protobuf(wire);
        }
        match self.write(message, &wire, &WriteOptions::default()) {
            Ok(json) => text(json),
            Err(error) => Outcome::SerializeError(error.to_string()),
        }
    }

    fn read(
        &self,
        message: MessageId,
        json: &[u8],
        options: &ReadOptions,
    ) -> Result<Vec<u8>, Error> {
        let mut wire = Vec::new();
        self.transcoder
            .json_to_wire(message, json, &mut wire, options)?;
        Ok(wire)
    }

    fn write(
        &self,
        message: MessageId,
        wire: &[u8],
        options: &WriteOptions,
    ) -> Result<Vec<u8>, Error> {
        let mut json = Vec::new();
        self.transcoder
            .wire_to_json(message, wire, &mut json, options)?;
        Ok(json)
    }
}

fn text(json: Vec<u8>) -> Outcome {
    match String::from_utf8(json) {
        Ok(json) => Outcome::Json(json),
        Err(_) => Outcome::RuntimeError("the JSON is not UTF-8".to_owned()),
    }
}

/// Whether the bytes are no such message, or one that JSON cannot express.
fn error_of_wire(error: &Error) -> Outcome {
    match error.problem() {
        Problem::Truncated | Problem::Wire(_) | Problem::TooDeep(_) | Problem::Missing(_) => {
            Outcome::ParseError(error.to_string())
        }
        _ => Outcome::SerializeError(error.to_string()),
    }
}
