//! The messages of `users.v1` in the words of the domain, and back.

use crate::{
    error::{Fields, Invalid},
    grpc::timestamp,
    proto::users::v1::{
        CreateUserRequest, UpdateUserRequest, User, UserEvent, UserStatus, user_event::EventType,
    },
    store::{Change, ChangeKind},
    user::{self, Age, Email, Metadata, Name, NewUser, Status, Tags, UserChange},
};

pub(super) fn new_user(request: CreateUserRequest) -> Result<NewUser, Invalid> {
    let mut fields = Fields::default();
    let user = NewUser::required(&mut fields, &request.email, &request.name);
    let age = fields.take("age", Age::new(request.age));
    let tags = fields.take("tags", Tags::new(request.tags));
    let profile = request.profile.unwrap_or_default();
    let pairs = [("bio", profile.bio), ("avatar_url", profile.avatar_url)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value));
    let metadata = fields.take("profile", Metadata::new(pairs.collect()));
    let mut user = fields.finish(user)?;
    user.age = age.unwrap_or_default();
    user.tags = tags.unwrap_or_default();
    user.metadata = metadata.unwrap_or_default();
    Ok(user)
}

/// What is to be changed: what is not empty, since the contract cannot tell
/// empty from absent.
pub(super) fn change(request: UpdateUserRequest) -> Result<UserChange, Invalid> {
    let mut fields = Fields::default();
    let mut change = UserChange::default();
    if !request.email.is_empty() {
        change.email = fields.take("email", Email::new(&request.email));
    }
    if !request.name.is_empty() {
        change.name = fields.take("name", Name::new(&request.name));
    }
    if request.age != 0 {
        change.age = fields.take("age", Age::new(request.age));
    }
    if !request.tags.is_empty() {
        change.tags = fields.take("tags", Tags::new(request.tags));
    }
    if !request.metadata.is_empty() {
        change.metadata = fields.take("metadata", Metadata::new(request.metadata));
    }
    let status = match request.status {
        0 => Ok(None),
        1 => Ok(Some(Status::Active)),
        2 => Ok(Some(Status::Inactive)),
        3 => Ok(Some(Status::Suspended)),
        number => Err(format!("status {number} is none of UserStatus")),
    };
    change.status = fields.take("status", status).flatten();
    fields.finish(Some(change))
}

impl From<user::User> for User {
    fn from(user: user::User) -> Self {
        let status = match user.status {
            Status::Active => UserStatus::Active,
            Status::Inactive => UserStatus::Inactive,
            Status::Suspended => UserStatus::Suspended,
        };
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().into(),
            name: user.name.as_str().into(),
            age: user.age.get(),
            is_active: user.status == Status::Active,
            tags: user.tags.as_slice().to_vec(),
            created_at: timestamp(user.created_at),
            status: status.into(),
            metadata: user.metadata.as_map().clone(),
            updated_at: timestamp(user.updated_at),
        }
    }
}

impl From<Change> for UserEvent {
    fn from(change: Change) -> Self {
        let kind = match change.kind {
            ChangeKind::Created => EventType::Created,
            ChangeKind::Updated => EventType::Updated,
            ChangeKind::Deleted => EventType::Deleted,
        };
        Self {
            r#type: kind.into(),
            user: Some(change.user.into()),
            timestamp: timestamp(change.at),
        }
    }
}
