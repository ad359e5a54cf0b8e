//! How every store keeps what a column has no kind for: words of the domain as
//! numbers, tags and metadata as JSON.

use crate::{
    document::Doing,
    store::ChangeKind,
    user::{Metadata, Role, Status, Tags},
};

/// A role as it is kept.
pub(super) fn role(role: Role) -> i32 {
    match role {
        Role::Admin => 1,
        Role::Member => 2,
    }
}

/// A role as it was kept.
pub(super) fn role_of(number: i32) -> Role {
    match number {
        1 => Role::Admin,
        _ => Role::Member,
    }
}

/// A status as it is kept.
pub(super) fn status(status: Status) -> i32 {
    match status {
        Status::Active => 1,
        Status::Inactive => 2,
        Status::Suspended => 3,
    }
}

/// A status as it was kept.
pub(super) fn status_of(number: i32) -> Status {
    match number {
        2 => Status::Inactive,
        3 => Status::Suspended,
        _ => Status::Active,
    }
}

/// What happened, as it is kept.
pub(super) fn kind(kind: ChangeKind) -> i32 {
    match kind {
        ChangeKind::Created => 1,
        ChangeKind::Updated => 2,
        ChangeKind::Deleted => 3,
    }
}

/// What happened, as it was kept.
pub(super) fn kind_of(number: i32) -> ChangeKind {
    match number {
        1 => ChangeKind::Created,
        3 => ChangeKind::Deleted,
        _ => ChangeKind::Updated,
    }
}

/// What an operation does, as it is kept.
pub(super) fn doing(doing: Doing) -> i32 {
    match doing {
        Doing::Insert => 1,
        Doing::Delete => 2,
        Doing::Replace => 3,
    }
}

/// What an operation does, as it was kept.
pub(super) fn doing_of(number: i32) -> Doing {
    match number {
        1 => Doing::Insert,
        3 => Doing::Replace,
        _ => Doing::Delete,
    }
}

/// Tags as they are kept.
pub(super) fn tags(tags: &Tags) -> String {
    serde_json::json!(tags.as_slice()).to_string()
}

/// Metadata as it is kept.
pub(super) fn metadata(metadata: &Metadata) -> String {
    serde_json::json!(metadata.as_map()).to_string()
}
