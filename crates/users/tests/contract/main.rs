//! The three contracts as clients meet them: the generated clients over real
//! sockets, and the generated servers behind them.

// The helpers of tests are tests, too.
#![allow(clippy::unwrap_used)]

mod chat;
mod edit;
mod served;
mod small;
mod upload;
mod user_v1;
mod users_v1;
mod watch;

/// Over a data folder; over a database in `contract_postgres`.
const IN_DATABASE: bool = false;
