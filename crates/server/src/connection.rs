//! One connection from its first byte to its end: which HTTP it speaks, and the
//! limits that both kinds keep. What the requests get is the edge's affair.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::edge::Edge;
use crate::{BoxError, Peer};

/// What every HTTP/2 client says first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client may take for its first bytes, and on HTTP/1.1 for the head
/// of a request: a client that says nothing must not hold a socket for ever.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the first bytes are looked at again when too few have come to
/// tell the protocols apart.
const PEEK_PAUSE: Duration = Duration::from_millis(10);
/// The most that the headers of one request may take. gRPC asks of servers to
/// take 8 KiB at the least.
const HEADER_LIMIT: u32 = 64 * 1024;
/// How many calls one HTTP/2 connection may have open.
const CONCURRENT_STREAMS: u32 = 1000;
/// How much of one stream may be on its way before the service reads it: a
/// megabyte keeps a link of 100 ms and 80 Mbit/s busy.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// A silent HTTP/2 connection is pinged this often …
const PING_INTERVAL: Duration = Duration::from_secs(60);
/// … and given up when no answer comes in this time.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection without running calls may stay open once the server
/// drains. Closing it well takes an answer from its client, which may be asleep;
/// closing it at once could lose the end of a response that is still on its way.
const QUIET: Duration = Duration::from_secs(5);
/// How often a draining connection is looked at.
const QUIET_TICK: Duration = Duration::from_millis(100);

/// What all connections of a server share.
#[derive(Clone)]
pub(crate) struct Connections {
    http: auto::Builder<Tasks>,
    /// Every task that a connection starts, so that the server can wait for it.
    tasks: Tasks,
    /// Finish what runs and take nothing new.
    drain: CancellationToken,
    /// Stop at once.
    abort: CancellationToken,
}

/// A call that runs on a connection, as long as this exists.
#[derive(Clone)]
pub(crate) struct Running {
    /// Its clones are counted, and never looked at.
    _count: Arc<()>,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself or by its client.
    Closed,
    /// By us, with calls still running.
    Cut,
}

impl Connections {
    pub(crate) fn new(
        tasks: TaskTracker,
        drain: CancellationToken,
        abort: CancellationToken,
    ) -> Self {
        let tasks = Tasks(tasks);
        let mut http = auto::Builder::new(tasks.clone());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEADER_LIMIT as usize);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(HEADER_LIMIT)
            .max_concurrent_streams(CONCURRENT_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            http,
            tasks,
            drain,
            abort,
        }
    }

    /// Serves one connection until it ends.
    pub(crate) async fn serve<S, B>(self, stream: TcpStream, peer: SocketAddr, edge: Edge<S>) -> End
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // A call is small and waits for its answer: Nagle's algorithm would
        // hold back its last packet.
        let _ = stream.set_nodelay(true);
        let version = tokio::select! {
            version = tokio::time::timeout(HEAD_TIMEOUT, version(&stream)) => version,
            () = self.drain.cancelled() => return End::Closed,
        };
        let Ok(Ok(Some(version))) = version else {
            return End::Closed;
        };
        let http = match version {
            Version::Http1 => self.http.http1_only(),
            Version::Http2 => self.http.http2_only(),
        };
        let asked = Arc::new(AtomicBool::new(false));
        let service_asked = Arc::clone(&asked);
        let running = Arc::new(());
        let service_running = Arc::clone(&running);
        let service = service_fn(move |mut request: Request<Incoming>| {
            service_asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(Peer(peer));
            let running = Running {
                _count: Arc::clone(&service_running),
            };
            edge.clone().answer(request, running)
        });
        let mut connection =
            pin!(http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        tokio::select! {
            biased;
            result = connection.as_mut() => return closed(result, peer),
            () = self.drain.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        if version == Version::Http1 && !asked.load(Ordering::Relaxed) {
            // Half a head is no call to wait for, yet hyper would.
            return End::Closed;
        }
        // One is ours, one is the service's, and there is one for each call.
        let is_quiet = || Arc::strong_count(&running) <= 2;
        tokio::select! {
            biased;
            result = connection => closed(result, peer),
            () = quiet(is_quiet) => End::Closed,
            () = self.abort.cancelled() => End::Cut,
        }
    }

    /// The tasks of all connections.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks.0
    }
}

/// Waits until a connection has been quiet for long enough.
async fn quiet(is_quiet: impl Fn() -> bool) {
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        tokio::time::sleep(QUIET_TICK).await;
        if !is_quiet() {
            since = Instant::now();
        }
    }
}

/// A connection that breaks is the client's affair: worth a line for those who
/// look for it, and no more.
fn closed(result: Result<(), BoxError>, peer: SocketAddr) -> End {
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended early");
    }
    End::Closed
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// Looks at the first bytes without taking them. `None` when the client left.
async fn version(stream: &TcpStream) -> io::Result<Option<Version>> {
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == 0 {
            return Ok(None);
        }
        if first[..seen] != PREFACE[..seen] {
            return Ok(Some(Version::Http1));
        }
        if seen == PREFACE.len() {
            return Ok(Some(Version::Http2));
        }
        // What was seen stays there, so the socket remains readable.
        tokio::time::sleep(PEEK_PAUSE).await;
    }
}

/// Starts tasks that the server waits for.
#[derive(Clone)]
pub(crate) struct Tasks(TaskTracker);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
