//! The servers that this program is when it starts itself: the service as one
//! writes it with tonic, without anything of ours around it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use portolan_users::proto::user::v1::user_service_server::{UserService, UserServiceServer};
use portolan_users::proto::user::v1::{
    BatchCreateUsersResponse, CreateUserRequest, CreateUserResponse, DeleteUserRequest,
    GetUserRequest, GetUserResponse, ListUsersRequest, SyncUsersRequest, SyncUsersResponse,
    UpdateUserRequest, UpdateUserResponse, User, UserRole,
};
use portolan_users::{Directory, Email, Name, NewUser, Settings, grpc};
use tokio::sync::RwLock;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

const NAME: &str = "John Doe";
const EMAIL: &str = "john@example.com";

/// What to be.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// The same service over the same store
    #[command(hide = true)]
    Plain { listen: SocketAddr, data: PathBuf },
    /// A service with its users in a map
    #[command(hide = true)]
    Map { listen: SocketAddr },
}

impl Role {
    /// Is it until it is killed.
    pub(crate) fn play(self) -> Result<()> {
        // The one core that it is pinned to has one worker.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut server = Server::builder().tcp_nodelay(true);
            match self {
                Self::Plain { listen, data } => {
                    let directory = Directory::open(&Settings::new(data))?;
                    let john = NewUser::new(
                        Email::new(EMAIL).map_err(anyhow::Error::msg)?,
                        Name::new(NAME).map_err(anyhow::Error::msg)?,
                    );
                    directory.create(john).await?;
                    let service = grpc::user_v1::UserGrpc::new(directory);
                    let service = UserServiceServer::new(service);
                    server.add_service(service).serve(listen).await?;
                }
                Self::Map { listen } => {
                    let service = UserServiceServer::new(Map::default());
                    server.add_service(service).serve(listen).await?;
                }
            }
            Ok(())
        })
    }
}

/// Users in a map, of which there is one to be had.
struct Map {
    users: RwLock<HashMap<String, User>>,
}

impl Default for Map {
    fn default() -> Self {
        let now = std::time::SystemTime::now().into();
        let john = User {
            id: "1".to_owned(),
            email: EMAIL.to_owned(),
            name: NAME.to_owned(),
            role: UserRole::Member.into(),
            created_at: Some(now),
            updated_at: Some(now),
        };
        let users = HashMap::from([(john.id.clone(), john)]);
        Self {
            users: RwLock::new(users),
        }
    }
}

/// What the others of the contract answer here: nothing of them is measured.
fn left_out<T>() -> Result<T, Status> {
    Err(Status::unimplemented("only GetUser is measured"))
}

#[tonic::async_trait]
impl UserService for Map {
    type ListUsersStream = grpc::Messages<User>;
    type SyncUsersStream = grpc::Messages<SyncUsersResponse>;

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let users = self.users.read().await;
        let user = users.get(&request.get_ref().id).cloned();
        let user = user.ok_or_else(|| Status::not_found("User not found"))?;
        Ok(Response::new(GetUserResponse { user: Some(user) }))
    }

    async fn create_user(
        &self,
        _: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        left_out()
    }

    async fn update_user(
        &self,
        _: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        left_out()
    }

    async fn delete_user(&self, _: Request<DeleteUserRequest>) -> Result<Response<()>, Status> {
        left_out()
    }

    async fn list_users(
        &self,
        _: Request<ListUsersRequest>,
    ) -> Result<Response<Self::ListUsersStream>, Status> {
        left_out()
    }

    async fn batch_create_users(
        &self,
        _: Request<Streaming<CreateUserRequest>>,
    ) -> Result<Response<BatchCreateUsersResponse>, Status> {
        left_out()
    }

    async fn sync_users(
        &self,
        _: Request<Streaming<SyncUsersRequest>>,
    ) -> Result<Response<Self::SyncUsersStream>, Status> {
        left_out()
    }
}
