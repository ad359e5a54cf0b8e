//! Other people's conformance suites, run against our testees. One suite is one
//! file; each sets up what it needs below the build folder.

pub(crate) mod connect;
pub(crate) mod differential;
mod go_tools;
pub(crate) mod interop;
mod loader;
pub(crate) mod packages;
pub(crate) mod protobuf;
pub(crate) mod rules;
pub(crate) mod schemathesis;
mod verdict;
