//! One HTTP/2 connection to one server: what is above calls
//! [`Connection::call`] and knows nothing of frames.

mod connection;
mod dial;
mod io;
mod upload;

pub(crate) use connection::{Connection, Failure, Incoming};
pub(crate) use dial::Dialer;
pub(crate) use upload::Upload;
