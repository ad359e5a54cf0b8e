//! One directory of users behind three contracts, with every kind of RPC: users
//! are made, changed, listed in pages, synchronised and watched; people talk in
//! rooms, write documents together and upload files.
//!
//! [`Directory`] is the service itself, in plain Rust. [`grpc`] serves it as
//! the contracts in `proto/user` and `proto/users`, as services for any tower
//! stack that speaks gRPC. Servers, gateways, flags and files of settings are
//! no part of this crate.

mod batch;
mod directory;
mod document;
mod documents;
mod error;
mod feed;
pub mod grpc;
mod page;
pub mod proto;
mod rooms;
mod settings;
mod store;
mod uploads;
mod user;

pub use portolan_sqlite::{Durability, Fault};

pub use self::{
    batch::{Batch, Creation},
    directory::{Directory, Page, UserStream},
    document::{
        Applied, Author, Document, DocumentId, Doing, MAX_LATE, MAX_TEXT, Operation, Proposal,
    },
    documents::{Documents, Editor},
    error::{Error, Fields, Invalid, Violation},
    feed::{MAX_BEHIND, Subscription},
    page::PageSize,
    proto::FILE_DESCRIPTOR_SET,
    rooms::{MAX_MESSAGE, Message, Participant, ROOMS, RoomName, Rooms, Saying, WAITING},
    settings::Settings,
    store::{Change, ChangeKind, Database},
    uploads::{FileFacts, MAX_FILE, Stored, Upload, Uploads},
    user::{
        Age, Email, Metadata, Moment, Name, NewUser, Role, Status, SyncUser, Synced, Tags, User,
        UserChange, UserId,
    },
};
