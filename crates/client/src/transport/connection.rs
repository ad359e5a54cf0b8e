//! The connection as calls see it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Frame;
use portolan_rpc::{BoxError, Code, GRPC_STATUS, Status};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::driver::Driver;
use super::frame;
use super::io::Io;
use super::receive::{MAX_FRAME, MAX_HEADERS};
use super::state::{self, Sent, State};
use super::stream;
use super::upload::Piece;
use super::{Failure, Head, Timing, Upload};

/// A connection; clones share it. It is closed when the last clone is gone and
/// the last call is over.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Handle>);

/// Goes with the last clone.
struct Handle(Arc<Shared>);

/// What calls share with the connection's task.
pub(super) struct Shared {
    /// The endpoint, for errors.
    pub(super) name: String,
    state: Mutex<State>,
    open: AtomicBool,
    /// How many calls the server takes at a time.
    room: AtomicUsize,
    /// Calls under way, as whoever leases the connection counts them.
    calls: AtomicUsize,
    /// Told when no more calls are taken, and when there is more room for them.
    changed: Box<dyn Fn() + Send + Sync>,
}

impl Connection {
    /// Begins HTTP/2 on a stream, and waits for the server to do so. `changed` is
    /// called when the connection takes more calls than before, or no more.
    pub(crate) async fn open(
        io: Io,
        name: String,
        https: bool,
        authority: HeaderValue,
        timing: Timing,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let mut state = State::new(https, authority);
        state.outbox.append(|out| {
            out.extend_from_slice(frame::PREFACE);
            let settings = [
                (frame::ENABLE_PUSH, 0),
                (frame::INITIAL_WINDOW_SIZE, stream::WINDOW),
                (frame::MAX_FRAME_SIZE, MAX_FRAME as u32),
                (frame::MAX_HEADER_LIST_SIZE, MAX_HEADERS as u32),
            ];
            frame::settings(out, &settings);
            // A connection begins with this window (RFC 9113 §6.9.2).
            frame::window_update(out, 0, state::WINDOW - 65_535);
        });
        let shared = Arc::new(Shared {
            name,
            room: AtomicUsize::new(state.max_streams),
            state: Mutex::new(state),
            open: AtomicBool::new(true),
            calls: AtomicUsize::new(0),
            changed: Box::new(changed),
        });
        let connection = Self(Arc::new(Handle(Arc::clone(&shared))));
        let (begun, beginning) = oneshot::channel();
        // It ends by itself: with the server, or with the last clone of the
        // connection and its last call.
        tokio::spawn(Driver::new(io, shared, timing, begun).run());
        match beginning.await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err("the connection was dropped".to_owned()),
        }
    }

    /// Whether calls can be made.
    pub(crate) fn is_open(&self) -> bool {
        self.shared().is_open()
    }

    /// Calls under way, counted by whoever makes them.
    pub(crate) fn calls(&self) -> &AtomicUsize {
        &self.shared().calls
    }

    /// How many calls the server takes at a time.
    pub(crate) fn room(&self) -> usize {
        self.shared().room.load(Ordering::SeqCst)
    }

    /// Sends a request and gives the head of the response, with a body that
    /// still has to come. A call that failed, or is over with all of its answer,
    /// or was answered by [somebody in between](is_foreign) after it was sent,
    /// gives back what it was to send. Dropped, before or after, it cancels the
    /// call.
    pub(crate) async fn call(
        &self,
        head: &Head<'_>,
        upload: Upload,
    ) -> Result<(Response<Incoming>, Option<Upload>), (Failure, Upload)> {
        let mut pump = Pump {
            shared: self.shared(),
            upload,
            ahead: None,
            over: false,
        };
        let mut call: Option<Call> = None;
        let answer = poll_fn(|context| {
            if call.is_none() {
                call = Some(self.begin(head, &mut pump, context)?);
            }
            let Some(call) = &call else {
                return Poll::Pending;
            };
            if let Poll::Ready(Err(status)) = pump.poll(call.id, context) {
                return Poll::Ready(Err(Failure::Request(status)));
            }
            let mut state = self.shared().lock();
            let (status, headers) = ready!(state.take_head(call.id, context))?;
            let rest = if pump.over {
                state.take_rest(call.id)
            } else {
                None
            };
            drop(state);
            Poll::Ready(Ok((status, headers, rest)))
        })
        .await;
        let Pump {
            mut upload,
            ahead,
            over,
            ..
        } = pump;
        let (status, headers, rest) = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                drop(call);
                return Err((failure, upload));
            }
        };
        let (incoming, upload) = match (rest, call) {
            (Some(rest), _) => {
                let complete = rest.trailers.is_none() && rest.data.is_empty();
                let incoming = Incoming {
                    data: rest.data,
                    trailers: rest.trailers,
                    call: None,
                    over: complete,
                    pumping: None,
                    broke_off: false,
                };
                (incoming, Some(upload))
            }
            (None, call) if over => {
                let incoming = Incoming::of(call, None);
                (incoming, is_foreign(status, &headers).then_some(upload))
            }
            (None, call) => {
                upload.commit();
                let shared = Arc::clone(&self.0.0);
                let pumping = call.as_ref().map(|call| {
                    let id = call.id;
                    Pumping(tokio::spawn(async move {
                        let mut pump = Pump {
                            shared: &shared,
                            upload,
                            ahead,
                            over,
                        };
                        if let Err(status) = poll_fn(|context| pump.poll(id, context)).await {
                            shared.break_off(id, status);
                        }
                    }))
                });
                (Incoming::of(call, pumping), None)
            }
        };
        let mut response = Response::new(incoming);
        *response.status_mut() = status;
        *response.version_mut() = http::Version::HTTP_2;
        *response.headers_mut() = headers;
        Ok((response, upload))
    }

    /// Puts the head of a call into the outbox, with what there is of its body.
    fn begin(
        &self,
        head: &Head<'_>,
        pump: &mut Pump<'_>,
        context: &mut Context<'_>,
    ) -> Result<Call, Failure> {
        // A request that is refused or broken off before it has begun costs
        // nothing, and one that is small and whole goes out in one go.
        let first = match pump.upload.poll_piece(context) {
            Poll::Pending => None,
            Poll::Ready(Ok(piece)) => Some(piece),
            Poll::Ready(Err(error)) => return Err(Failure::Request(broke_off(error))),
        };
        let over = matches!(first, Some(Piece::End));
        let shared = self.shared();
        let mut state = shared.lock();
        let opened = state.open(head, over, context.waker());
        if state.ending.is_some() {
            shared.publish(&state);
        }
        let id = opened?;
        pump.over = over;
        if let Some(Piece::Data(mut data, last)) = first {
            match state.send(id, &mut data, last, context.waker()) {
                Sent::All => pump.over = last,
                Sent::Blocked => pump.ahead = Some((data, last)),
                Sent::Gone => pump.over = true,
            }
        }
        let driver = state.waken();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Ok(Call {
            shared: Arc::clone(&self.0.0),
            id,
        })
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.forgotten = true;
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// Makes known what can be asked without the lock.
    pub(super) fn publish(&self, state: &State) {
        let room = state.max_streams.saturating_sub(state.cancelled.lingering);
        // Whoever waits counts itself and then looks again, and this is the
        // other way round: hence the strict order.
        let before = self.room.load(Ordering::SeqCst);
        if room != before {
            self.room.store(room, Ordering::SeqCst);
        }
        if room > before {
            (self.changed)();
        }
        if state.ending.is_some() {
            self.close();
        }
    }

    /// Takes no more calls.
    pub(super) fn close(&self) {
        if self.is_open() && self.open.swap(false, Ordering::SeqCst) {
            (self.changed)();
        }
    }

    /// Ends a call whose request fails while its answer comes.
    fn break_off(&self, id: u32, status: Status) {
        let mut state = self.lock();
        let Some(stream) = state.streams.get_mut(&id) else {
            return;
        };
        let reader = stream.reader.take();
        if stream.end.is_none() {
            // Taking the end resets the stream, since its request has none.
            stream.end = Some(Err(Failure::Request(status)));
        }
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// A call's hold on its stream: dropped, it lets the stream go.
struct Call {
    shared: Arc<Shared>,
    id: u32,
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.abandon(self.id);
        self.shared.publish(&state);
        let driver = state.waken();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

/// Sends a request's body.
struct Pump<'a> {
    shared: &'a Shared,
    upload: Upload,
    /// What the server had no room for yet, and whether the body ends with it.
    ahead: Option<(Bytes, bool)>,
    over: bool,
}

impl Pump<'_> {
    fn poll(&mut self, id: u32, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        while !self.over {
            let (mut data, last) = match self.ahead.take() {
                Some(ahead) => ahead,
                None => match ready!(self.upload.poll_piece(context)) {
                    Ok(Piece::Data(data, last)) => (data, last),
                    Ok(Piece::End) => (Bytes::new(), true),
                    Err(error) => {
                        self.over = true;
                        return Poll::Ready(Err(broke_off(error)));
                    }
                },
            };
            let mut state = self.shared.lock();
            let sent = state.send(id, &mut data, last, context.waker());
            let driver = state.waken();
            drop(state);
            if let Some(driver) = driver {
                driver.wake();
            }
            match sent {
                Sent::All => self.over = last,
                Sent::Gone => self.over = true,
                Sent::Blocked => {
                    self.ahead = Some((data, last));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
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
    /// What has all come, and is off the connection.
    data: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// Or the stream that it comes from.
    call: Option<Call>,
    over: bool,
    pumping: Option<Pumping>,
    broke_off: bool,
}

impl Incoming {
    /// What is still to come.
    fn of(call: Option<Call>, pumping: Option<Pumping>) -> Self {
        Self {
            data: VecDeque::new(),
            trailers: None,
            call,
            over: false,
            pumping,
            broke_off: false,
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(call) = &self.call else {
            if let Some(data) = self.data.pop_front() {
                self.over = self.data.is_empty() && self.trailers.is_none();
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.over = true;
            return Poll::Ready(
                self.trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            );
        };
        let mut state = call.shared.lock();
        let frame = state.take_frame(call.id, context);
        let driver = state.waken();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        let frame = ready!(frame);
        if !matches!(&frame, Some(Ok(frame)) if frame.is_data()) {
            self.over = true;
            self.call = None;
            self.pumping = None;
        }
        self.broke_off = matches!(frame, Some(Err(Failure::Request(_))));
        Poll::Ready(frame.map(|frame| frame.map_err(Failure::into_status)))
    }

    /// Whether it has failed since the request broke off.
    pub(crate) fn broke_off(&self) -> bool {
        self.broke_off
    }

    /// Whether there is nothing more.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.over
    }

    /// Whether all of it has come.
    pub(crate) fn is_complete(&self) -> bool {
        self.call.is_none()
    }
}

/// Whether an answer is none of a gRPC server's, but of somebody in between who
/// says by HTTP why there is none (gRPC, "HTTP to gRPC Status Code Mapping").
pub(crate) fn is_foreign(status: StatusCode, headers: &HeaderMap) -> bool {
    !status.is_success() && !headers.contains_key(GRPC_STATUS)
}

/// The status for a request's body that fails.
fn broke_off(error: BoxError) -> Status {
    match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) => Status::new(Code::Cancelled, format!("the request broke off: {error}")),
    }
}
