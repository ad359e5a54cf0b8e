//! Who may call: every kind of RPC by every protocol, with and without tokens;
//! a gateway in front of a server; the command that makes tokens.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use portolan::users::proto::user::v1::user_service_client::UserServiceClient;
use portolan::users::proto::user::v1::{GetUserRequest, ListUsersRequest};
use serde_json::{Value, json};
use support::wire::{connect, http1};
use support::{Folder, Server, portolan, run, text};
use tonic::Request;

const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";
const MISSING: &str = "Missing or invalid authorization header";
const LACKS: &str = "this method needs the scope `users`, which the token lacks";
/// The four kinds: unary, server, client and both ways.
const METHODS: [&str; 4] = ["GetUser", "ListUsers", "BatchCreateUsers", "SyncUsers"];

/// A folder with a secret, static tokens and a configuration.
fn folder() -> Folder {
    let folder = Folder::new();
    let write = |name: &str, contents: &str| fs::write(folder.path().join(name), contents).unwrap();
    write("secret", &format!("{SECRET}\n"));
    write("tokens", "static-token-of-alice alice users\n");
    write(
        "portolan.yaml",
        "auth:\n  tokens: tokens\n  jwt_secret_file: secret\n  leeway: 0s\n  \
         scopes: {user.v1.*: [users]}\n",
    );
    folder
}

/// A token of the command line.
fn issue(folder: &Folder, arguments: &[&str]) -> String {
    let secret = folder.join("secret");
    let common = [
        "token",
        "issue",
        "--secret-file",
        &secret,
        "--user-id",
        "42",
    ];
    let output = run(common.iter().chain(arguments));
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// What a client was told: an HTTP status, and all of the answer.
struct Told {
    status: u16,
    text: String,
    challenge: Option<String>,
}

fn ask(server: &Server, headers: &[&str], path: &str, token: Option<&str>, body: &[u8]) -> Told {
    let token = token.map(|token| format!("authorization: Bearer {token}"));
    let headers = headers.iter().copied().chain(token.as_deref());
    let headers: Vec<_> = headers.collect();
    let answer = http1(server.address(), &format!("POST {path}"), &headers, body);
    Told {
        status: answer.status,
        challenge: answer.header("www-authenticate").map(str::to_owned),
        text: format!("{}\n{}", answer.head, answer.text()),
    }
}

/// A WebSocket with one message: all that comes until the server closes, or
/// the first bytes behind the handshake.
fn websocket(server: &Server, path: &str, token: Option<&str>, whole: bool) -> Told {
    let mut stream = connect(server.address());
    let token = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{token}\r\n"
    );
    // A masked frame with `{}`; the mask is zero.
    let message = b"\x81\x82\0\0\0\0{}";
    stream
        .write_all(&[head.as_bytes(), message].concat())
        .unwrap();
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let size = stream.read(&mut piece).unwrap_or_default();
        all.extend_from_slice(&piece[..size]);
        let head = all.windows(4).position(|four| four == b"\r\n\r\n");
        let has_more = head.is_some_and(|head| all.len() > head + 4);
        if size == 0 || (has_more && !whole) || all.windows(2).any(|two| two[0] == 0x88) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&all).into_owned();
    let status = text.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    Told {
        status,
        text,
        challenge: None,
    }
}

const PROTOCOLS: [&str; 6] = ["grpc-web", "connect", "rest", "ndjson", "sse", "websocket"];

/// A call by one protocol, with an empty message or none.
fn call(server: &Server, protocol: &str, method: &str, token: Option<&str>) -> Told {
    let path = format!("/user.v1.UserService/{method}");
    let (json, streams) = (
        "content-type: application/json",
        method == "BatchCreateUsers" || method == "SyncUsers",
    );
    match protocol {
        "grpc-web" => {
            let headers = ["content-type: application/grpc-web+proto"];
            let body: &[u8] = if streams { b"" } else { b"\0\0\0\0\0" };
            ask(server, &headers, &path, token, body)
        }
        "connect" if method == "GetUser" => {
            let headers = [
                "content-type: application/proto",
                "connect-protocol-version: 1",
            ];
            ask(server, &headers, &path, token, b"")
        }
        "connect" => {
            let headers = [
                "content-type: application/connect+json",
                "connect-protocol-version: 1",
            ];
            let body: &[u8] = if streams { b"" } else { b"\0\0\0\0\x02{}" };
            ask(server, &headers, &path, token, body)
        }
        "rest" => ask(
            server,
            &[json],
            &path,
            token,
            if streams { b"[]" } else { b"{}" },
        ),
        "ndjson" | "sse" => {
            let accept = match protocol {
                "sse" => "accept: text/event-stream",
                _ => "accept: application/x-ndjson",
            };
            let lines = if streams {
                "content-type: application/x-ndjson"
            } else {
                json
            };
            ask(
                server,
                &[lines, accept],
                &path,
                token,
                if streams { b"" } else { b"{}" },
            )
        }
        "websocket" => websocket(server, &path, token, false),
        _ => unreachable!("{protocol}"),
    }
}

#[test]
fn every_kind_of_rpc_by_every_protocol_is_for_those_who_may() {
    let folder = folder();
    let server = Server::start(&folder, &["--config", &folder.join("portolan.yaml")]);
    let good = issue(&folder, &["--scope", "users", "--scope", "more"]);
    let lacking = issue(&folder, &["--scope", "user"]);
    let expired = issue(&folder, &["--scope", "users", "--expires-in", "0s"]);
    let (head, rest) = good.split_once('.').unwrap();
    let (body, _) = rest.split_once('.').unwrap();
    let forged = format!("{head}.{body}.AAAA");
    for protocol in PROTOCOLS {
        for method in METHODS {
            for (token, status, code, says) in [
                (None, 401, 16, MISSING),
                (Some("no-token"), 401, 16, "Invalid token"),
                (Some(&*forged), 401, 16, "Invalid token"),
                (Some(&*expired), 401, 16, "Token has expired"),
                (Some(&*lacking), 403, 7, LACKS),
            ] {
                let told = call(&server, protocol, method, token);
                let place = format!(
                    "{protocol} {method} {token:?}: {} {}",
                    told.status, told.text
                );
                assert!(told.text.contains(says), "{place}");
                match protocol {
                    "grpc-web" => {
                        let status = told.text.replace(": ", ":");
                        assert!(status.contains(&format!("grpc-status:{code}")), "{place}");
                    }
                    // A stream's head is always 200.
                    "connect" if method != "GetUser" => assert_eq!(told.status, 200, "{place}"),
                    "websocket" => assert_eq!(told.status, 101, "{place}"),
                    _ => {
                        assert_eq!(told.status, status, "{place}");
                        let challenge = told.challenge.as_deref().unwrap_or_default();
                        assert!(challenge.starts_with("Bearer"), "{place}");
                    }
                }
            }
            for token in [&*good, "static-token-of-alice"] {
                let told = call(&server, protocol, method, Some(token));
                let place = format!("{protocol} {method}: {} {}", told.status, told.text);
                for refusal in [MISSING, "Invalid token", "expired", LACKS] {
                    assert!(!told.text.contains(refusal), "{place}");
                }
                if method == "GetUser" {
                    assert!(told.text.contains("User ID is required"), "{place}");
                }
            }
        }
    }
    // Whoever keeps the log sees every refusal, and what is told to nobody not.
    server.until_logged("PERMISSION_DENIED");
    server.until_logged("UNAUTHENTICATED");
    let figures = http1(server.address(), "GET /metrics", &[], b"").text();
    assert!(figures.contains("UNAUTHENTICATED"), "{figures}");
    let log = server.log();
    for secret in [
        SECRET,
        "static-token-of-alice",
        &*good,
        &*lacking,
        "no-token",
        body,
    ] {
        assert!(!log.contains(secret), "{log}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_is_for_those_who_may() {
    let folder = folder();
    let server = Server::start(&folder, &["--config", &folder.join("portolan.yaml")]);
    let good = issue(&folder, &["--scope", "users"]);
    let lacking = issue(&folder, &[]);
    let channel = server.channel().await;
    for (token, expected) in [
        (None, Some((tonic::Code::Unauthenticated, MISSING))),
        (
            Some("no-token"),
            Some((tonic::Code::Unauthenticated, "Invalid token")),
        ),
        (
            Some(&*lacking),
            Some((tonic::Code::PermissionDenied, LACKS)),
        ),
        (Some(&*good), None),
    ] {
        let token = token.map(str::to_owned);
        let authorize = move |mut request: Request<()>| {
            if let Some(token) = &token {
                let value = format!("Bearer {token}").parse().unwrap();
                request.metadata_mut().insert("authorization", value);
            }
            Ok(request)
        };
        let mut client = UserServiceClient::with_interceptor(channel.clone(), authorize);
        let answers = [
            client.get_user(GetUserRequest::default()).await.err(),
            client.list_users(ListUsersRequest::default()).await.err(),
            client.batch_create_users(tokio_stream::empty()).await.err(),
            client.sync_users(tokio_stream::empty()).await.err(),
        ];
        for (answer, method) in answers.into_iter().zip(METHODS) {
            let said = answer
                .as_ref()
                .map(|status| (status.code(), status.message()));
            match expected {
                Some(expected) => assert_eq!(said, Some(expected), "{method}"),
                None => assert!(
                    said.is_none_or(|(code, _)| code == tonic::Code::InvalidArgument),
                    "{method}: {said:?}"
                ),
            }
        }
    }
    server.stop();
}

fn status(server: &Server, line: &str) -> u16 {
    http1(
        server.address(),
        line,
        &["content-type: application/json"],
        b"{}",
    )
    .status
}

#[test]
fn what_is_no_call_and_what_is_public_needs_no_token() {
    let folder = folder();
    let tokens = folder.join("tokens");
    let server = Server::start(&folder, &["--auth-tokens", &tokens]);
    for line in [
        "GET /docs",
        "GET /openapi.json",
        "GET /metrics",
        "POST /grpc.health.v1.Health/Check",
    ] {
        assert!(status(&server, line) < 400, "{line}");
    }
    assert_eq!(status(&server, "GET /nowhere"), 404);
    assert_eq!(status(&server, "GET /v1/users/1"), 401);
    let document = http1(server.address(), "GET /openapi.json", &[], b"").json();
    assert_eq!(
        document["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    server.stop();

    fs::write(
        folder.path().join("closed.yaml"),
        "auth: {tokens: tokens, public: []}",
    )
    .unwrap();
    let closed = folder.join("closed.yaml");
    let server = Server::start(&folder, &["--config", &closed]);
    assert_eq!(status(&server, "POST /grpc.health.v1.Health/Check"), 401);
    server.stop();
    let server = Server::start(&folder, &["--config", &closed, "--auth", "none"]);
    assert_eq!(status(&server, "GET /v1/users/1"), 404);
    server.stop();
}

#[test]
fn a_gateway_asks_and_hands_the_token_on() {
    let folder = folder();
    let secret = folder.join("secret");
    let guarded = ["--auth-jwt-secret-file", &secret];
    let server = Server::start(&folder, &guarded);
    // The upstream tells its contracts to anybody.
    let elsewhere = Folder::new();
    let url = server.url();
    let both = ["--upstream", &url, guarded[0], guarded[1]];
    let gateway = Server::gateway(&elsewhere, &both);
    let good = issue(&folder, &[]);
    for (token, status) in [(None, 401), (Some("no-token"), 401), (Some(&*good), 404)] {
        let token = token.map(|token| format!("authorization: Bearer {token}"));
        let headers: Vec<_> = token.as_deref().into_iter().collect();
        let answer = http1(gateway.address(), "GET /v1/users/1", &headers, b"");
        assert_eq!(answer.status, status, "{answer:?}");
    }
    gateway.stop();
    server.stop();
}

#[test]
fn callers_have_a_rate() {
    let folder = folder();
    fs::write(
        folder.path().join("rate.yaml"),
        "auth: {tokens: tokens}\nlimits: {rate: {per_second: 1, burst: 2}}\n",
    )
    .unwrap();
    let server = Server::start(&folder, &["--config", &folder.join("rate.yaml")]);
    let alice = ["authorization: Bearer static-token-of-alice"];
    let ask = |headers: &[&str]| http1(server.address(), "GET /v1/users/1", headers, b"");
    // Strangers use nothing of hers.
    for _ in 0..5 {
        assert_eq!(ask(&[]).status, 401);
    }
    let mut refused = None;
    for _ in 0..100 {
        let answer = ask(&alice);
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 404);
    }
    let refused = refused.unwrap();
    assert_eq!(refused.header("retry-after"), Some("1"));
    let body = refused.json();
    assert_eq!(body["code"], 8);
    assert!(
        body["details"][0]["@type"]
            .as_str()
            .unwrap()
            .ends_with("google.rpc.RetryInfo")
    );
    server.stop();
}

#[test]
fn what_is_too_much_at_a_time_is_turned_away() {
    let folder = Folder::new();
    let file = folder.join("load.yaml");
    fs::write(&file, "limits: {max_concurrency: 1}\n").unwrap();
    let server = Server::start(&folder, &["--config", &file]);
    let watching = "POST /users.v1.UserService/WatchUserChanges HTTP/1.1\r\nhost: test\r\n\
                    content-type: application/json\r\naccept: text/event-stream\r\n\
                    content-length: 2\r\n\r\n{}";
    let mut stream = connect(server.address());
    stream.write_all(watching.as_bytes()).unwrap();
    // Its head comes when it runs.
    assert!(stream.read(&mut [0; 16]).unwrap() > 0);
    let answer = http1(server.address(), "GET /v1/users/1", &[], b"");
    assert_eq!(answer.status, 429, "{answer:?}");
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "the server is busy: 1 calls run and 0 wait; try again soon"
    );
    assert_eq!(status(&server, "POST /grpc.health.v1.Health/Check"), 200);
    drop(stream);
    let begin = std::time::Instant::now();
    while status(&server, "GET /v1/users/1") == 429 {
        assert!(begin.elapsed() < support::PATIENCE);
    }
    server.stop();
}

#[test]
fn tokens_that_travel_openly_are_warned_of() {
    let folder = folder();
    let tokens = folder.join("tokens");
    let warned = |arguments: &[&str]| {
        let data = folder.data();
        let mut command = portolan(["serve", "--listen", "0.0.0.0:0", "--data", &data]);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The warning comes before the first line.
        assert!(child.stdout.as_mut().unwrap().read(&mut [0; 9]).unwrap() > 0);
        support::signal(&child, "TERM");
        text(&child.wait_with_output().unwrap().stderr)
    };
    let open = warned(&[]);
    assert!(
        open.contains("without TLS and without authentication"),
        "{open}"
    );
    let guarded = warned(&["--auth-tokens", &tokens]);
    assert!(!guarded.contains("without authentication"), "{guarded}");
    assert!(
        guarded.contains("whoever is between can read the tokens"),
        "{guarded}"
    );
}

#[test]
fn what_cannot_work_is_told_at_the_start() {
    let folder = folder();
    fs::write(folder.path().join("short"), "short").unwrap();
    fs::write(folder.path().join("empty.yaml"), "auth: {}").unwrap();
    let short = folder.join("short");
    let empty = folder.join("empty.yaml");
    for (arguments, code, part) in [
        (
            ["--auth-jwt-secret-file", &*short],
            1,
            "HS256 needs 32 at least",
        ),
        (
            ["--auth-tokens", &*folder.join("nowhere")],
            1,
            "no such file or folder",
        ),
        (["--auth-issuer", "us"], 1, "no token could be known"),
        (["--config", &*empty], 1, "no token could be known"),
        (
            ["--auth-jwks", "ftp://a/b"],
            2,
            "a URL that begins with https://",
        ),
        (["--auth-jwks", "https://u:hidden@a/b"], 2, "leave it out"),
        (["--auth", "all"], 2, "possible values: none"),
    ] {
        let data = folder.data();
        let common = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
        let output = run(common.iter().chain(&arguments));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(part), "{said}");
    }
}

/// `portolan token inspect` of what comes on standard input.
fn inspect(token: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let common = ["token", "inspect", "--json", "-"];
    let mut command = portolan(common.iter().chain(arguments));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(token.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        serde_json::from_slice(&output.stdout).unwrap(),
    )
}

#[test]
fn tokens_are_made_and_looked_at() {
    let folder = folder();
    let secret = folder.join("secret");
    let verified = ["--secret-file", &*secret];
    let more = [
        "--scope",
        "a",
        "--scope",
        "b",
        "--issuer",
        "us",
        "--audience",
        "me",
        "--json",
    ];
    let issued: Value = serde_json::from_str(&issue(&folder, &more)).unwrap();
    let claims = &issued["claims"];
    for (name, value) in [
        ("sub", "42"),
        ("user_id", "42"),
        ("scope", "a b"),
        ("iss", "us"),
        ("aud", "me"),
    ] {
        assert_eq!(claims[name], value);
    }
    let seconds = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(seconds, 3600);
    let token = issued["token"].as_str().unwrap();
    let (code, all) = inspect(&format!("{token}\n"), &verified);
    assert_eq!(
        (code, &all["valid"], &all["claims"]),
        (Some(0), &json!(true), claims)
    );
    assert_eq!(all["header"]["alg"], "HS256");
    let (code, all) = inspect(token, &[]);
    assert_eq!((code, &all["valid"]), (Some(0), &Value::Null));

    fs::write(folder.path().join("other"), "x".repeat(32)).unwrap();
    let other = folder.join("other");
    let expired = issue(&folder, &["--expires-in", "0s"]);
    for (token, arguments, problem) in [
        (
            token,
            vec!["--secret-file", &*other],
            "it was signed with another secret, or changed afterwards",
        ),
        (
            token,
            vec!["--secret-file", &*secret, "--issuer", "them"],
            "it is another issuer's",
        ),
        (
            token,
            vec!["--secret-file", &*secret, "--audience", "you"],
            "it is for another audience",
        ),
        (
            &*expired,
            vec!["--secret-file", &*secret],
            "its time is over",
        ),
        (&*expired, vec![], "its time is over"),
        ("nonsense", vec![], "it is no JSON Web Token"),
    ] {
        let (code, all) = inspect(token, &arguments);
        assert_eq!(
            (code, &all["valid"], &all["problem"]),
            (Some(1), &json!(false), &json!(problem))
        );
    }
    let output = run(["token", "inspect", token, "--secret-file", &*secret]);
    let said = text(&output.stdout);
    assert!(
        said.ends_with("valid\n") && said.contains("expires in "),
        "{said}"
    );
}
