//! `users.v1.UserService`: every kind of RPC. The streams that go both ways are
//! in files of their own.

mod chat;
mod edit;
mod words;

use std::sync::Arc;

use futures_util::stream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use self::{chat::Talk, edit::Session};
use super::{Messages, ROOM, page};
use crate::{
    directory::Directory,
    error::{Error, Invalid},
    feed::Subscription,
    page::PageSize,
    proto::users::v1::{
        ChatMessage, CreateUserRequest, CreateUserResponse, CreateUsersResponse, DeleteUserRequest,
        EditOperation, GetUserRequest, GetUserResponse, ListUsersRequest, UpdateUserRequest,
        UpdateUserResponse, UploadDataChunk, UploadUserDataResponse, User, UserEvent,
        WatchUserChangesRequest, upload_data_chunk::Data, user_service_server::UserService,
    },
    rooms::RoomName,
    uploads::{FileFacts, Upload},
    user::UserId,
};

/// How many users one may name to be watched.
const WATCHED: usize = 1000;

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
    type WatchUserChangesStream = Messages<UserEvent>;
    type ChatStream = Messages<ChatMessage>;
    type CollaborativeEditStream = Messages<EditOperation>;

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let id = UserId::parse(&request.get_ref().id)?;
        let user = Some(self.directory.get(id).await?.into());
        Ok(Response::new(GetUserResponse { user }))
    }

    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let user = words::new_user(request.into_inner())?;
        let user = self.directory.create(user).await?;
        Ok(Response::new(CreateUserResponse {
            message: format!("User {} created", user.id),
            user: Some(user.into()),
        }))
    }

    async fn update_user(
        &self,
        request: Request<UpdateUserRequest>,
    ) -> Result<Response<UpdateUserResponse>, Status> {
        let request = request.into_inner();
        let id = UserId::parse(&request.id)?;
        let change = words::change(request)?;
        let user = Some(self.directory.update(id, change).await?.into());
        Ok(Response::new(UpdateUserResponse { user }))
    }

    async fn delete_user(
        &self,
        request: Request<DeleteUserRequest>,
    ) -> Result<Response<()>, Status> {
        let id = UserId::parse(&request.get_ref().id)?;
        self.directory.delete(id).await?;
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

    async fn watch_user_changes(
        &self,
        request: Request<WatchUserChangesRequest>,
    ) -> Result<Response<Self::WatchUserChangesStream>, Status> {
        let users = watched(&request.get_ref().user_ids)?;
        let watching = Watching {
            changes: self.directory.watch(users).await?,
            directory: self.directory.clone(),
        };
        let events = stream::try_unfold(watching, Watching::next);
        Ok(Response::new(Box::pin(events)))
    }

    async fn create_users(
        &self,
        request: Request<Streaming<CreateUserRequest>>,
    ) -> Result<Response<CreateUsersResponse>, Status> {
        let mut users = request.into_inner();
        let mut creation = self.directory.creation();
        while let Some(user) = users.message().await? {
            creation.push(words::new_user(user)).await?;
        }
        let (users, failed) = creation.finish().await?;
        Ok(Response::new(CreateUsersResponse {
            // The answer has no room for more than fit.
            created_count: users.len() as i32,
            failed_count: i32::try_from(failed).unwrap_or(i32::MAX),
            users: users.into_iter().map(Into::into).collect(),
        }))
    }

    async fn upload_user_data(
        &self,
        request: Request<Streaming<UploadDataChunk>>,
    ) -> Result<Response<UploadUserDataResponse>, Status> {
        let mut chunks = request.into_inner();
        let mut upload: Option<Upload> = None;
        while let Some(chunk) = chunks.message().await? {
            match (chunk.data, &mut upload) {
                (Some(Data::Metadata(facts)), None) => {
                    let (name, kind) = (&facts.filename, &facts.content_type);
                    let facts = FileFacts::new(name, facts.total_size, kind)?;
                    upload = Some(self.directory.uploads().begin(facts).await?);
                }
                (Some(Data::Chunk(bytes)), Some(upload)) => upload.write(bytes).await?,
                (Some(Data::Metadata(_)), Some(_)) => {
                    let reason = "the metadata comes once, and it came before";
                    return Err(Invalid::field("metadata", reason).into());
                }
                (_, None) => return Err(no_metadata().into()),
                (None, Some(_)) => {
                    let reason = "a part is metadata or a chunk, and this one is neither";
                    return Err(Invalid::field("data", reason).into());
                }
            }
        }
        let stored = upload.ok_or_else(no_metadata)?.finish().await?;
        Ok(Response::new(UploadUserDataResponse {
            file_id: stored.id,
            // A file has no more than its limit, which fits.
            bytes_uploaded: stored.size.cast_signed(),
        }))
    }

    async fn chat(
        &self,
        request: Request<Streaming<ChatMessage>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let room = room(request.metadata())?;
        let participant = self.directory.rooms().enter(room)?;
        let ending = self.directory.ending();
        let talk = Talk::new(request.into_inner(), participant, ending);
        let messages = stream::try_unfold(talk, Talk::next);
        Ok(Response::new(Box::pin(messages)))
    }

    async fn collaborative_edit(
        &self,
        request: Request<Streaming<EditOperation>>,
    ) -> Result<Response<Self::CollaborativeEditStream>, Status> {
        let documents = self.directory.documents().clone();
        let ending = self.directory.ending();
        let session = Session::new(request.into_inner(), documents, ending);
        let operations = stream::try_unfold(session, Session::next);
        Ok(Response::new(Box::pin(operations)))
    }
}

/// A stream of changes.
struct Watching {
    changes: Subscription,
    directory: Directory,
}

impl Watching {
    async fn next(mut self) -> Result<Option<(UserEvent, Self)>, Status> {
        let ending = self.directory.ending();
        let change = tokio::select! {
            change = self.changes.next() => change?,
            () = ending.cancelled() => return Err(Error::Ending.into()),
        };
        // The last one who is told takes it.
        let change = Arc::unwrap_or_clone(change);
        Ok(Some((change.into(), self)))
    }
}

fn watched(ids: &[String]) -> Result<Vec<UserId>, Error> {
    if ids.len() > WATCHED {
        let reason = format!("one watches at most {WATCHED} users; got {}", ids.len());
        return Err(Invalid::field("user_ids", reason).into());
    }
    ids.iter()
        .map(|id| match UserId::parse(id) {
            // Whoever is not there yet can be watched, but not what is no id.
            Err(Error::NotFound(id)) => {
                Err(Invalid::field("user_ids", format!("{id} is no user ID")).into())
            }
            read => read,
        })
        .collect()
}

fn room(metadata: &MetadataMap) -> Result<RoomName, Invalid> {
    match metadata.get(ROOM) {
        None => Ok(RoomName::default()),
        // What is no text is no name.
        Some(name) => RoomName::new(name.to_str().unwrap_or_default()),
    }
}

fn no_metadata() -> Invalid {
    Invalid::field("metadata", "the metadata comes first")
}
