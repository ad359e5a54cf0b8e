//! The contracts' messages, services and clients, generated from `proto/user`
//! and `proto/users`, and their descriptors. Nothing is added here.

// Written by a generator, which does not follow our lints.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// The contracts of this crate with everything they import, encoded as a
/// `google.protobuf.FileDescriptorSet` with comments and options: what
/// reflection and the gateway read.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/users.fds"));

/// Package `user`, and below it `user.v1`.
pub mod user {
    include!(concat!(env!("OUT_DIR"), "/user.rs"));

    /// Package `user.v1`.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/user.v1.rs"));
    }
}

/// Below it package `users.v1`.
pub mod users {
    /// Package `users.v1`.
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/users.v1.rs"));
    }
}

/// Below it package `google.rpc`.
pub mod google {
    /// Package `google.rpc`: details of statuses.
    pub mod rpc {
        include!(concat!(env!("OUT_DIR"), "/google.rpc.rs"));
    }
}
