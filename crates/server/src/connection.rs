//! One connection from its first byte to its end: who works on it, and how it
//! ends. What the requests get is the edge's affair.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::calls::{Calls, Seated};
use crate::edge::Edge;
use crate::http::{Http, http};
use crate::open::{Opened, Version, open};
use crate::request_body::Came;
use crate::rest::Rest;
use crate::socket::{self, Line};
use crate::vigil::{Traffic, Verdict, Vigil};
use crate::wire::Wire;
use crate::{BoxError, Limits, Peer, RequestBody, Tls, vigil};

/// How long a connection without running calls may stay open once the server
/// drains. Closing it well takes an answer from its client, which may be asleep;
/// closing it at once could lose the end of a response that is still on its way.
const QUIET: Duration = Duration::from_secs(5);
/// How long a connection that has ended goes on taking what its client sends.
const LINGERING: Duration = QUIET.saturating_mul(2);
/// How much of that it takes from one that has broken the rules of HTTP: enough
/// for a client that has only sent too much, and little of a flood.
const HEARD_OF_FAULTY: u64 = 16 * 1024 * 1024;
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
    limits: Arc<Limits>,
}

/// A call that runs on a connection, as long as this or a clone of it exists:
/// they are counted.
#[derive(Clone)]
pub(crate) struct Running(Arc<Traffic>);

impl Running {
    /// What the calls of the connection tell of themselves.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.0
    }
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
        limits: Limits,
    ) -> Self {
        Self {
            tasks,
            drain,
            abort,
            limits: Arc::new(limits),
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
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let opened = tokio::select! {
            opened = open(wire, tls.as_ref(), self.limits.header_timeout) => opened,
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
        let edge = edge.over(peer, tls.is_some());
        let (socket, line) = socket::cut(transport, first);
        let traffic = Arc::new(Traffic::default());
        let (calls, seated) = Calls::new(self.tasks.clone(), Arc::downgrade(&traffic));
        let (service_traffic, limits) = (Arc::clone(&traffic), Arc::clone(&self.limits));
        let service = service_fn(move |mut request: Request<Incoming>| {
            service_traffic.begin();
            request.extensions_mut().insert(peer);
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            let running = Running(Arc::clone(&service_traffic));
            let came = Came::of(request.body());
            let rest = Rest::of(version, request.body());
            let (head, body) = request.into_parts();
            let body = RequestBody::new(body, &head.headers, &limits, came.clone(), &rest);
            let request = Request::from_parts(head, body);
            let edge = edge.clone();
            async move {
                let mut response = edge.answer(request, running, came).await?;
                rest.settle(&mut response).await;
                Ok::<_, Infallible>(response)
            }
        });
        let mut work = Work {
            seated,
            line: line.clone(),
            vigil: Vigil::new(&self.limits, version, traffic),
        };
        let stop = {
            let mut connection = http(version, socket, service, calls, &self.limits);
            let working = poll_fn(|context| work.poll(connection.as_mut(), context));
            let stop = tokio::select! {
                biased;
                stop = working => stop,
                () = self.drain.cancelled() => Stop::Drained,
            };
            match stop {
                // Half a head is no call to wait for, yet hyper would.
                Stop::Drained if version == Version::Http1 && !work.vigil.has_begun() => {
                    Stop::Ended(Ok(()))
                }
                Stop::Judged(verdict) if !verdict.is_mild() => stop,
                Stop::Ended(_) => stop,
                Stop::Drained | Stop::Judged(_) => {
                    connection.as_mut().finish();
                    work.vigil.relent();
                    // The work may go on meanwhile, and has the vigil.
                    let traffic = Arc::downgrade(work.vigil.traffic());
                    let is_quiet = || !vigil::is_busy(&traffic) && !line.is_pending();
                    tokio::select! {
                        biased;
                        stop = poll_fn(|context| work.poll(connection.as_mut(), context)) => stop,
                        () = quiet(is_quiet) => return End::Closed,
                        () = self.abort.cancelled() => return End::Cut,
                    }
                }
            }
        };
        // A call that is left learns now that its connection has ended.
        drop(work);
        match stop {
            Stop::Ended(result) => {
                // A connection that breaks is the client's affair: worth a line for
                // those who look for it, and no more.
                let most = match result {
                    Ok(()) => u64::MAX,
                    Err(error) => {
                        tracing::debug!(%peer, %error, "connection ended early");
                        HEARD_OF_FAULTY
                    }
                };
                self.part(version, &line, most).await
            }
            Stop::Judged(verdict) => {
                tracing::debug!(%peer, "connection cut: {}", verdict.reason());
                End::Closed
            }
            Stop::Drained => End::Closed,
        }
    }

    /// Sees to it that what was said last arrives, and takes so many bytes for it.
    async fn part(&self, version: Version, line: &Line, most: u64) -> End {
        if line.is_shared() {
            // The connection has become something else, on which others work: it
            // is one call, and has as long as any other when the server drains.
            return tokio::select! {
                biased;
                () = line.alone() => End::Closed,
                () = line.stalled(self.limits.write_timeout) => {
                    tracing::debug!("connection cut: {}", Verdict::SlowReader.reason());
                    line.close();
                    End::Closed
                }
                () = self.abort.cancelled() => {
                    line.close();
                    End::Cut
                }
            };
        }
        let arrive = async {
            // HTTP has closed our side, unless it has found fault with the client's.
            let finish = poll_fn(|context| line.poll_finish(context));
            let sent = tokio::time::timeout(QUIET, finish).await;
            // A client of HTTP/2 tells how far it has read for as long as it reads,
            // and one of HTTP/1.1 may still be sending a body that its answer did
            // not wait for. Once the server drains, the end is not such a client's
            // doing, and waiting would hold up that of every idle connection.
            // If sending fails, the client is gone; if it takes too long, it does
            // not read.
            let may_send = version == Version::Http2 || !self.drain.is_cancelled();
            if matches!(sent, Ok(Ok(()))) && may_send {
                line.linger(QUIET, LINGERING, most).await;
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

/// Why the work on a connection has stopped.
enum Stop {
    /// The connection has ended.
    Ended(Result<(), BoxError>),
    /// Its client has passed a limit.
    Judged(Verdict),
    /// The server ends.
    Drained,
}

/// What is worked on together with a connection.
struct Work {
    seated: Seated,
    line: Line,
    vigil: Vigil,
}

impl Work {
    /// Works on a connection and on the call that runs in its task, sends what
    /// came of it, and looks whether that is how it should be.
    fn poll(
        &mut self,
        mut connection: Pin<&mut dyn Http>,
        context: &mut Context<'_>,
    ) -> Poll<Stop> {
        self.line.begin();
        // Before the connection, which writes what the call says.
        self.seated.poll(context);
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(context) {
                // It may have become something else, on which others work; what
                // was said before that goes out first.
                let _ = self.line.poll_leave(context);
                return Poll::Ready(Stop::Ended(result.map_err(Into::into)));
            }
            if !self.seated.begin(context, self.line.came()) {
                break;
            }
        }
        if let Poll::Ready(Err(error)) = self.line.poll_end(context) {
            return Poll::Ready(Stop::Ended(Err(error.into())));
        }
        self.vigil
            .poll(self.line.signs(), context)
            .map(Stop::Judged)
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
