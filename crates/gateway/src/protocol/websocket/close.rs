//! How a WebSocket ends: close codes and reasons (RFC 6455 §7.4).

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::{Code, Status};

/// The close code of a status is this and the number of its code: codes from
/// 4000 on are for applications to give meaning to.
const FIRST: u16 = 4000;
/// The most bytes of a reason: a control frame has 125, and two are the code.
const MAX_REASON: usize = 123;

/// Why a conversation ends.
#[derive(Debug)]
pub(super) enum End {
    /// The call is over.
    Over(Status),
    /// The client broke the WebSocket protocol; this is the code for that.
    Broken(CloseCode, Status),
    /// The client closes.
    Closed,
    /// The client has gone, and nothing reaches it any more.
    Gone,
}

impl End {
    /// The end that an error of the WebSocket means, when it comes while
    /// frames are read.
    pub(super) fn of_read(error: &Error, limit: usize) -> Self {
        match error {
            Error::Capacity(_) => {
                let message = format!("a message is over the limit of {limit} bytes");
                Self::Broken(
                    CloseCode::Size,
                    Status::new(Code::ResourceExhausted, message),
                )
            }
            Error::Utf8(_) => {
                let status = Status::new(Code::InvalidArgument, "a text frame is not UTF-8");
                Self::Broken(CloseCode::Invalid, status)
            }
            // A connection that just ends breaks the protocol too, but there is
            // nobody to tell.
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Gone,
            Error::Protocol(problem) => {
                let message = format!("the client broke the WebSocket protocol: {problem}");
                Self::Broken(
                    CloseCode::Protocol,
                    Status::new(Code::InvalidArgument, message),
                )
            }
            _ => Self::Gone,
        }
    }

    /// The status of the call, unless the service has one.
    pub(super) fn status(&self) -> Option<&Status> {
        match self {
            Self::Over(status) | Self::Broken(_, status) => Some(status),
            Self::Closed | Self::Gone => None,
        }
    }

    /// How the call counts.
    pub(super) fn code(&self) -> Code {
        self.status().map_or(Code::Cancelled, Status::code)
    }

    /// The last frame, when somebody is there to read it.
    pub(super) fn frame(&self) -> Option<CloseFrame> {
        let (code, status) = match self {
            Self::Closed | Self::Gone => return None,
            Self::Broken(code, status) => (*code, status),
            Self::Over(status) => (close_code(status.code()), status),
        };
        Some(CloseFrame {
            code,
            reason: fitting(status.message()).into(),
        })
    }
}

fn close_code(code: Code) -> CloseCode {
    // Codes are 0 to 16.
    match u16::try_from(code as i32) {
        Ok(0) => CloseCode::Normal,
        Ok(number) => CloseCode::from(FIRST + number),
        Err(_) => CloseCode::Error,
    }
}

/// As much of a message as fits into a reason.
fn fitting(message: &str) -> &str {
    let mut end = message.len().min(MAX_REASON);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_close_code() {
        for (code, close) in [
            (Code::Ok, 1000),
            (Code::Cancelled, 4001),
            (Code::NotFound, 4005),
            (Code::Unauthenticated, 4016),
        ] {
            assert_eq!(u16::from(close_code(code)), close);
        }
    }

    #[test]
    fn a_reason_fits_into_its_frame() {
        assert_eq!(fitting("short"), "short");
        assert_eq!(fitting(&"x".repeat(1000)).len(), 123);
        assert_eq!(fitting(&"é".repeat(100)).len(), 122);
    }
}
