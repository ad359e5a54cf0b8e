//! What the runner, its clients and the server say to each other: the messages
//! of `connectrpc.conformance.v1`, as far as a server needs them. Requests and
//! answers of the same shape share a type; on the wire there is no difference.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use prost::{Message, Name, Oneof};
use prost_types::Any;

/// The package of the suite's contract.
pub(crate) const PACKAGE: &str = "connectrpc.conformance.v1";

/// What the runner wants of a server (`ServerCompatRequest`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServerRequest {
    /// 1 is Connect, 2 gRPC, 3 gRPC-Web; every server here speaks all.
    #[prost(int32, tag = "1")]
    pub(crate) protocol: i32,
    /// 1 is HTTP/1.1, 2 is HTTP/2; every server here speaks both.
    #[prost(int32, tag = "2")]
    pub(crate) http_version: i32,
    #[prost(bool, tag = "4")]
    pub(crate) use_tls: bool,
    /// Whom to trust, in PEM, if clients have to show a certificate.
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) client_tls_cert: Bytes,
    /// 0 is none.
    #[prost(uint32, tag = "6")]
    pub(crate) message_receive_limit: u32,
    #[prost(message, optional, tag = "7")]
    pub(crate) server_creds: Option<Credentials>,
}

/// A certificate and its key, in PEM (`TLSCreds`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Credentials {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) cert: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) key: Bytes,
}

/// Where the server is (`ServerCompatResponse`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServerResponse {
    #[prost(string, tag = "1")]
    pub(crate) host: String,
    #[prost(uint32, tag = "2")]
    pub(crate) port: u32,
    /// The certificate to trust, in PEM.
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) pem_cert: Bytes,
}

/// A header or trailer with all its values.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Header {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) value: Vec<String>,
}

/// An error to end a call with.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Error {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, optional, tag = "2")]
    pub(crate) message: Option<String>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// How a call with one answer is to end (`UnaryResponseDefinition`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct UnaryDefinition {
    #[prost(message, repeated, tag = "1")]
    pub(crate) response_headers: Vec<Header>,
    #[prost(oneof = "UnaryOutcome", tags = "2, 3")]
    pub(crate) response: Option<UnaryOutcome>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) response_trailers: Vec<Header>,
    #[prost(uint32, tag = "6")]
    pub(crate) response_delay_ms: u32,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum UnaryOutcome {
    #[prost(bytes = "bytes", tag = "2")]
    ResponseData(Bytes),
    #[prost(message, tag = "3")]
    Error(Error),
}

/// What a stream is to answer (`StreamResponseDefinition`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamDefinition {
    #[prost(message, repeated, tag = "1")]
    pub(crate) response_headers: Vec<Header>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) response_data: Vec<Bytes>,
    #[prost(uint32, tag = "3")]
    pub(crate) response_delay_ms: u32,
    #[prost(message, optional, tag = "4")]
    pub(crate) error: Option<Error>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) response_trailers: Vec<Header>,
}

/// `UnaryRequest`, `IdempotentUnaryRequest` and `ClientStreamRequest`; and
/// `UnimplementedRequest`, which is empty.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct UnaryRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) response_definition: Option<UnaryDefinition>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) request_data: Bytes,
}

/// `ServerStreamRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) response_definition: Option<StreamDefinition>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) request_data: Bytes,
}

/// `BidiStreamRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BidiRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) response_definition: Option<StreamDefinition>,
    /// Whether every request gets its answer before the next one comes.
    #[prost(bool, tag = "2")]
    pub(crate) full_duplex: bool,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) request_data: Bytes,
}

/// The answer of every method.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Answer {
    #[prost(message, optional, tag = "1")]
    pub(crate) payload: Option<Payload>,
}

/// `ConformancePayload`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) data: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(crate) request_info: Option<RequestInfo>,
}

/// What a server saw of a call.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestInfo {
    #[prost(message, repeated, tag = "1")]
    pub(crate) request_headers: Vec<Header>,
    #[prost(int64, optional, tag = "2")]
    pub(crate) timeout_ms: Option<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) requests: Vec<Any>,
    #[prost(message, optional, tag = "4")]
    pub(crate) connect_get_info: Option<GetInfo>,
}

/// Not absent when the call was a GET.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GetInfo {
    #[prost(message, repeated, tag = "1")]
    pub(crate) query_params: Vec<Header>,
}

impl Name for RequestInfo {
    const NAME: &'static str = "ConformancePayload.RequestInfo";
    const PACKAGE: &'static str = PACKAGE;

    fn type_url() -> String {
        format!("type.googleapis.com/{}", Self::full_name())
    }
}

/// A message of this name, packed.
pub(crate) fn pack(name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{PACKAGE}.{name}"),
        value: message.encode_to_vec(),
    }
}

/// The most bytes that a message to or from the runner may have; they have
/// thousands.
const LIMIT: u32 = 1024 * 1024;

/// Reads a message behind its length: four bytes, big end first.
pub(crate) fn read<M: Message + Default>(input: &mut impl Read) -> Result<M> {
    let mut prefix = [0; 4];
    input
        .read_exact(&mut prefix)
        .context("a message ended early")?;
    let mut message = vec![0; length(&prefix)?];
    input
        .read_exact(&mut message)
        .context("a message ended early")?;
    M::decode(message.as_slice()).context("a message cannot be read")
}

/// The length of the message behind these four bytes.
pub(crate) fn length(prefix: &[u8]) -> Result<usize> {
    let prefix = prefix.first_chunk().context("a message ended early")?;
    let length = u32::from_be_bytes(*prefix);
    if length > LIMIT {
        bail!("a message has {length} bytes, more than {LIMIT}");
    }
    Ok(length as usize)
}

/// Writes a message behind its length.
pub(crate) fn write(output: &mut impl Write, message: &impl Message) -> Result<()> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).context("the message is too long")?;
    output.write_all(&length.to_be_bytes())?;
    output.write_all(&bytes)?;
    output.flush().context("the runner does not listen")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let said = ServerResponse {
            host: "127.0.0.1".to_owned(),
            port: 80,
            pem_cert: Bytes::new(),
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &said).unwrap();
        assert_eq!(bytes[..4], [0, 0, 0, 13]);
        assert_eq!(read::<ServerResponse>(&mut bytes.as_slice()).unwrap(), said);
        assert!(read::<ServerResponse>(&mut &bytes[..9]).is_err());
        assert!(read::<ServerResponse>(&mut &[0xff; 8][..]).is_err());
    }
}
