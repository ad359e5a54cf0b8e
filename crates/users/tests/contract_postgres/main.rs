//! The contract again, over a database: what clients meet is the same. What is in
//! a data folder has no part in it.

// The helpers of tests are tests, too.
#![allow(clippy::unwrap_used)]

#[path = "../contract/chat.rs"]
mod chat;
#[path = "../contract/edit.rs"]
mod edit;
#[path = "../contract/served.rs"]
mod served;
#[path = "../contract/small.rs"]
mod small;
#[path = "../contract/user_v1.rs"]
mod user_v1;
#[path = "../contract/users_v1.rs"]
mod users_v1;
#[path = "../contract/watch.rs"]
mod watch;

const IN_DATABASE: bool = true;
