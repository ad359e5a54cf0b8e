//! The users as `portolan serve` serves them: every protocol, the demo, each
//! service alone, and what survives a kill.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::HashMap;

use portolan::users::proto::user::ListUsersRequest;
use portolan::users::proto::user::user_service_client::UserServiceClient as Small;
use portolan::users::proto::user::v1;
use portolan::users::proto::user::v1::user_service_client::UserServiceClient;
use portolan::users::proto::users::v1::WatchUserChangesRequest;
use portolan::users::proto::users::v1::user_service_client::UserServiceClient as Streaming;
use serde_json::{Value, json};
use support::wire::{Answer, http1};
use support::{Folder, Server};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::Channel;

const JSON: &str = "content-type: application/json";
const LINES: &str = "content-type: application/x-ndjson";
const AS_LINES: &str = "accept: application/x-ndjson";

fn call(server: &Server, line: &str, headers: &[&str], body: &str) -> Answer {
    http1(server.address(), line, headers, body.as_bytes())
}

fn names(lines: &str) -> Vec<String> {
    lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|user| user["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_demo_has_the_tutorials_people_in_their_order() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--demo", "--only", "users"]);
    let all = call(&server, "GET /v1/users", &[AS_LINES], "");
    let everybody = ["John Doe", "Jane Smith", "Alice", "Bob", "Charlie"];
    assert_eq!(names(&all.text()), everybody);
    let path = "POST /user.UserService/ListUsers";
    let active = call(&server, path, &[JSON], "{}").json();
    assert_eq!(
        active["users"],
        json!([
            {"id": 1, "name": "John Doe", "email": "john@example.com"},
            {"id": 2, "name": "Jane Smith", "email": "jane@example.com"},
        ])
    );
    let path = "POST /user.UserService/GetUser";
    let nobody = call(&server, path, &[JSON], r#"{"id":99}"#);
    assert_eq!(
        (nobody.status, &nobody.json()["message"]),
        (404, &json!("User not found"))
    );
    server.stop();
    // A second start adds nobody.
    let server = Server::start(&folder, &["--demo", "--only", "users"]);
    let all = call(&server, "GET /v1/users", &[AS_LINES], "");
    assert_eq!(names(&all.text()), everybody);
    server.stop();
}

#[test]
fn rest_reaches_every_rule() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let john = r#"{"email":"john@example.com","name":"John","role":"USER_ROLE_ADMIN"}"#;
    let made = call(&server, "POST /v1/users", &[JSON], john).json();
    assert_eq!(made["user"]["id"], "1");
    let given = call(&server, "GET /v1/users/1", &[], "").json();
    assert_eq!(given, made);
    let path = "PATCH /v1/users/1";
    let changed = call(&server, path, &[JSON], r#"{"name":"Johnny"}"#).json();
    assert_eq!(
        (&changed["user"]["name"], &changed["user"]["role"]),
        (&json!("Johnny"), &json!("USER_ROLE_ADMIN"))
    );
    let masked = r#"{"name":"Jack","role":"USER_ROLE_MEMBER","updateMask":"name"}"#;
    let changed = call(&server, path, &[JSON], masked).json();
    assert_eq!(
        (&changed["user"]["name"], &changed["user"]["role"]),
        (&json!("Jack"), &json!("USER_ROLE_ADMIN"))
    );
    let body = r#"{"email":"jack@example.com"}"#;
    let changed = call(&server, "PUT /v1/users/1", &[JSON], body).json();
    assert_eq!(changed["user"]["email"], "jack@example.com");

    let two = "{\"email\":\"a@example.com\",\"name\":\"A\"}\n{\"email\":\"b@example.com\",\"name\":\"B\"}\n";
    let made = call(&server, "POST /v1/users:batchCreate", &[LINES], two).json();
    assert_eq!(
        (&made["createdCount"], &made["users"][1]["id"]),
        (&json!(2), &json!("3"))
    );
    let again = call(&server, "POST /v1/users:batchCreate", &[LINES], two);
    let error = again.json();
    assert_eq!(again.status, 409);
    assert_eq!(
        error["message"],
        "item 0: User with email a@example.com already exists"
    );
    assert_eq!(
        error["details"],
        json!([{
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [
                {"field": "items[0].email", "description": "another user has this email"},
            ],
        }])
    );
    let items = "{\"user\":{\"email\":\"c@example.com\",\"name\":\"C\"}}\n{\"user\":{\"id\":\"3\",\"name\":\"Bo\"}}\n";
    let synced = call(&server, "POST /v1/users:sync", &[LINES, AS_LINES], items).text();
    let status: Vec<Value> = synced
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["status"].clone())
        .collect();
    assert_eq!(status, ["SYNC_STATUS_CREATED", "SYNC_STATUS_UPDATED"]);

    let gone = call(&server, "DELETE /v1/users/2", &[], "");
    assert_eq!((gone.status, gone.text().as_str()), (200, "{}"));
    let gone = call(&server, "GET /v1/users/2", &[], "");
    assert_eq!((gone.status, &gone.json()["code"]), (404, &json!(5)));

    let first = call(&server, "GET /v1/users?page_size=2", &[AS_LINES], "");
    assert_eq!(names(&first.text()), ["Jack", "Bo"]);
    let token = first.header("next-page-token").unwrap();
    let path = format!("GET /v1/users?pageSize=2&page_token={token}");
    let second = call(&server, &path, &[AS_LINES], "");
    assert_eq!(names(&second.text()), ["C"]);
    assert_eq!(second.header("next-page-token"), None);
    let forged = call(&server, "GET /v1/users?page_token=x", &[AS_LINES], "");
    assert_eq!(forged.status, 400);
    server.stop();
}

#[test]
fn the_streams_of_users_v1_are_reached_over_http() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--only", "users"]);
    let service = "POST /users.v1.UserService";
    let file = "{\"metadata\":{\"filename\":\"a\",\"totalSize\":\"3\"}}\n{\"chunk\":\"YWJj\"}\n";
    let path = format!("{service}/UploadUserData");
    let stored = call(&server, &path, &[LINES], file).json();
    assert_eq!(
        stored,
        json!({
            "fileId": "file_ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "bytesUploaded": "3",
        })
    );
    let said = "{\"userId\":\"me\",\"content\":\"Hello\"}\n";
    let room = "x-room: deck";
    let path = format!("{service}/Chat");
    let heard = call(&server, &path, &[LINES, AS_LINES, room], said).json();
    assert_eq!(
        (&heard["userId"], &heard["content"]),
        (&json!("me"), &json!("Hello"))
    );
    let written = "{\"documentId\":\"d\",\"userId\":\"me\",\"type\":\"OPERATION_TYPE_INSERT\",\"text\":\"Hi\"}\n";
    let path = format!("{service}/CollaborativeEdit");
    let told = call(&server, &path, &[LINES, AS_LINES], written).json();
    assert_eq!(
        (&told["text"], &told["revision"]),
        (&json!("Hi"), &json!("1"))
    );
    // The named route is the canonical contract's, where it has the method.
    let path = "POST /grpc/user/getuser";
    let named = call(&server, path, &[JSON], r#"{"id":"1"}"#);
    assert_eq!(
        (named.status, &named.json()["detail"]),
        (404, &json!("User not found"))
    );
    server.stop();
}

#[test]
fn each_service_can_be_served_alone() {
    for (only, there, away) in [
        (
            "memory",
            "somafractalmemory.v1.MemoryService",
            "user.v1.UserService",
        ),
        (
            "users",
            "user.v1.UserService",
            "somafractalmemory.v1.MemoryService",
        ),
    ] {
        let folder = Folder::new();
        let server = Server::start(&folder, &["--only", only]);
        let health = |service: &str| {
            let path = "POST /grpc.health.v1.Health/Check";
            let body = json!({ "service": service }).to_string();
            call(&server, path, &[JSON], &body)
        };
        for service in [there, ""] {
            assert_eq!(health(service).json()["status"], "SERVING");
        }
        assert_eq!(health(away).status, 404);
        let document = call(&server, "GET /openapi.json", &[], "").json();
        let described = |service: &str| {
            let paths = document["paths"].as_object().unwrap();
            paths.keys().any(|path| path.contains(service))
        };
        assert!(described(there) && !described(away));
        let kept = |name: &str| folder.path().join("data").join(name).exists();
        assert_eq!(
            (kept("memory.db"), kept("users.db")),
            (only == "memory", only == "users")
        );
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_does_not_hold_up_the_end() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--only", "users"]);
    let mut client = Streaming::new(server.channel().await);
    let request = WatchUserChangesRequest::default();
    let mut changes = client
        .watch_user_changes(request)
        .await
        .unwrap()
        .into_inner();
    server.signal("TERM");
    let status = changes.message().await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "the server is ending; connect again")
    );
    let (status, _) = server.wait();
    assert!(status.success());
}

/// Makes users until the server is gone, counts them, and gives those that were
/// answered.
async fn make(
    mut client: UserServiceClient<Channel>,
    writer: usize,
    count: watch::Sender<usize>,
) -> Vec<v1::User> {
    let mut made = Vec::new();
    for i in 0.. {
        let request = v1::CreateUserRequest {
            email: format!("w{writer}-{i}-{}@example.com", std::process::id()),
            name: format!("writer {writer}"),
            role: 0,
        };
        match client.create_user(request).await {
            Ok(answer) => {
                made.push(answer.into_inner().user.unwrap());
                count.send_modify(|count| *count += 1);
            }
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(_) => break,
        }
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nobody_who_was_acknowledged() {
    let folder = Folder::new();
    let mut known: HashMap<String, v1::User> = HashMap::new();
    for round in 0..6 {
        let server = Server::start(&folder, &["--only", "users"]);
        let mut client = UserServiceClient::new(server.channel().await);
        for (id, user) in &known {
            let request = v1::GetUserRequest { id: id.clone() };
            let given = client.get_user(request).await.unwrap();
            assert_eq!(given.into_inner().user.as_ref(), Some(user));
        }
        let mut small = Small::new(server.channel().await);
        let listed = small.list_users(ListUsersRequest {}).await.unwrap();
        assert!(listed.get_ref().users.len() >= known.len());
        let mut writers = JoinSet::new();
        let (count, mut counted) = watch::channel(0);
        for writer in 0..4 {
            let client = UserServiceClient::new(server.channel().await);
            writers.spawn(make(client, round * 4 + writer, count.clone()));
        }
        // Others are on their way at that moment.
        let enough = 5 + 7 * round;
        counted.wait_for(|count| *count >= enough).await.unwrap();
        server.kill();
        while let Some(made) = writers.join_next().await {
            for user in made.unwrap() {
                let twice = known.insert(user.id.clone(), user);
                assert_eq!(twice, None, "an id was given twice");
            }
        }
    }
    let server = Server::start(&folder, &["--only", "users"]);
    let mut client = UserServiceClient::new(server.channel().await);
    for id in known.keys() {
        let request = v1::GetUserRequest { id: id.clone() };
        client.get_user(request).await.unwrap();
    }
    assert!(!server.log().contains("panic"));
    server.stop();
}
