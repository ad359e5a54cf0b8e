//! What HTTP has written, and when it goes out.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::task::yield_now;

use super::ends::WriteEnd;

/// How much is gathered. What is larger goes out at once, with what was
/// gathered before it and without being copied.
const GATHERED: usize = 16 * 1024;
/// The most pieces that go out in one call.
pub(super) const SLICES: usize = 16;

/// How many bytes may wait at a time, of all connections of the process, while
/// others have their turn. What is more goes out at once.
const WAITING: usize = 512 * 1024;
static WAITS: AtomicUsize = AtomicUsize::new(0);

/// What is between HTTP and the end that it writes to.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) stream: WriteEnd,
    gathered: Vec<u8>,
    /// How much of that has gone out.
    gone: usize,
    /// How many bytes have gone out.
    pub(super) all: u64,
    /// Whether there is somebody to send what is gathered.
    pub(super) attended: bool,
    /// Whether the system takes no more for now, and HTTP has more.
    stuck: bool,
    courtesy: Courtesy,
    /// How many bytes are counted as waiting.
    waits: usize,
}

/// Whether others have had their turn since something was last sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Courtesy {
    Due,
    /// They have it now, and this connection is worked on after them.
    Shown,
    Done,
}

impl Outgoing {
    pub(super) fn new(stream: WriteEnd) -> Self {
        Self {
            stream,
            gathered: Vec::new(),
            gone: 0,
            all: 0,
            attended: true,
            stuck: false,
            courtesy: Courtesy::Due,
            waits: 0,
        }
    }

    /// The connection is about to be worked on.
    pub(super) fn begin(&mut self) {
        if self.courtesy == Courtesy::Shown {
            self.courtesy = Courtesy::Done;
            self.end_waiting();
        }
    }

    /// The connection was worked on: sends what was gathered, once others have
    /// had their turn.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_pending() {
            ready!(self.poll_courtesy(self.gathered.len(), context));
            ready!(self.poll_send(context))?;
        }
        if !self.stuck {
            self.courtesy = Courtesy::Due;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether something was written that the system has not taken yet.
    pub(super) fn is_pending(&self) -> bool {
        self.stuck || !self.gathered.is_empty() || self.stream.is_pending()
    }

    /// Lets others go first, once, with so many bytes to send.
    fn poll_courtesy(&mut self, size: usize, context: &mut Context<'_>) -> Poll<()> {
        if self.courtesy == Courtesy::Due {
            if !self.begin_waiting(size) {
                self.courtesy = Courtesy::Done;
                return Poll::Ready(());
            }
            self.courtesy = Courtesy::Shown;
            // It wakes this task behind all others that can run.
            let _ = pin!(yield_now()).poll(context);
        }
        match self.courtesy {
            Courtesy::Done => Poll::Ready(()),
            Courtesy::Due | Courtesy::Shown => Poll::Pending,
        }
    }

    /// Counts so many bytes as waiting, if there is room.
    fn begin_waiting(&mut self, size: usize) -> bool {
        if WAITS.fetch_add(size, Ordering::Relaxed) + size > WAITING {
            WAITS.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        self.waits = size;
        true
    }

    /// They wait no longer.
    fn end_waiting(&mut self) {
        if self.waits > 0 {
            WAITS.fetch_sub(std::mem::take(&mut self.waits), Ordering::Relaxed);
        }
    }

    /// Sends what was gathered.
    pub(super) fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gone < self.gathered.len() {
            let rest = &self.gathered[self.gone..];
            let taken = ready!(self.stream.poll_write(context, rest))?;
            self.all += taken as u64;
            self.advance(taken)?;
        }
        self.stream.poll_flush(context)
    }

    /// Gathers it or sends it with what was gathered, and says how much of it
    /// was taken.
    pub(super) fn poll_take(
        &mut self,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size = pieces.iter().map(|piece| piece.len()).sum();
        if size == 0 {
            return Poll::Ready(Ok(0));
        }
        loop {
            if self.attended && self.gathered.len() + size <= GATHERED {
                for piece in pieces {
                    self.gathered.extend_from_slice(piece);
                }
                self.stuck = false;
                return Poll::Ready(Ok(size));
            }
            if self.attended {
                self.stuck = true;
                ready!(self.poll_courtesy(size, context));
            }
            let before = self.gathered.len() - self.gone;
            let mut slices = [IoSlice::new(&[]); SLICES];
            slices[0] = IoSlice::new(&self.gathered[self.gone..]);
            let mut count = 1;
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                if count == SLICES {
                    break;
                }
                slices[count] = *piece;
                count += 1;
            }
            let slices = &slices[usize::from(before == 0)..count];
            let written = self.stream.poll_write_vectored(context, slices);
            self.stuck = written.is_pending();
            let written = ready!(written)?;
            self.all += written as u64;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written.min(before))?;
            if written > before {
                return Poll::Ready(Ok(written - before));
            }
        }
    }

    /// Notes that so much of what was gathered has gone out.
    fn advance(&mut self, taken: usize) -> io::Result<()> {
        if taken == 0 && self.gone < self.gathered.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.gone += taken;
        if self.gone == self.gathered.len() {
            self.gathered.clear();
            self.gone = 0;
        }
        Ok(())
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.end_waiting();
    }
}
