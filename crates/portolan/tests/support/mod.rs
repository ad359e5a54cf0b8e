//! The real binary, started on ports that the system chooses, over a data
//! folder of its own.
#![allow(dead_code, reason = "every test file uses its own part")]

#[cfg(target_os = "linux")]
pub(crate) mod disk;
pub(crate) mod gate;
pub(crate) mod wire;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use portolan::memory::proto::GetMetricsRequest;
use portolan::memory::proto::memory_service_client::MemoryServiceClient;
use portolan::memory::proto::metrics_client::MetricsClient;
use tempfile::TempDir;
use tonic::transport::Channel;

/// How long anything may take; tests share the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The command, with nothing of our environment that it would read.
pub(crate) fn portolan<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

/// Runs the command to its end.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    portolan(arguments).output().unwrap()
}

/// What a command wrote, as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A running server. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Where it listens, in the order of its flags.
    pub(crate) addresses: Vec<SocketAddr>,
    log: PathBuf,
}

/// A data folder that lasts as long as the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn data(&self) -> String {
        self.join("data")
    }
}

impl Server {
    /// Starts on one port over the folder, with further arguments.
    pub(crate) fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::start_at(folder, &["127.0.0.1:0"], arguments)
    }

    /// Starts on these addresses.
    pub(crate) fn start_at(folder: &Folder, listen: &[&str], arguments: &[&str]) -> Self {
        let mut command = portolan(["serve", "--data", &folder.data()]);
        command
            .args(listen.iter().flat_map(|address| ["--listen", address]))
            .args(arguments);
        Self::spawn(folder, command, listen.len())
    }

    /// Starts a gateway on one port, with its logs in `folder`.
    pub(crate) fn gateway(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = portolan(["gateway", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        Self::spawn(folder, command, 1)
    }

    /// Starts by a command that runs the one behind it, such as `nsenter`, and
    /// over any data folder.
    pub(crate) fn start_within(prefix: &[String], folder: &Folder, data: &str) -> Self {
        let mut command = Command::new(&prefix[0]);
        command
            .args(&prefix[1..])
            .arg(env!("CARGO_BIN_EXE_portolan"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data", data])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        Self::spawn(folder, command, 1)
    }

    /// Waits until it listens everywhere.
    fn spawn(folder: &Folder, mut command: Command, listeners: usize) -> Self {
        let log = folder.path().join("stderr.log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self {
            child,
            stdout,
            addresses: Vec::new(),
            log,
        };
        for _ in 0..listeners {
            let mut line = String::new();
            server.stdout.read_line(&mut line).unwrap();
            let address = line.trim_end().strip_prefix("listening on http://");
            let address =
                address.unwrap_or_else(|| panic!("{line:?}, and on stderr: {}", server.log()));
            server.addresses.push(address.parse().unwrap());
        }
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote on standard error until now.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end and gives its exit status and the rest of its output.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child);
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (status, rest)
    }

    /// Ends it as a user would.
    pub(crate) fn stop(self) {
        self.signal("TERM");
        let log = self.log.clone();
        let (status, _) = self.wait();
        assert!(
            status.success(),
            "{status}: {}",
            fs::read_to_string(log).unwrap()
        );
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.url())
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    pub(crate) async fn memories(&self) -> MemoryServiceClient<Channel> {
        MemoryServiceClient::new(self.channel().await)
    }

    /// How many memories the default namespace has.
    pub(crate) async fn total(&self) -> i64 {
        self.total_in("default").await
    }

    /// How many memories a namespace has.
    pub(crate) async fn total_in(&self, namespace: &str) -> i64 {
        let mut request = tonic::Request::new(GetMetricsRequest {});
        request
            .metadata_mut()
            .insert("x-namespace", namespace.parse().unwrap());
        let answer = MetricsClient::new(self.channel().await)
            .get_metrics(request)
            .await;
        answer.unwrap().into_inner().memories_total
    }

    /// Waits until its log has a line with this.
    pub(crate) fn until_logged(&self, part: &str) {
        let begin = Instant::now();
        while !self.log().contains(part) {
            assert!(begin.elapsed() < PATIENCE, "no `{part}` in {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends an HTTP/1.1 request and gives the whole answer.
    pub(crate) fn http(&self, request: &str, headers: &[&str], body: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!(
            "{request} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        headers
            .iter()
            .for_each(|header| head.push_str(&format!("{header}\r\n")));
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that we started.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Waits for the end of a process, but not for ever.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the process did not end in {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
