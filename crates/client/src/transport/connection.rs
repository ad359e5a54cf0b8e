//! A connection that speaks HTTP/2.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use http_body::Frame;
use portolan_rpc::{BoxError, Code, Status};
use tokio::task::JoinHandle;

use super::Upload;
use super::io::Io;
use super::upload::Piece;

/// A connection; clones share it, and it is closed with the last of them and
/// its last call.
#[derive(Clone)]
pub(crate) struct Connection {
    send: SendRequest<Bytes>,
    shared: Arc<Shared>,
}

struct Shared {
    open: AtomicBool,
    /// Calls under way, as whoever leases the connection counts them.
    calls: AtomicUsize,
    /// Why it ended.
    reason: OnceLock<String>,
    /// The endpoint, for errors.
    name: String,
}

/// Why a call got no answer.
pub(crate) enum Failure {
    /// The server has not begun to work on it: it may be sent again.
    Unprocessed(Status),
    /// Nobody knows how far it got.
    Broken(Status),
}

impl Failure {
    pub(crate) fn into_status(self) -> Status {
        match self {
            Self::Unprocessed(status) | Self::Broken(status) => status,
        }
    }
}

impl Connection {
    /// Begins HTTP/2 on a stream. `closed` is called once, when it is over.
    pub(crate) async fn open(
        io: Io,
        name: String,
        closed: impl FnOnce() + Send + 'static,
    ) -> Result<Self, String> {
        let handshake = Builder::new()
            .enable_push(false)
            .initial_window_size(1 << 20)
            .initial_connection_window_size(8 << 20)
            .max_frame_size(1 << 17)
            .handshake::<_, Bytes>(io);
        let (send, connection) = handshake
            .await
            .map_err(|error| format!("{name}: HTTP/2 failed: {error}"))?;
        let shared = Arc::new(Shared {
            open: AtomicBool::new(true),
            calls: AtomicUsize::new(0),
            reason: OnceLock::new(),
            name,
        });
        let watched = Arc::clone(&shared);
        // It owns itself: it ends with the last handle and the last call.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                let _ = watched.reason.set(error.to_string());
            }
            watched.open.store(false, Ordering::Release);
            closed();
        });
        Ok(Self { send, shared })
    }

    /// Whether calls can be made.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.open.load(Ordering::Acquire)
    }

    /// Calls under way, counted by whoever makes them.
    pub(crate) fn calls(&self) -> &AtomicUsize {
        &self.shared.calls
    }

    /// How many calls the server takes at a time.
    pub(crate) fn room(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Sends a request and gives the head of the response, with a body that
    /// still has to come. A failed call gives back what it was to send.
    pub(crate) async fn call(
        &self,
        request: Request<()>,
        upload: Upload,
    ) -> Result<Response<Incoming>, (Failure, Upload)> {
        let mut send = match self.send.clone().ready().await {
            Ok(send) => send,
            Err(error) => {
                let status = self.status(&error);
                return Err((Failure::Unprocessed(status), upload));
            }
        };
        let end = upload.is_over();
        let (mut response, stream) = match send.send_request(request, end) {
            Ok(sent) => sent,
            Err(error) => return Err((Failure::Unprocessed(self.status(&error)), upload)),
        };
        let mut pump = Pump {
            stream,
            upload,
            rest: Bytes::new(),
            ends: false,
            over: end,
        };
        let head = poll_fn(|context| {
            if let Poll::Ready(Err(status)) = pump.poll(context) {
                return Poll::Ready(Err(Failure::Broken(status)));
            }
            Pin::new(&mut response)
                .poll(context)
                .map_err(|error| self.failure(&error))
        })
        .await;
        match head {
            Err(failure) => Err((failure, pump.upload)),
            Ok(response) => {
                pump.upload.commit();
                let pumping = (!pump.over).then(|| {
                    let task = poll_fn(move |context| pump.poll(context).map(drop));
                    Pumping(tokio::spawn(task))
                });
                Ok(response.map(|body| Incoming {
                    body,
                    data_over: false,
                    name: Arc::clone(&self.shared),
                    _pumping: pumping,
                }))
            }
        }
    }

    fn failure(&self, error: &h2::Error) -> Failure {
        let status = self.status(error);
        if error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM) {
            Failure::Unprocessed(status)
        } else {
            Failure::Broken(status)
        }
    }

    fn status(&self, error: &h2::Error) -> Status {
        self.shared.status(error)
    }
}

impl Shared {
    /// The status for an error of HTTP/2 (gRPC over HTTP/2, "Errors").
    fn status(&self, error: &h2::Error) -> Status {
        let code = match error.reason() {
            Some(Reason::CANCEL) if error.is_reset() => Code::Cancelled,
            Some(Reason::ENHANCE_YOUR_CALM) if error.is_reset() => Code::ResourceExhausted,
            Some(Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
            Some(Reason::REFUSED_STREAM) | None => Code::Unavailable,
            Some(_) if error.is_reset() => Code::Internal,
            Some(_) => Code::Unavailable,
        };
        let name = &self.name;
        Status::new(code, format!("{name}: {error}"))
    }
}

/// Sends a request's body.
struct Pump {
    stream: SendStream<Bytes>,
    upload: Upload,
    /// What the connection had no room for yet.
    rest: Bytes,
    /// Whether the body ends with that.
    ends: bool,
    over: bool,
}

impl Pump {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        loop {
            if self.over {
                return Poll::Ready(Ok(()));
            }
            if self.rest.is_empty() {
                match ready!(self.upload.poll_piece(context)) {
                    Ok(Piece::Data(data, ends)) => {
                        self.stream.reserve_capacity(data.len());
                        (self.rest, self.ends) = (data, ends);
                    }
                    Ok(Piece::End) => {
                        self.over = true;
                        // A stream that is gone says so on its other side.
                        let _ = self.stream.send_data(Bytes::new(), true);
                    }
                    Err(error) => {
                        self.over = true;
                        self.stream.send_reset(Reason::CANCEL);
                        return Poll::Ready(Err(broke_off(error)));
                    }
                }
                continue;
            }
            match ready!(self.stream.poll_capacity(context)) {
                Some(Ok(room)) => {
                    let piece = self.rest.split_to(room.min(self.rest.len()));
                    let last = self.ends && self.rest.is_empty();
                    self.over = self.stream.send_data(piece, last).is_err() || last;
                }
                Some(Err(_)) | None => self.over = true,
            }
        }
    }
}

/// A body that is sent while the answer comes; it stops with the answer.
struct Pumping(JoinHandle<()>);

impl Drop for Pumping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of a response. Dropped early, it cancels its call.
pub(crate) struct Incoming {
    body: RecvStream,
    data_over: bool,
    name: Arc<Shared>,
    _pumping: Option<Pumping>,
}

impl Incoming {
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !self.data_over {
            match ready!(self.body.poll_data(context)) {
                Some(Ok(data)) => {
                    // What the reader takes makes room for as much.
                    let _ = self.body.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(self.name.status(&error)))),
                None => self.data_over = true,
            }
        }
        match ready!(self.body.poll_trailers(context)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(Some(Err(self.name.status(&error)))),
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// The status for a request's body that fails.
fn broke_off(error: BoxError) -> Status {
    match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) => Status::new(Code::Cancelled, format!("the request broke off: {error}")),
    }
}
