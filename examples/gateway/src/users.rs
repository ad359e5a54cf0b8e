//! A directory of users, and an error for who is not in it.

use tonic::{Request, Response, Status};

use crate::proto::myapp::v1::user_service_server::UserService;
use crate::proto::myapp::v1::{GetUserRequest, User};

/// Knows Ada, whose number is 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Users;

impl Users {
    fn find(self, id: &str) -> Option<User> {
        (id == "1").then(|| User {
            id: id.to_owned(),
            name: "Ada Lovelace".to_owned(),
        })
    }
}

#[tonic::async_trait]
impl UserService for Users {
    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        let GetUserRequest { id } = request.into_inner();
        match self.find(&id) {
            Some(user) => Ok(Response::new(user)),
            None => Err(Status::not_found("User not found")),
        }
    }
}
