//! WebSockets, with a real server, real sockets and clients of both kinds of
//! HTTP.

mod ends;
mod flow;
mod frames;
mod handshake;
mod kinds;
pub(crate) mod meet;
