//! The task of a connection: reads frames, hands them to their streams, writes
//! what calls have put into the outbox, and ends the connection when there is
//! nothing left to do.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use portolan_rpc::{Code, Status};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::Shared;
use super::dial::plain;
use super::frame::{self, Reason};
use super::io::Io;
use super::outbox::Writing;
use super::receive::Receiver;
use super::{Failure, Timing};
use crate::clock::after;

/// How much is read at a time when there is no reason for more.
const READ: usize = 16 * 1024;
/// How much waits for more before it is written.
const GATHERED: usize = 16 * 1024;
/// How long the last words of a connection may take.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct Driver {
    io: Io,
    shared: Arc<Shared>,
    input: BytesMut,
    receiver: Receiver,
    writing: Writing,
    /// Whether something was written that has to be flushed.
    unflushed: bool,
    /// Whether what is to be written waits for what others that are ready may
    /// add to it.
    gathering: bool,
    wake: Vec<Waker>,
    /// Tells that the server has begun, or why not.
    begun: Option<oneshot::Sender<Result<(), String>>>,

    timing: Timing,
    alarm: Pin<Box<Sleep>>,
    /// How often something was read, and how often when the alarm was set.
    reads: u64,
    reads_before: u64,
    /// When to ask whether the server is there, and when to give up on it.
    ask: Option<Instant>,
    give_up: Option<Instant>,
    /// When to see whether there are calls, and how many there were.
    look: Option<Instant>,
    calls_before: u64,
}

/// How a connection ends.
struct End {
    reason: Reason,
    text: String,
}

impl Driver {
    pub(super) fn new(
        io: Io,
        shared: Arc<Shared>,
        timing: Timing,
        begun: oneshot::Sender<Result<(), String>>,
    ) -> Self {
        let now = Instant::now();
        let receiver = Receiver::new(shared.name.clone());
        Self {
            io,
            shared,
            input: BytesMut::with_capacity(READ),
            receiver,
            writing: Writing::default(),
            unflushed: false,
            gathering: false,
            wake: Vec::new(),
            begun: Some(begun),
            timing,
            alarm: Box::pin(sleep_until(now)),
            reads: 0,
            reads_before: 0,
            ask: timing
                .keep_alive
                .map(|keep_alive| after(now, keep_alive.interval)),
            give_up: None,
            look: timing.idle.map(|idle| after(now, idle)),
            calls_before: 0,
        }
    }

    /// Works until the connection is over.
    pub(super) async fn run(mut self) {
        let end = std::future::poll_fn(|context| self.poll(context)).await;
        self.fail(&end);
        // A server should hear why, if it listens.
        if self.receiver.has_begun() {
            let mut outbox = {
                let mut state = self.shared.lock();
                state.outbox.append(|out| frame::go_away(out, end.reason));
                std::mem::take(&mut state.outbox)
            };
            let (io, writing) = (&mut self.io, &mut self.writing);
            let farewell = std::future::poll_fn(|context| {
                ready!(writing.poll_write(context, io))?;
                if outbox.size() > 0 {
                    writing.take(&mut outbox);
                    ready!(writing.poll_write(context, io))?;
                }
                Pin::new(&mut *io).poll_shutdown(context)
            });
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        match self.turn(context) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    /// Works until there is nothing to do for now.
    fn turn(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        let gathered = std::mem::take(&mut self.gathering);
        loop {
            let mut progress = self.read(context)?;
            if let Some(end) = self.finished() {
                return Err(end);
            }
            progress |= self.time(context)?;
            progress |= self.write(context, gathered)?;
            if progress {
                continue;
            }
            if self.gathering {
                // Woken from within, a task comes after all that are ready.
                context.waker().wake_by_ref();
                return Ok(());
            }
            // Whatever calls put into the outbox from here on wakes us.
            let mut state = self.shared.lock();
            if state.outbox.size() > 0 && self.writing.is_over() {
                continue;
            }
            // The last call may have ended since we looked, and have found nobody
            // to wake.
            if state.is_finished() {
                continue;
            }
            match &state.driver {
                Some(waker) if waker.will_wake(context.waker()) => {}
                _ => state.driver = Some(context.waker().clone()),
            }
            return Ok(());
        }
    }

    /// Reads what there is. Whether there was any.
    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        if self.input.capacity() - self.input.len() < READ / 4 {
            self.input.reserve(READ);
        }
        let read = pin!(self.io.read_buf(&mut self.input)).poll(context);
        match read {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0)) => {
                return Err(self.lost("the server closed the connection"));
            }
            Poll::Ready(Err(error)) => return Err(self.broken(&error)),
            Poll::Ready(Ok(_)) => {}
        }
        self.reads += 1;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let taken = self
            .receiver
            .take_all(&mut self.input, &mut state, &mut self.wake);
        shared.publish(&state);
        drop(state);
        for waker in self.wake.drain(..) {
            waker.wake();
        }
        if let Err(fault) = taken {
            let text = format!("{}: {}", self.shared.name, fault.text);
            return Err(End {
                reason: fault.reason,
                text,
            });
        }
        if self.receiver.has_begun()
            && let Some(begun) = self.begun.take()
        {
            let _ = begun.send(Ok(()));
        }
        Ok(true)
    }

    /// Whether nothing is left to do.
    fn finished(&mut self) -> Option<End> {
        let state = self.shared.lock();
        if !state.is_finished() {
            return None;
        }
        let text = match &state.ending {
            Some(status) => status.message().to_owned(),
            None => "nobody needs the connection".to_owned(),
        };
        Some(End {
            reason: Reason::NO_ERROR,
            text,
        })
    }

    /// Writes what there is. Whether all of it was taken and there may be more.
    ///
    /// The calls of many clients come at once, each from a task of its own, and
    /// the first of them wakes this one. A system call costs more than
    /// everything else that is done for a small call here, so a little waits for
    /// the others' turns.
    fn write(&mut self, context: &mut Context<'_>, gathered: bool) -> Result<bool, End> {
        if self.writing.is_over() {
            let mut state = self.shared.lock();
            let size = state.outbox.size();
            if size == 0 {
                drop(state);
                return self.flush(context);
            }
            if size < GATHERED && !gathered {
                self.gathering = true;
                return Ok(false);
            }
            self.gathering = false;
            state.taken += size as u64;
            self.writing.take(&mut state.outbox);
            if state.has_room() {
                state.unblock(&mut self.wake);
            }
            drop(state);
            for waker in self.wake.drain(..) {
                waker.wake();
            }
        }
        match self.writing.poll_write(context, &mut self.io) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(self.broken(&error)),
            Poll::Ready(Ok(())) => {
                self.unflushed = true;
                self.flush(context)?;
                // Calls may have added to it in the meantime.
                Ok(self.shared.lock().outbox.size() > 0)
            }
        }
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        if !self.unflushed {
            return Ok(false);
        }
        match Pin::new(&mut self.io).poll_flush(context) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.unflushed = false,
            Poll::Ready(Err(error)) => return Err(self.broken(&error)),
        }
        Ok(false)
    }

    /// Does what is due, and sets the alarm. Whether there is something to
    /// write.
    fn time(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let lingering = state.cancelled.lingering > 0;
        if !lingering && self.ask.is_none() && self.look.is_none() {
            return Ok(false);
        }
        // While nothing lingers, only the alarm itself is a reason to look at the
        // clock.
        let rang = self.alarm.as_mut().poll(context).is_ready();
        if !lingering && !rang {
            return Ok(false);
        }
        let now = Instant::now();
        let before = state.outbox.size();
        if lingering {
            state.reset_due(now);
            shared.publish(&state);
        }
        if let Some(ask) = self.ask
            && ask <= now
            && let Some(keep_alive) = self.timing.keep_alive
        {
            let silent = self.reads == self.reads_before;
            self.reads_before = self.reads;
            if silent && self.give_up.is_none() && (state.live() > 0 || keep_alive.without_calls) {
                state.outbox.append(|out| frame::ping(out, 0, *b"portolan"));
                self.give_up = Some(after(now, keep_alive.timeout));
            }
            self.ask = Some(after(now, keep_alive.interval));
        }
        if let Some(give_up) = self.give_up {
            // Anything that was read shows that the server is there.
            if std::mem::take(&mut self.receiver.pong) || self.reads != self.reads_before {
                self.give_up = None;
            } else if give_up <= now {
                return Err(self.lost("the server does not answer pings"));
            }
        }
        if let Some(look) = self.look
            && look <= now
        {
            let calls = state.opened();
            let unused = calls == self.calls_before && state.live() == 0;
            if unused && state.ending.is_none() {
                let message = "the connection has not been used for long";
                state.ending = Some(Status::new(Code::Unavailable, message));
                shared.publish(&state);
            }
            self.calls_before = calls;
            self.look = self.timing.idle.map(|idle| after(now, idle));
        }
        let next = [
            self.ask,
            self.give_up,
            self.look,
            state.cancelled.alarm(now),
        ];
        let written = state.outbox.size() > before;
        let ended = state.ending.is_some() && state.live() == 0;
        drop(state);
        if let Some(next) = next.into_iter().flatten().min()
            && (rang || next != self.alarm.deadline())
        {
            self.alarm
                .as_mut()
                .reset(next.max(now + Duration::from_millis(1)));
            // It has to know whom to wake.
            let _ = self.alarm.as_mut().poll(context);
        }
        Ok(written || ended)
    }

    fn lost(&self, what: &str) -> End {
        End {
            reason: Reason::NO_ERROR,
            text: format!("{}: {what}", self.shared.name),
        }
    }

    fn broken(&self, error: &io::Error) -> End {
        self.lost(&format!("the connection broke: {}", plain(error)))
    }

    /// Tells everybody that it is over.
    fn fail(&mut self, end: &End) {
        let mut state = self.shared.lock();
        let status = state
            .ending
            .clone()
            .unwrap_or_else(|| Status::new(Code::Unavailable, end.text.clone()));
        let written = state.taken - self.writing.left() as u64;
        let last = self.receiver.last.unwrap_or(u32::MAX);
        for (id, stream) in &mut state.streams {
            stream.sent = true;
            if stream.end.is_none() {
                let text = Status::new(Code::Unavailable, end.text.clone());
                stream.end = Some(Err(if stream.position >= written {
                    Failure::Unprocessed(text)
                } else if *id > last {
                    Failure::Refused(text)
                } else {
                    Failure::Broken(text)
                }));
            }
            self.wake.extend(stream.reader.take());
            self.wake.extend(stream.writer.take());
        }
        state.streams.retain(|_, stream| !stream.abandoned);
        state.cancelled.lingering = 0;
        state.ending = Some(status);
        self.shared.publish(&state);
        drop(state);
        for waker in self.wake.drain(..) {
            waker.wake();
        }
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(Err(end.text.clone()));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A runtime that ends drops its tasks wherever they are.
        if self.shared.is_open() {
            let end = self.lost("the connection was dropped");
            self.fail(&end);
        }
        self.shared.close();
    }
}
