//! The details of a status: `google.rpc.Status` as it travels in
//! `grpc-status-details-bin`.

use prost::Message;

use crate::Status;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// One detail: a message and the name of its type (`google.protobuf.Any`).
#[derive(Clone, PartialEq, Message)]
pub struct Detail {
    #[prost(string, tag = "1")]
    /// Where its type is described; the part behind the last slash is its name.
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    /// The message, encoded.
    pub value: Vec<u8>,
}

impl Detail {
    /// The full name of the type.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or_default()
    }
}

/// The details of a status; none when they cannot be read.
pub fn of(status: &Status) -> Vec<Detail> {
    RpcStatus::decode(status.details().clone())
        .map(|status| status.details)
        .unwrap_or_default()
}

/// The status with these details.
#[must_use]
pub fn attach(status: Status, details: Vec<Detail>) -> Status {
    let whole = RpcStatus {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details,
    };
    status.with_details(whole.encode_to_vec().into())
}
