//! `user.v1.UserService`: the canonical contract.

use futures_util::stream;
use prost_types::FieldMask;
use tonic::{Request, Response, Status, Streaming};

use super::{Messages, page, role, status::without_id, timestamp};
use crate::{
    directory::Directory,
    error::{Error, Fields, Invalid},
    page::PageSize,
    proto::user::v1::{
        BatchCreateUsersResponse, CreateUserRequest, CreateUserResponse, DeleteUserRequest,
        GetUserRequest, GetUserResponse, ListUsersRequest, SyncStatus, SyncUsersRequest,
        SyncUsersResponse, UpdateUserRequest, UpdateUserResponse, User, UserRole,
        user_service_server::UserService,
    },
    user::{self, Email, Name, NewUser, Role, SyncUser, Synced, UserChange, UserId},
};

/// The service.
#[derive(Clone)]
pub struct UserGrpc {
    directory: Directory,
}

impl UserGrpc {
    /// Serves this directory.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self { directory }
    }
}

#[tonic::async_trait]
impl UserService for UserGrpc {
    type ListUsersStream = Messages<User>;
    type SyncUsersStream = Messages<SyncUsersResponse>;

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let id = UserId::parse(&request.get_ref().id).map_err(without_id)?;
        let user = self.directory.get(id).await.map_err(without_id)?;
        let user = Some(user.into());
        Ok(Response::new(GetUserResponse { user }))
    }

    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let user = new_user(&request.into_inner())?;
        let user = self.directory.create(user).await?;
        let user = Some(user.into());
        Ok(Response::new(CreateUserResponse { user }))
    }

    async fn update_user(
        &self,
        request: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        let request = request.into_inner();
        let id = UserId::parse(&request.id).map_err(without_id)?;
        let change = change(request)?;
        let user = self.directory.update(id, change).await;
        let user = Some(user.map_err(without_id)?.into());
        Ok(Response::new(UpdateUserResponse { user }))
    }

    async fn delete_user(
        &self,
        request: Request<DeleteUserRequest>,
    ) -> Result<Response<()>, Status> {
        let id = UserId::parse(&request.get_ref().id).map_err(without_id)?;
        self.directory.delete(id).await.map_err(without_id)?;
        Ok(Response::new(()))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<Self::ListUsersStream>, Status> {
        let request = request.get_ref();
        let size = PageSize::new(request.page_size)?;
        let users = self.directory.list(size, &request.page_token).await?;
        Ok(page(users))
    }

    async fn batch_create_users(
        &self,
        request: Request<Streaming<CreateUserRequest>>,
    ) -> Result<Response<BatchCreateUsersResponse>, Status> {
        let mut users = request.into_inner();
        let mut batch = self.directory.batch();
        while let Some(user) = users.message().await? {
            batch.push(new_user(&user))?;
        }
        let users = batch.finish().await?;
        Ok(Response::new(BatchCreateUsersResponse {
            // A batch has no more than its limit, which fits.
            created_count: users.len() as i32,
            users: users.into_iter().map(Into::into).collect(),
        }))
    }

    async fn sync_users(
        &self,
        request: Request<Streaming<SyncUsersRequest>>,
    ) -> Result<Response<Self::SyncUsersStream>, Status> {
        let syncing = Syncing {
            directory: self.directory.clone(),
            users: request.into_inner(),
            index: 0,
        };
        let answers = stream::try_unfold(syncing, Syncing::next);
        Ok(Response::new(Box::pin(answers)))
    }
}

/// A stream of users that is being gone through: the next is read when the one
/// before it was answered, so a slow client waits for itself.
struct Syncing {
    directory: Directory,
    users: Streaming<SyncUsersRequest>,
    index: u64,
}

impl Syncing {
    async fn next(mut self) -> Result<Option<(SyncUsersResponse, Self)>, Status> {
        let Some(request) = self.users.message().await? else {
            return Ok(None);
        };
        let answer = self.sync(request).await;
        let answer = answer.map_err(|error| error.of_item(self.index))?;
        self.index += 1;
        Ok(Some((answer, self)))
    }

    async fn sync(&self, request: SyncUsersRequest) -> Result<SyncUsersResponse, Error> {
        let (user, synced) = self.directory.sync(sync_user(request)?).await?;
        let status = match synced {
            Synced::Created => SyncStatus::Created,
            Synced::Updated => SyncStatus::Updated,
            Synced::Unchanged => SyncStatus::Unchanged,
        };
        Ok(SyncUsersResponse {
            user: Some(user.into()),
            status: status.into(),
        })
    }
}

fn new_user(request: &CreateUserRequest) -> Result<NewUser, Invalid> {
    let mut fields = Fields::default();
    let user = NewUser::required(&mut fields, &request.email, &request.name);
    let role = role(&mut fields, request.role);
    let mut user = fields.finish(user)?;
    user.role = role.unwrap_or_default();
    Ok(user)
}

/// What is to be changed: what is present, or what the mask names.
fn change(request: UpdateUserRequest) -> Result<UserChange, Invalid> {
    let UpdateUserRequest {
        email,
        name,
        role: number,
        update_mask,
        ..
    } = request;
    let mut fields = Fields::default();
    let mask = update_mask.map(|mask| Mask::read(&mut fields, &mask));
    // Within a mask, what is absent is empty.
    let within = |field: fn(&Mask) -> bool, present: bool| match &mask {
        Some(mask) => field(mask),
        None => present,
    };
    let mut change = UserChange::default();
    if within(|mask| mask.email, email.is_some()) {
        let email = Email::new(&email.unwrap_or_default());
        change.email = fields.take("email", email);
    }
    if within(|mask| mask.name, name.is_some()) {
        let name = Name::new(&name.unwrap_or_default());
        change.name = fields.take("name", name);
    }
    if within(|mask| mask.role, number.is_some()) {
        let role = role(&mut fields, number.unwrap_or_default());
        change.role = Some(role.unwrap_or_default());
    }
    fields.finish(Some(change))
}

/// Which fields a mask names.
#[derive(Default)]
struct Mask {
    email: bool,
    name: bool,
    role: bool,
}

impl Mask {
    fn read(fields: &mut Fields, mask: &FieldMask) -> Self {
        let mut read = Self::default();
        for path in &mask.paths {
            match path.as_str() {
                "email" => read.email = true,
                "name" => read.name = true,
                "role" => read.role = true,
                "*" => {
                    read = Self {
                        email: true,
                        name: true,
                        role: true,
                    };
                }
                _ => {
                    let wrong = "update_mask names a field that is none of email, name, role, *";
                    fields.take::<()>("update_mask", Err(wrong.into()));
                    break;
                }
            }
        }
        read
    }
}

fn sync_user(request: SyncUsersRequest) -> Result<SyncUser, Invalid> {
    let user = request
        .user
        .ok_or_else(|| Invalid::field("user", "user is required"))?;
    let mut fields = Fields::default();
    let email = match user.email.as_str() {
        "" => None,
        email => fields.take("user.email", Email::new(email)),
    };
    let name = match user.name.as_str() {
        "" => None,
        name => fields.take("user.name", Name::new(name)),
    };
    let role = role(&mut fields, user.role);
    let change = UserChange {
        email,
        name,
        role,
        ..UserChange::default()
    };
    Ok(SyncUser {
        id: UserId::lenient(&user.id),
        change: fields.finish(Some(change))?,
    })
}

impl From<user::User> for User {
    fn from(user: user::User) -> Self {
        let role = match user.role {
            Role::Admin => UserRole::Admin,
            Role::Member => UserRole::Member,
        };
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().into(),
            name: user.name.as_str().into(),
            role: role.into(),
            created_at: timestamp(user.created_at),
            updated_at: timestamp(user.updated_at),
        }
    }
}
