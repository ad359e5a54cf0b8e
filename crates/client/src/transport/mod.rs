//! One HTTP/2 connection to one server: what is above calls
//! [`Connection::call`] and knows nothing of frames.
//!
//! It is written for gRPC from a client: one kind of request, many at a time,
//! mostly small. `state` is what calls and the connection's task share; calls
//! put their frames into its `outbox` themselves, and the task (`driver`)
//! writes what has come together in one go. `receive` takes frames apart and
//! hands their content to `stream`s, `hpack` compresses headers, `cancel` rations
//! resets, `upload` remembers what may have to be sent again.

mod cancel;
mod connection;
mod dial;
mod driver;
mod frame;
mod hpack;
mod io;
mod outbox;
mod receive;
mod state;
mod stream;
mod upload;

use std::time::Duration;

use portolan_rpc::{Code, Status};

pub(crate) use connection::{Connection, Incoming, is_foreign};
pub(crate) use dial::Dialer;
pub(crate) use hpack::Head;
pub(crate) use upload::Upload;

/// Why a call got no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It never left us: it may be sent again.
    Unprocessed(Status),
    /// The server says that it has not begun to work on it: it may be sent again
    /// once (gRPC A6, "Transparent Retries").
    Refused(Status),
    /// Nobody knows how far it got.
    Broken(Status),
    /// What was to be sent broke off, which says nothing of the server.
    Request(Status),
}

impl Failure {
    pub(crate) fn into_status(self) -> Status {
        match self {
            Self::Unprocessed(status)
            | Self::Refused(status)
            | Self::Broken(status)
            | Self::Request(status) => status,
        }
    }

    /// Of a call that is asked for more after its end.
    fn gone() -> Self {
        Self::Broken(Status::new(Code::Internal, "the call is over"))
    }
}

/// How a client finds out that a server is gone though its connection is not
/// (gRPC, "Keepalive").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// After how much silence a ping is sent, or up to twice as much. Many
    /// servers end connections with pings more often than every five minutes.
    pub interval: Duration,
    /// How long the answer may take before the connection is given up.
    pub timeout: Duration,
    /// Whether pings are sent while there are no calls, too.
    pub without_calls: bool,
}

/// What a connection does by the clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    pub(crate) keep_alive: Option<KeepAlive>,
    /// After how long without calls it ends, or up to twice as long.
    pub(crate) idle: Option<Duration>,
}
