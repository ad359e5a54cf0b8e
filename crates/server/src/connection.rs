//! One connection from its first byte to its end: which HTTP it speaks, and the
//! limits that both kinds keep. What the requests get is the edge's affair.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::calls::{Calls, Seated};
use crate::edge::Edge;
use crate::open::{Opened, Version, open};
use crate::socket::{self, Line};
use crate::wire::Wire;
use crate::{BoxError, Peer, Tls};

/// How long a client may take for its first bytes, and on HTTP/1.1 for the head
/// of a request: a client that says nothing must not hold a socket for ever.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
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
/// How long a connection that has ended goes on taking what its client sends.
const LINGERING: Duration = QUIET.saturating_mul(2);
/// How often a draining connection is looked at.
const QUIET_TICK: Duration = Duration::from_millis(100);

/// What all connections of a server share.
#[derive(Clone)]
pub(crate) struct Connections {
    /// Every task that a connection starts, so that the server can wait for it.
    tasks: TaskTracker,
    /// Finish what runs and take nothing new.
    drain: CancellationToken,
    /// Stop at once.
    abort: CancellationToken,
}

/// A call that runs on a connection, as long as this or a clone of it exists.
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
    /// By us, with calls still running or answers still on their way.
    Cut,
}

impl Connections {
    pub(crate) fn new(
        tasks: TaskTracker,
        drain: CancellationToken,
        abort: CancellationToken,
    ) -> Self {
        Self {
            tasks,
            drain,
            abort,
        }
    }

    /// Serves one connection until it ends.
    pub(crate) async fn serve<S, B>(
        self,
        wire: Wire,
        peer: Peer,
        tls: Option<Tls>,
        edge: Edge<S>,
    ) -> End
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let opened = tokio::select! {
            opened = open(wire, tls.as_ref(), HEAD_TIMEOUT) => opened,
            () = self.drain.cancelled() => return End::Closed,
        };
        let Opened {
            transport,
            first,
            version,
            certificate,
        } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%peer, %error, "connection not begun");
                return End::Closed;
            }
        };
        let (socket, line) = socket::cut(transport, first);
        let running = Arc::new(());
        let (calls, mut seated) = Calls::new(self.tasks.clone(), Arc::downgrade(&running));
        let http = http(version, calls);
        let asked = Arc::new(AtomicBool::new(false));
        let service_asked = Arc::clone(&asked);
        let service_running = Arc::clone(&running);
        let service = service_fn(move |mut request: Request<Incoming>| {
            service_asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer);
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            let running = Running {
                _count: Arc::clone(&service_running),
            };
            edge.clone().answer(request, running)
        });
        let result = {
            let mut connection =
                pin!(http.serve_connection_with_upgrades(TokioIo::new(socket), service));
            let working = poll_fn(|context| work(connection.as_mut(), &mut seated, &line, context));
            let served = tokio::select! {
                biased;
                result = working => Some(result),
                () = self.drain.cancelled() => None,
            };
            match served {
                Some(result) => result,
                // Half a head is no call to wait for, yet hyper would.
                None if version == Version::Http1 && !asked.load(Ordering::Relaxed) => Ok(()),
                None => {
                    connection.as_mut().graceful_shutdown();
                    // One is ours, one is the service's, and there are some for each
                    // call, also for one that has become something else, and one for
                    // each piece of an answer that HTTP still holds.
                    let is_quiet = || Arc::strong_count(&running) <= 2 && !line.is_pending();
                    let working =
                        poll_fn(|context| work(connection.as_mut(), &mut seated, &line, context));
                    tokio::select! {
                        biased;
                        result = working => result,
                        () = quiet(is_quiet) => return End::Closed,
                        () = self.abort.cancelled() => return End::Cut,
                    }
                }
            }
        };
        // A call that is left learns now that its connection has ended.
        drop(seated);
        match result {
            Ok(()) => self.part(version, &line).await,
            // A connection that breaks is the client's affair: worth a line for
            // those who look for it, and no more.
            Err(error) => {
                tracing::debug!(%peer, %error, "connection ended early");
                End::Closed
            }
        }
    }

    /// Sees to it that what was said last arrives.
    async fn part(&self, version: Version, line: &Line) -> End {
        if line.is_shared() {
            // The connection has become something else, on which others work: it
            // is one call, and has as long as any other when the server drains.
            return tokio::select! {
                biased;
                () = line.alone() => End::Closed,
                () = self.abort.cancelled() => {
                    line.close();
                    End::Cut
                }
            };
        }
        let arrive = async {
            let sent = poll_fn(|context| line.poll_send(context)).await;
            // A client of HTTP/2 tells how far it has read for as long as it
            // reads. One of HTTP/1.1 may send too, the rest of a body that nobody
            // wants; it loses the answer only if it has not read that by then,
            // and waiting for it would hold up every end of such a connection.
            // If sending fails, the client is gone.
            if sent.is_ok() && version == Version::Http2 {
                line.linger(QUIET, LINGERING).await;
            }
        };
        tokio::select! {
            biased;
            () = arrive => End::Closed,
            () = self.abort.cancelled() => match line.is_pending() {
                true => End::Cut,
                false => End::Closed,
            }
        }
    }

    /// The tasks of all connections.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }
}

/// The HTTP of a connection, with its limits.
fn http(version: Version, calls: Calls) -> auto::Builder<Calls> {
    let mut http = auto::Builder::new(calls);
    match version {
        Version::Http1 => {
            http.http1()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEADER_LIMIT as usize);
            http.http1_only()
        }
        Version::Http2 => {
            http.http2()
                .timer(TokioTimer::new())
                .max_header_list_size(HEADER_LIMIT)
                .max_concurrent_streams(CONCURRENT_STREAMS)
                // WebSockets (RFC 8441).
                .enable_connect_protocol()
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_TIMEOUT);
            http.http2_only()
        }
    }
}

/// Works on a connection and on the call that runs in its task, and sends what
/// came of it.
fn work<C>(
    mut connection: Pin<&mut C>,
    seated: &mut Seated,
    line: &Line,
    context: &mut Context<'_>,
) -> Poll<Result<(), BoxError>>
where
    C: Future<Output = Result<(), BoxError>>,
{
    // Before the connection, which writes what the call says.
    seated.poll(context);
    loop {
        if let Poll::Ready(result) = connection.as_mut().poll(context) {
            // It may have become something else, on which others work; what was
            // said before that goes out first.
            let _ = line.poll_leave(context);
            return Poll::Ready(result);
        }
        if !seated.begin(context, line.came()) {
            break;
        }
    }
    if let Err(error) = ready!(line.poll_send(context)) {
        return Poll::Ready(Err(error.into()));
    }
    Poll::Pending
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
