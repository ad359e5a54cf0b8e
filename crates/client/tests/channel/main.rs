//! A channel against real servers on real sockets.

mod calls;
mod faults;
mod server;
mod tls;
