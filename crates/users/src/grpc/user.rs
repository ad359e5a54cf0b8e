//! `user.UserService`: the small contract.

use tonic::{Request, Response, Status};

use super::status::without_id;
use crate::{
    directory::Directory,
    error::{Error, Invalid},
    proto::user::{
        GetUserRequest, GetUserResponse, ListUsersRequest, ListUsersResponse, User,
        user_service_server::UserService,
    },
    user::{self, UserId},
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
    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let id = id(request.get_ref().id).map_err(without_id)?;
        let user = self.directory.get(id).await.map_err(without_id)?;
        let user = Some(user.into());
        Ok(Response::new(GetUserResponse { user }))
    }

    async fn list_users(
        &self,
        _: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let users = self.directory.active().await?;
        let users = users.into_iter().map(Into::into).collect();
        Ok(Response::new(ListUsersResponse { users }))
    }
}

/// The contract cannot tell 0 from nothing.
fn id(number: i32) -> Result<UserId, Error> {
    match number {
        0 => Err(Invalid::field("id", "User ID is required").into()),
        _ => UserId::new(number).ok_or_else(|| Error::NotFound(number.to_string())),
    }
}

impl From<user::User> for User {
    fn from(user: user::User) -> Self {
        Self {
            id: user.id.get(),
            name: user.name.as_str().into(),
            email: user.email.as_str().into(),
        }
    }
}
