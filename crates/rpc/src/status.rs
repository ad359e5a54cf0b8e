//! How a call ended: a gRPC status, and its form in HTTP.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

/// The trailer with the status code.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The trailer with the percent-encoded message.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The trailer with a base64-encoded `google.rpc.Status`.
pub const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The gRPC status codes (gRPC, "Status codes and their use in gRPC").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code with this number; a number that is none is `Unknown`.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
            .unwrap_or(Self::Unknown)
    }

    /// The name as the specification writes it, such as `INVALID_ARGUMENT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The HTTP status of REST answers (google.rpc, `code.proto`).
    #[must_use]
    pub fn http_status(self) -> StatusCode {
        match self {
            Self::Ok => StatusCode::OK,
            // nginx's "client closed request"; HTTP itself has no such status.
            Self::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => {
                StatusCode::BAD_REQUEST
            }
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::AlreadyExists | Self::Aborted => StatusCode::CONFLICT,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unknown | Self::Internal | Self::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code for an answer without a gRPC status, by its HTTP status
    /// (gRPC, "HTTP to gRPC Status Code Mapping").
    #[must_use]
    pub fn from_http(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The status of a call: a code, a sentence for people, and details for
/// programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Status {
    code: Code,
    message: String,
    details: Bytes,
}

impl Status {
    /// A status without details.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Bytes::new(),
        }
    }

    /// The status with these details, an encoded `google.rpc.Status`.
    #[must_use]
    pub fn with_details(self, details: Bytes) -> Self {
        Self { details, ..self }
    }

    /// The status of a call that went well.
    #[must_use]
    pub fn ok() -> Self {
        Self::new(Code::Ok, "")
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// An encoded `google.rpc.Status`, or nothing.
    #[must_use]
    pub fn details(&self) -> &Bytes {
        &self.details
    }

    /// Takes the status out of trailers (gRPC over HTTP/2, "Responses"), and
    /// leaves the metadata. `None` when they carry no status.
    pub fn take_from(trailers: &mut HeaderMap) -> Option<Self> {
        let code = trailers.remove(GRPC_STATUS)?;
        let code = code
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .map_or(Code::Unknown, Code::from_number);
        let message = trailers
            .remove(GRPC_MESSAGE)
            .map(|value| {
                percent_decode(value.as_bytes())
                    .decode_utf8_lossy()
                    .into_owned()
            })
            .unwrap_or_default();
        let details = trailers
            .remove(GRPC_STATUS_DETAILS)
            .and_then(|value| crate::binary::decode(value.as_bytes()))
            .unwrap_or_default();
        Some(Self {
            code,
            message,
            details: details.into(),
        })
    }

    /// Writes the status as trailers.
    pub fn write_to(&self, trailers: &mut HeaderMap) {
        trailers.insert(GRPC_STATUS, HeaderValue::from(self.code as i32));
        if !self.message.is_empty() {
            let message = fitting(&self.message).as_bytes();
            let encoded = percent_encode(message, RESERVED).to_string();
            if let Ok(value) = HeaderValue::try_from(encoded) {
                trailers.insert(GRPC_MESSAGE, value);
            }
        }
        if !self.details.is_empty()
            && let Ok(value) = HeaderValue::try_from(crate::binary::encode(&self.details))
        {
            trailers.insert(GRPC_STATUS_DETAILS, value);
        }
    }
}

/// What `grpc-message` escapes: all but space to tilde, and the percent sign
/// (gRPC over HTTP/2, "Status-Message").
const RESERVED: &AsciiSet = &CONTROLS.add(b'%');

/// The most bytes of `grpc-message`, encoded: clients bound their headers, and
/// one over the bound costs the status too.
const MAX_MESSAGE: usize = 8 * 1024;

/// As much of a message as fits when it is encoded.
fn fitting(message: &str) -> &str {
    let mut size = 0;
    for (at, character) in message.char_indices() {
        let bytes = &message.as_bytes()[at..at + character.len_utf8()];
        size += percent_encode(bytes, RESERVED).map(str::len).sum::<usize>();
        if size > MAX_MESSAGE {
            return &message[..at];
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_its_trailers() {
        let status = Status {
            code: Code::NotFound,
            message: "100% gone: é\n".into(),
            details: Bytes::from_static(b"\x08\x05"),
        };
        let mut trailers = HeaderMap::new();
        status.write_to(&mut trailers);
        assert_eq!(trailers[GRPC_MESSAGE], "100%25 gone: %C3%A9%0A");
        assert_eq!(Status::take_from(&mut trailers), Some(status));
        assert!(trailers.is_empty());
    }

    #[test]
    fn a_message_is_cut_to_what_a_header_takes() {
        for (text, times, kept) in [
            ("x", 8_192, 8_192),
            ("x", 8_193, 8_192),
            ("%", 1_000_000, 8_192 / 3),
            // Two bytes, six encoded.
            ("é", 1_000_000, 8_192 / 6),
        ] {
            let mut trailers = HeaderMap::new();
            Status::new(Code::Internal, text.repeat(times)).write_to(&mut trailers);
            assert!(trailers[GRPC_MESSAGE].len() <= 8_192);
            let status = Status::take_from(&mut trailers).unwrap();
            assert_eq!(status.message(), text.repeat(kept));
        }
    }

    #[test]
    fn numbers_and_codes_agree() {
        for (number, code) in (0..).zip(Code::ALL) {
            assert_eq!(code as i32, number);
            assert_eq!(Code::from_number(number), code);
        }
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(-1), Code::Unknown);
    }
}
