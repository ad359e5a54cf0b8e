//! Requests that no well-behaved client would send: bytes on a socket, and
//! HTTP/2 streams whose every frame is the test's own.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request};

use super::{PATIENCE, Server};

/// What an HTTP/1.1 server answered.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, as `name: value` lines.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        lines
            .filter_map(|line| line.split_once(": "))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// All answers in what a connection gave, one after the other.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            bytes = &bytes[end + 4..];
            let (line, head) = head.split_once("\r\n").unwrap_or((&head, ""));
            let mut answer = Self {
                status: line.split(' ').nth(1).unwrap().parse().unwrap(),
                head: head.replace("\r\n", "\n"),
                body: Vec::new(),
            };
            if answer.header("transfer-encoding") == Some("chunked") {
                bytes = answer.take_chunks(bytes);
            } else {
                let length = answer
                    .header("content-length")
                    .map_or(0, |length| length.parse().unwrap());
                let length = bytes.len().min(length);
                answer.body = bytes[..length].to_vec();
                bytes = &bytes[length..];
            }
            answers.push(answer);
        }
        answers
    }

    fn take_chunks<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&bytes[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            bytes = &bytes[end + 2..];
            if size == 0 {
                let end = bytes.windows(2).position(|two| two == b"\r\n");
                return &bytes[end.map_or(bytes.len(), |end| end + 2)..];
            }
            let size = size.min(bytes.len());
            self.body.extend_from_slice(&bytes[..size]);
            bytes = bytes.get(size + 2..).unwrap_or_default();
        }
        bytes
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {:?} {:.500}",
            self.status,
            self.head,
            self.text()
        )
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and reads all there is until the server closes. A server that
/// has heard enough may close before it has read everything.
pub(crate) fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let stream = connect(address);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = (&stream).write_all(bytes);
        });
        listen(&stream)
    })
}

/// All that comes until the end of a connection, however it ends.
pub(crate) fn listen(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return all,
            Ok(size) => all.extend_from_slice(&piece[..size]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!(
                    "no end after {PATIENCE:?}, but {:?}",
                    String::from_utf8_lossy(&all)
                )
            }
            Err(_) => return all,
        }
    }
}

/// An HTTP/1.1 request with any body and its one answer.
pub(crate) fn http1(address: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut request =
        format!("{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n").into_bytes();
    if !headers
        .iter()
        .any(|header| header.starts_with("transfer-encoding"))
    {
        request.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    headers
        .iter()
        .for_each(|header| request.extend(format!("{header}\r\n").bytes()));
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    let said = say(address, &request);
    let mut answers = Answer::all(&said);
    assert_eq!(
        answers.len(),
        1,
        "{line}: {}",
        String::from_utf8_lossy(&said)
    );
    answers.remove(0)
}

/// A gRPC message in its frame.
pub(crate) fn frame(flags: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![flags];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

/// The end of a gRPC call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) code: i32,
    pub(crate) message: String,
}

impl Ending {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned());
        Some(Self {
            code: text("grpc-status")?.parse().unwrap(),
            message: unescape(&text("grpc-message").unwrap_or_default()),
        })
    }

    /// Of `name: value` lines.
    pub(crate) fn of_lines(lines: &str) -> Option<Self> {
        let find = |name: &str| {
            let mut pairs = lines.lines().filter_map(|line| line.split_once(':'));
            pairs.find_map(|(found, value)| (found == name).then(|| value.trim().to_owned()))
        };
        Some(Self {
            code: find("grpc-status")?.parse().unwrap(),
            message: unescape(&find("grpc-message").unwrap_or_default()),
        })
    }
}

/// Undoes percent-encoding.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        let escaped = (*first == b'%')
            .then(|| others.first_chunk::<2>())
            .flatten();
        match escaped.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An HTTP/2 connection of which the test decides every stream.
pub(crate) struct Http2 {
    pub(crate) send: SendRequest<Bytes>,
    driver: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        Self {
            send,
            driver: tokio::spawn(connection),
        }
    }

    /// A gRPC call with this as its body, and how it ended.
    pub(crate) async fn call(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Ending {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://test{path}"))
            .header("te", "trailers");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/grpc");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send = self.send.clone().ready().await.unwrap();
        let (answer, mut stream) = self
            .send
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        // h2 queues what the peer's window does not take yet; a server that
        // has answered already may have closed the stream.
        let _ = stream.send_data(Bytes::copy_from_slice(body), true);
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        let (head, mut body) = answer.into_parts();
        if let Some(ending) = Ending::of(&head.headers) {
            return ending;
        }
        while let Some(data) = body.data().await {
            let size = data.unwrap().len();
            body.flow_control().release_capacity(size).unwrap();
        }
        let trailers = body.trailers().await.unwrap().unwrap();
        Ending::of(&trailers).unwrap_or_else(|| panic!("no status in {trailers:?}"))
    }

    /// Goes away as a process does that is killed.
    pub(crate) fn vanish(self) {
        self.driver.abort();
    }

    /// How the connection ended.
    pub(crate) async fn end(self) -> Result<(), h2::Error> {
        drop(self.send);
        self.driver.await.unwrap()
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < PATIENCE,
            "not so after {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Server {
    /// A figure of the server's own.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        let figures = http1(self.address(), "GET /metrics", &[], b"").text();
        let line = figures
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {figures}"))
            .parse()
            .unwrap()
    }

    /// A line of `/proc/PID/status`, in its own unit.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Asserts that whatever was done to it left no mark: every call has
    /// ended, it serves, and nothing in it has panicked.
    pub(crate) fn unharmed(&self) {
        until("no call is in flight", || {
            self.figure("portolan_requests_in_flight") == 0.0
        });
        let health = http1(
            self.address(),
            "POST /grpc.health.v1.Health/Check",
            &["content-type: application/json"],
            b"{}",
        );
        assert_eq!(health.text(), r#"{"status":"SERVING"}"#, "{health:?}");
        let log = self.log();
        assert!(!log.contains("panic"), "{log}");
    }
}
