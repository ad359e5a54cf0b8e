//! The gateway as a library: what is refused when it is built, its routes in
//! an axum app, its own port, and its services without any.
#![allow(clippy::unwrap_used, reason = "what tests share is test code too")]

mod building;
mod choices;
mod greeter;
mod in_app;
mod in_process;
mod own_port;
