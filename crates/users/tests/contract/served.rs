//! A directory that is served on a port of its own, and what every test asks of
//! statuses.

use std::time::Duration;

use portolan_postgres::Postgres;
use portolan_users::{
    Database, Directory, Settings,
    grpc::{user, user_v1, users_v1},
    proto::{
        self,
        google::rpc::{BadRequest, bad_request::FieldViolation},
    },
};
use prost::Message;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc, time};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Code, Request, Status, Streaming,
    transport::{Channel, Server},
};

pub(crate) type V1 = proto::user::v1::user_service_client::UserServiceClient<Channel>;
pub(crate) type Users = proto::users::v1::user_service_client::UserServiceClient<Channel>;
pub(crate) type Small = proto::user::user_service_client::UserServiceClient<Channel>;

/// How long anything may take; tests share the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Served {
    pub(crate) directory: Directory,
    pub(crate) v1: V1,
    pub(crate) users: Users,
    pub(crate) small: Small,
    #[allow(dead_code, reason = "not every suite looks into it")]
    pub(crate) folder: TempDir,
}

/// Serves a directory of nobody.
pub(crate) async fn serve() -> Served {
    serve_bounded(4 << 20).await
}

/// The same, with answers of so many bytes.
pub(crate) async fn serve_bounded(max_answer: usize) -> Served {
    let folder = tempfile::tempdir().unwrap();
    // Where there is no PostgreSQL, which is said, over the folder once more.
    let postgres = crate::IN_DATABASE.then(Postgres::shared).flatten();
    let directory = match postgres {
        Some(postgres) => {
            let database = Database::new(&postgres.database()).unwrap();
            Directory::connect(&database).await.unwrap()
        }
        None => Directory::open(&Settings::new(folder.path())).unwrap(),
    };
    let directory = directory.with_max_answer(max_answer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .add_service(
            proto::user::v1::user_service_server::UserServiceServer::new(user_v1::UserGrpc::new(
                directory.clone(),
            )),
        )
        .add_service(
            proto::users::v1::user_service_server::UserServiceServer::new(users_v1::UserGrpc::new(
                directory.clone(),
            )),
        )
        .add_service(proto::user::user_service_server::UserServiceServer::new(
            user::UserGrpc::new(directory.clone()),
        ))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let channel = channel.connect().await.unwrap();
    Served {
        v1: V1::new(channel.clone()),
        users: Users::new(channel.clone()),
        small: Small::new(channel),
        directory,
        folder,
    }
}

impl Served {
    /// Makes a user of this name, and gives its id.
    pub(crate) async fn user(&self, name: &str) -> String {
        let request = proto::user::v1::CreateUserRequest {
            email: format!("{}@example.com", name.to_lowercase()),
            name: name.into(),
            role: 0,
        };
        let made = self.v1.clone().create_user(request).await.unwrap();
        made.into_inner().user.unwrap().id
    }
}

#[track_caller]
pub(crate) fn assert_status<T>(result: Result<T, Status>, code: Code, message: &str) -> Status {
    let Err(status) = result else {
        panic!("it should have been {code:?}: {message}");
    };
    assert_eq!((status.code(), status.message()), (code, message));
    status
}

/// The fields that a status says are wrong.
pub(crate) fn violations(status: &Status) -> Vec<FieldViolation> {
    #[derive(Clone, PartialEq, Message)]
    struct RpcStatus {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<prost_types::Any>,
    }
    let read = RpcStatus::decode(status.details()).unwrap();
    assert_eq!(
        (read.code, read.message.as_str()),
        (status.code() as i32, status.message())
    );
    let detail = &read.details[0];
    assert_eq!(detail.type_url, "type.googleapis.com/google.rpc.BadRequest");
    BadRequest::decode(&detail.value[..])
        .unwrap()
        .field_violations
}

pub(crate) fn with_metadata<T>(message: T, key: &'static str, value: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(key, value.parse().unwrap());
    request
}

/// A stream of requests that is fed by hand; dropping the sender ends it.
pub(crate) fn feed<T>() -> (mpsc::Sender<T>, ReceiverStream<T>) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, ReceiverStream::new(receiver))
}

/// The next message of a stream that has one.
pub(crate) async fn next<T>(stream: &mut Streaming<T>) -> T {
    let message = time::timeout(PATIENCE, stream.message()).await;
    message.unwrap().unwrap().unwrap()
}

/// How a stream ends: the status, or OK with nothing more.
pub(crate) async fn end<T>(stream: &mut Streaming<T>) -> Result<(), Status> {
    loop {
        match time::timeout(PATIENCE, stream.message()).await.unwrap() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(status) => return Err(status),
        }
    }
}
