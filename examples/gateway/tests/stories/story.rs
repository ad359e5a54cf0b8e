//! A story that runs, and what is asked of it. Dropped, it is killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::http::request::Builder;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

/// How long anything may take; tests share the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a story that ends by itself, and gives what it says.
pub(crate) async fn run(program: &str) -> String {
    let output = Command::new(program).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A story that serves.
pub(crate) struct Story {
    child: Child,
    stdout: BufReader<ChildStdout>,
    http: Option<String>,
    grpc: Option<String>,
}

impl Story {
    /// Starts it and waits until it listens on so many ports.
    pub(crate) async fn start(program: &str, listeners: usize) -> Self {
        Self::start_in(Path::new("."), program, listeners).await
    }

    /// Starts it in a folder.
    pub(crate) async fn start_in(folder: &Path, program: &str, listeners: usize) -> Self {
        let mut child = Command::new(program)
            .args(["0", "0"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut story = Self {
            child,
            stdout,
            http: None,
            grpc: None,
        };
        for _ in 0..listeners {
            let mut line = String::new();
            let read = story.stdout.read_line(&mut line);
            tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
            match line.trim_end().split_once(" on ") {
                Some(("HTTP", url)) => story.http = Some(url.to_owned()),
                Some(("gRPC", url)) => story.grpc = Some(url.to_owned()),
                _ => panic!("it says `{line}`"),
            }
        }
        story
    }

    /// The URL of the app.
    pub(crate) fn http(&self) -> String {
        self.http.clone().unwrap()
    }

    /// The URL of the gateway's own port.
    pub(crate) fn grpc(&self) -> String {
        self.grpc.clone().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_from(&self.http(), path).await
    }

    pub(crate) async fn get_from(&self, url: &str, path: &str) -> Answer {
        ask(url, Request::get(path), Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, json: Value) -> Answer {
        self.post_to(&self.http(), path, json).await
    }

    pub(crate) async fn post_to(&self, url: &str, path: &str, json: Value) -> Answer {
        self.send(Request::post(path), url, json).await
    }

    pub(crate) async fn put(&self, path: &str, json: Value) -> Answer {
        self.send(Request::put(path), &self.http(), json).await
    }

    async fn send(&self, request: Builder, url: &str, json: Value) -> Answer {
        let request = request.header("content-type", "application/json");
        ask(url, request, json.to_string().into()).await
    }

    pub(crate) async fn post_accepting(&self, path: &str, json: Value, accept: &str) -> Answer {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("accept", accept);
        ask(&self.http(), request, json.to_string().into()).await
    }

    /// Ends it as its reader would, and gives what it says at last.
    pub(crate) async fn stop(mut self) -> String {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().await;
        assert!(sent.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.unwrap().unwrap();
        assert!(status.success(), "{status}");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).await.unwrap();
        rest
    }
}

/// What it answers.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One request over HTTP/1.1.
async fn ask(url: &str, request: Builder, body: Bytes) -> Answer {
    let authority = url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(authority).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = request.header("host", authority).body(Full::new(body));
    let response = sender.send_request(request.unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    Answer {
        status: head.status,
        headers: head.headers,
        body,
    }
}
