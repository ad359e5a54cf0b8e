//! What the runner and the testee say to each other: the messages of
//! `conformance/conformance.proto`, each behind its length as four bytes,
//! little end first.

use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result};
use prost::{Enumeration, Message, Oneof};

/// One question: a message in one form, to be given back in another.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(oneof = "Payload", tags = "1, 2, 7, 8")]
    pub(crate) payload: Option<Payload>,
    #[prost(enumeration = "Format", tag = "3")]
    pub(crate) requested_output_format: i32,
    #[prost(string, tag = "4")]
    pub(crate) message_type: String,
    #[prost(enumeration = "Category", tag = "5")]
    pub(crate) test_category: i32,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Payload {
    #[prost(bytes, tag = "1")]
    Protobuf(Vec<u8>),
    /// A string in the contract; bytes here, so that a test may send what is
    /// not UTF-8.
    #[prost(bytes, tag = "2")]
    Json(Vec<u8>),
    #[prost(bytes, tag = "7")]
    Jspb(Vec<u8>),
    #[prost(bytes, tag = "8")]
    Text(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(crate) enum Format {
    Unspecified = 0,
    Protobuf = 1,
    Json = 2,
    Jspb = 3,
    Text = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(crate) enum Category {
    Unspecified = 0,
    Binary = 1,
    Json = 2,
    JsonIgnoreUnknown = 3,
    Jspb = 4,
    Text = 5,
}

/// One answer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(oneof = "Outcome", tags = "1, 2, 3, 4, 5, 6")]
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Outcome {
    /// What came in is not a message of the type.
    #[prost(string, tag = "1")]
    ParseError(String),
    /// The testee is broken.
    #[prost(string, tag = "2")]
    RuntimeError(String),
    #[prost(bytes, tag = "3")]
    Protobuf(Vec<u8>),
    #[prost(string, tag = "4")]
    Json(String),
    /// The format is none of ours.
    #[prost(string, tag = "5")]
    Skipped(String),
    /// The message has no form in the format asked for.
    #[prost(string, tag = "6")]
    SerializeError(String),
}

/// The next request; `None` at the end of the input.
pub(crate) fn read(input: &mut impl Read) -> Result<Option<Request>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error).context("the runner cannot be read"),
    }
    let length = usize::try_from(u32::from_le_bytes(length))?;
    let mut bytes = vec![0; length];
    input
        .read_exact(&mut bytes)
        .context("the runner ends in the middle of a request")?;
    let request = Request::decode(&bytes[..]).context("the runner's request is malformed")?;
    Ok(Some(request))
}

/// Sends an answer.
pub(crate) fn write(output: &mut impl Write, response: &Response) -> Result<()> {
    let bytes = response.encode_to_vec();
    let length = u32::try_from(bytes.len()).context("the answer is larger than 4 GiB")?;
    output
        .write_all(&length.to_le_bytes())
        .and_then(|()| output.write_all(&bytes))
        .and_then(|()| output.flush())
        .context("the runner does not listen")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_until_the_input_ends() {
        let request = Request {
            payload: Some(Payload::Json(b"{}".to_vec())),
            requested_output_format: Format::Protobuf.into(),
            message_type: "a.B".to_owned(),
            test_category: Category::Json.into(),
        };
        let bytes = request.encode_to_vec();
        let mut input = (bytes.len() as u32).to_le_bytes().to_vec();
        input.extend_from_slice(&bytes);
        let mut input = &input[..];
        assert_eq!(read(&mut input).unwrap(), Some(request));
        assert_eq!(read(&mut input).unwrap(), None);
        assert!(read(&mut &b"\x05\0\0\0abc"[..]).is_err());
    }

    #[test]
    fn answers_carry_their_length() {
        let mut output = Vec::new();
        let outcome = Some(Outcome::Json("{}".to_owned()));
        write(&mut output, &Response { outcome }).unwrap();
        assert_eq!(output, b"\x04\0\0\0\x22\x02{}");
    }
}
