//! `portolan serve --database`: several servers over one PostgreSQL are one, a
//! killed server and a killed database lose nothing that was acknowledged, and
//! the database's password is told to nobody.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{fs, iter};

use portolan::users::proto::user::v1::user_service_client::UserServiceClient;
use portolan::users::proto::user::v1::{CreateUserRequest, GetUserRequest};
use portolan::users::proto::users::v1::edit_operation::OperationType;
use portolan::users::proto::users::v1::user_service_client::UserServiceClient as Streaming;
use portolan::users::proto::users::v1::{
    ChatMessage, EditOperation, UserEvent, WatchUserChangesRequest,
};
use portolan_postgres::Postgres;
use serde_json::json;
use support::wire::http1;
use support::{Folder, PATIENCE, Server, run, text};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming as Stream};

type V1 = UserServiceClient<Channel>;

/// The URL of a new database, with a password that nobody asks for.
fn database(postgres: &Postgres) -> String {
    let url = postgres.database();
    url.replace("postgres@", "postgres:hunter2@")
}

fn serve(url: &str) -> (Folder, Server) {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--only", "users", "--database", url]);
    (folder, server)
}

fn person(number: u64) -> CreateUserRequest {
    CreateUserRequest {
        email: format!("p{number}@example.com"),
        name: format!("Person {number}"),
        role: 0,
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.expect("it takes too long")
}

async fn next<T>(stream: &mut Stream<T>) -> T {
    soon(stream.message()).await.unwrap().unwrap()
}

async fn watch(server: &Server) -> Stream<UserEvent> {
    let mut client = Streaming::new(server.channel().await);
    let all = WatchUserChangesRequest { user_ids: vec![] };
    client.watch_user_changes(all).await.unwrap().into_inner()
}

fn feed<T>() -> (Sender<T>, ReceiverStream<T>) {
    let (sender, receiver) = channel(4);
    (sender, ReceiverStream::new(receiver))
}

/// Waits until the server's health says this of a service.
fn until_health_is(server: &Server, service: &str, status: &str) {
    let begin = Instant::now();
    loop {
        let answer = http1(
            server.address(),
            "POST /grpc.health.v1.Health/Check",
            &["content-type: application/json"],
            json!({ "service": service }).to_string().as_bytes(),
        );
        if answer.json()["status"] == status {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{}", server.log());
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_over_one_database_are_one() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let url = database(postgres);
    let (_kept, one) = serve(&url);
    let folder = Folder::new();
    fs::write(folder.join("users.url"), format!("{url}\n")).unwrap();
    let config = "only: users\nusers: {database_file: users.url, connections: 3}\n";
    fs::write(folder.join("portolan.yaml"), config).unwrap();
    let other = Server::start(&folder, &["--config", &folder.join("portolan.yaml")]);

    let mut changes = watch(&other).await;
    let made = V1::new(one.channel().await).create_user(person(1)).await;
    let made = made.unwrap().into_inner().user.unwrap();
    assert_eq!(next(&mut changes).await.user.unwrap().id, made.id);

    let (mut voices, mut rooms) = (Vec::new(), Vec::new());
    for server in [&one, &other] {
        let (voice, messages) = feed();
        let mut client = Streaming::new(server.channel().await);
        rooms.push(client.chat(messages).await.unwrap().into_inner());
        voices.push(voice);
    }
    for (voice, content) in voices.iter().zip(["ahoy", "aye"]) {
        let said = ChatMessage {
            user_id: "me".into(),
            content: content.into(),
            timestamp: None,
        };
        voice.send(said).await.unwrap();
        for room in &mut rooms {
            assert_eq!(next(room).await.content, content);
        }
    }

    let (mut hands, mut pages) = (Vec::new(), Vec::new());
    for server in [&one, &other] {
        let (hand, operations) = feed();
        hand.send(edit("")).await.unwrap();
        let mut client = Streaming::new(server.channel().await);
        pages.push(
            client
                .collaborative_edit(operations)
                .await
                .unwrap()
                .into_inner(),
        );
        hands.push(hand);
    }
    for (hand, letter) in hands.iter().zip(["a", "b"]) {
        hand.send(edit(letter)).await.unwrap();
    }
    let mut texts = Vec::new();
    for page in &mut pages {
        texts.push(written(page, 2).await);
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0].len(), 2);

    for server in [one, other] {
        assert!(!server.log().contains("hunter2"));
        drop(server);
    }
}

#[test]
fn servers_that_start_at_once_bring_the_people_of_the_demo_once() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let url = database(postgres);
    let start = || {
        let folder = Folder::new();
        let arguments = ["--only", "users", "--demo", "--database", &url];
        let server = Server::start(&folder, &arguments);
        (folder, server)
    };
    std::thread::scope(|scope| {
        let servers = [(); 3].map(|()| scope.spawn(start));
        for server in servers {
            let (_folder, server) = server.join().unwrap();
            let list = &["accept: application/x-ndjson"];
            let users = http1(server.address(), "GET /v1/users", list, b"");
            assert_eq!(users.text().lines().count(), 5, "{}", users.text());
            server.stop();
        }
    });
}

fn edit(text: &str) -> EditOperation {
    let kind = match text {
        "" => OperationType::Unspecified,
        _ => OperationType::Insert,
    };
    EditOperation {
        document_id: "minutes".into(),
        user_id: "me".into(),
        text: text.into(),
        r#type: kind.into(),
        ..EditOperation::default()
    }
}

/// The text that one who writes sees, when it has this revision.
async fn written(page: &mut Stream<EditOperation>, revision: i64) -> String {
    let mut text = String::new();
    loop {
        let done = next(page).await;
        text.insert_str(done.position as usize, &done.text);
        if done.revision >= revision {
            return text;
        }
    }
}

/// Who was acknowledged, by id.
type Ledger = Arc<Mutex<HashMap<String, String>>>;

/// Makes people until it fails, and says by what.
async fn write(mut client: V1, ledger: Ledger, numbers: Arc<AtomicU64>) -> Status {
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        match client.create_user(person(number)).await {
            Ok(made) => {
                let made = made.into_inner().user.unwrap();
                ledger.lock().unwrap().insert(made.id, made.email);
            }
            Err(status) => return status,
        }
    }
}

async fn load(server: &Server, ledger: &Ledger, numbers: &Arc<AtomicU64>) -> JoinSet<Status> {
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let client = V1::new(server.channel().await);
        writers.spawn(write(client, ledger.clone(), numbers.clone()));
    }
    writers
}

async fn until_acknowledged(ledger: &Ledger, more: usize) {
    let until = ledger.lock().unwrap().len() + more;
    soon(async {
        while ledger.lock().unwrap().len() < until {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Everybody who was acknowledged is there, and a watcher was told of each.
async fn assert_complete(server: &Server, ledger: &Ledger, changes: &mut Stream<UserEvent>) {
    let acknowledged = ledger.lock().unwrap().clone();
    let mut client = V1::new(server.channel().await);
    for (id, email) in &acknowledged {
        let request = GetUserRequest { id: id.clone() };
        let found = client.get_user(request).await.unwrap().into_inner();
        assert_eq!(found.user.unwrap().email, *email);
    }
    let last = client.create_user(person(u64::MAX)).await.unwrap();
    let last = last.into_inner().user.unwrap();
    let mut told: Vec<i32> = Vec::new();
    let id = last.id.parse().unwrap();
    while told.last() != Some(&id) {
        let user = next(changes).await.user.unwrap();
        told.push(user.id.parse().unwrap());
    }
    assert!(told.is_sorted_by(|a, b| a < b), "in order, and each once");
    let all: Vec<i32> = iter::successors(Some(1), |id| Some(id + 1))
        .take(told.len())
        .collect();
    assert_eq!(told, all, "nobody is missing");
    assert!(acknowledged.len() < told.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_acknowledged() {
    let Some(postgres) = Postgres::shared() else {
        return;
    };
    let url = database(postgres);
    let (_folder, other) = serve(&url);
    let mut changes = watch(&other).await;
    let (ledger, numbers) = (Ledger::default(), Arc::new(AtomicU64::new(0)));
    for _ in 0..3 {
        let (_folder, one) = serve(&url);
        let mut writers = load(&one, &ledger, &numbers).await;
        until_acknowledged(&ledger, 200).await;
        one.kill();
        while let Some(ended) = soon(writers.join_next()).await {
            let code = ended.unwrap().code();
            assert!(
                matches!(
                    code,
                    Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
                ),
                "{code}"
            );
        }
    }
    assert_complete(&other, &ledger, &mut changes).await;
    other.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_loses_nothing_and_is_told_by_health() {
    let Some(postgres) = Postgres::start(&[], &[]) else {
        return;
    };
    let (_folder, server) = serve(&database(&postgres));
    let mut changes = watch(&server).await;
    let (ledger, numbers) = (Ledger::default(), Arc::new(AtomicU64::new(0)));
    for _ in 0..3 {
        let mut writers = load(&server, &ledger, &numbers).await;
        until_acknowledged(&ledger, 200).await;
        postgres.stop();
        while let Some(ended) = soon(writers.join_next()).await {
            let status = ended.unwrap();
            assert_eq!(
                (status.code(), status.message()),
                (
                    Code::Unavailable,
                    "the database of the users does not answer; try again in a moment"
                )
            );
        }
        for service in ["", "user.v1.UserService", "users.v1.UserService"] {
            until_health_is(&server, service, "NOT_SERVING");
        }
        postgres.start_again();
        for service in ["", "user.UserService"] {
            until_health_is(&server, service, "SERVING");
        }
    }
    assert_complete(&server, &ledger, &mut changes).await;
    assert!(!server.log().contains("hunter2"));
    server.stop();
}

#[test]
fn a_database_that_is_not_there_is_one_line_without_its_password() {
    let folder = Folder::new();
    fs::write(folder.join("bad.url"), "postgres://u:hunter2@db:port/x").unwrap();
    let bad = folder.join("bad.url");
    let (data, nobody) = (folder.data(), "postgres://u:hunter2@127.0.0.1:1/x");
    for (arguments, code, part) in [
        (["--database", nobody], 1, "x on 127.0.0.1:1 cannot be used"),
        (["--database", "hunter2"], 1, "cannot be understood; write"),
        (["--database-file", &bad], 1, "cannot be understood; write"),
        (["--database-file", "/nowhere"], 1, "database URL /nowhere"),
    ] {
        let begin = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
        let output = run(begin.iter().chain(&arguments));
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(part), "{error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
