//! Those who watch one call, from its admission to its one end.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::HeaderMap;
use portolan_gateway::{Code, Deadline, OutcomeSlot, Status};

use super::{Admission, Direction, Watch};

/// The watches of a call, the outermost first.
pub(super) struct Watches {
    all: Vec<Box<dyn Watch>>,
    deadline: Deadline,
    outcome: Option<OutcomeSlot>,
}

impl Watches {
    pub(super) fn new(deadline: Deadline, outcome: Option<OutcomeSlot>) -> Self {
        Self {
            all: Vec::new(),
            deadline,
            outcome,
        }
    }

    pub(super) fn add(&mut self, admission: Admission) {
        self.all.extend(admission.0);
    }

    /// The reply begins.
    pub(super) fn metadata(&mut self, metadata: &mut HeaderMap) {
        for watch in self.all.iter_mut().rev() {
            watch.metadata(metadata);
        }
    }

    fn message(&mut self, direction: Direction, bytes: usize) {
        for watch in &mut self.all {
            watch.message(direction, bytes);
        }
    }

    /// The reply ends, and the call with it.
    pub(super) fn close(&mut self, status: &Status, trailers: &mut HeaderMap) {
        for watch in self.all.iter_mut().rev() {
            watch.trailers(status, trailers);
        }
        self.end(status);
    }

    /// The call is over; nobody watches any more.
    fn end(&mut self, status: &Status) {
        for mut watch in std::mem::take(&mut self.all).into_iter().rev() {
            watch.end(status);
        }
    }

    /// Nobody wants the rest.
    fn abandon(&mut self) {
        if self.all.is_empty() {
            return;
        }
        let told = self.outcome.as_ref().and_then(OutcomeSlot::get);
        let told = told.and_then(|outcome| outcome.status());
        let status = match told {
            _ if std::thread::panicking() => panicked(),
            // The gateway has ended the call.
            Some(code) if code != Code::Ok => Status::new(code, "the gateway ended the call"),
            _ if self.deadline.has_passed() => Deadline::exceeded(),
            _ => Status::new(Code::Cancelled, "the client has left"),
        };
        self.end(&status);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// The status of a call whose service fell.
fn panicked() -> Status {
    Status::new(Code::Internal, "the service panicked")
}

/// The same watches for both directions of a call.
#[derive(Clone)]
pub(super) struct Watching(Arc<Shared>);

struct Shared {
    watches: Mutex<Watches>,
    /// What is wrong with the request, which decides the status of the call.
    fault: OnceLock<Status>,
}

impl Watching {
    fn lock(&self) -> MutexGuard<'_, Watches> {
        // A watch that panics fails its call, and the others may know.
        let watches = self.0.watches.lock();
        watches.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn message(&self, direction: Direction, bytes: usize) {
        self.lock().message(direction, bytes);
    }

    /// Notes that the request broke off with this.
    pub(super) fn blame(&self, status: Status) {
        let _ = self.0.fault.set(status);
    }
}

/// The side of the reply: when it goes, the call is over.
pub(super) struct Ending(Watching);

impl Ending {
    pub(super) fn new(watches: Watches) -> Self {
        Self(Watching(Arc::new(Shared {
            watches: Mutex::new(watches),
            fault: OnceLock::new(),
        })))
    }

    pub(super) fn watching(&self) -> &Watching {
        &self.0
    }

    /// The reply begins.
    pub(super) fn metadata(&self, metadata: &mut HeaderMap) {
        self.0.lock().metadata(metadata);
    }

    /// The reply ends with a status, and the call with it.
    pub(super) fn close(&self, status: Status, trailers: &mut HeaderMap) {
        self.0.lock().close(&self.settle(status), trailers);
    }

    /// The call ends without trailers.
    pub(super) fn end(&self, status: Status) {
        self.0.lock().end(&self.settle(status));
    }

    /// The status that counts.
    fn settle(&self, status: Status) -> Status {
        self.0.0.fault.get().cloned().unwrap_or(status)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().abandon();
    }
}

/// Held while a service is asked: should it panic, the call is over.
pub(super) struct Fall<'e>(pub(super) &'e Ending);

impl Drop for Fall<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(panicked());
        }
    }
}
