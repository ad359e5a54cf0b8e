//! One address of a channel: its connections, and whether it can be used.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use portolan_rpc::{Code, Status};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Changed, Settings};
use crate::Address;
use crate::transport::{Connection, Dialer};

/// An address, connected or not.
pub(crate) struct Subchannel {
    pub(crate) address: Address,
    pub(crate) dialer: Arc<Dialer>,
    settings: Arc<Settings>,
    changed: Arc<Changed>,
    /// Calls under way, on whichever connection.
    calls: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    dialing: Option<Dialing>,
    /// Attempts to connect that failed since the last that did not.
    failures: u32,
    /// Until when to leave it alone, and why.
    resting: Option<(Instant, Status)>,
}

/// What an address has for a call.
pub(crate) enum Offer {
    /// A connection with room.
    Ready(Connection),
    /// One may come.
    Soon,
    /// There is none, and until that moment nobody tries.
    Failed(Status, Instant),
}

impl Subchannel {
    pub(crate) fn new(
        address: Address,
        dialer: Arc<Dialer>,
        settings: Arc<Settings>,
        changed: Arc<Changed>,
    ) -> Arc<Self> {
        Arc::new(Self {
            address,
            dialer,
            settings,
            changed,
            calls: AtomicUsize::new(0),
            state: Mutex::default(),
        })
    }

    /// How many calls are under way.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts a call in until the lease is dropped.
    pub(crate) fn lease(self: &Arc<Self>, connection: Connection) -> Lease {
        self.calls.fetch_add(1, Ordering::Relaxed);
        connection.calls().fetch_add(1, Ordering::Relaxed);
        Lease {
            subchannel: Arc::clone(self),
            connection,
        }
    }

    /// A connection with room, if there is one now. Begins nothing.
    pub(crate) fn ready(self: &Arc<Self>) -> Option<Connection> {
        self.choose(&mut self.lock())
    }

    /// A connection with room, or else the beginning of one.
    pub(crate) fn offer(self: &Arc<Self>) -> Offer {
        let mut state = self.lock();
        if let Some(connection) = self.choose(&mut state) {
            return Offer::Ready(connection);
        }
        if state.dialing.is_some() {
            return Offer::Soon;
        }
        if let Some((until, status)) = &state.resting
            && *until > Instant::now()
        {
            return Offer::Failed(status.clone(), *until);
        }
        if state.connections.len() < self.settings.max_connections.max(1) {
            self.dial(&mut state);
        }
        Offer::Soon
    }

    /// The connection with the fewest calls, and another one begun where all
    /// are busy.
    fn choose(self: &Arc<Self>, state: &mut State) -> Option<Connection> {
        let mut best: Option<(usize, &Connection)> = None;
        let mut closed = false;
        for connection in &state.connections {
            if !connection.is_open() {
                closed = true;
                continue;
            }
            let calls = connection.calls().load(Ordering::Relaxed);
            if best.is_none_or(|(fewest, _)| calls < fewest) {
                best = Some((calls, connection));
            }
        }
        let best = best.map(|(calls, connection)| (calls, connection.clone()));
        if closed {
            state.connections.retain(Connection::is_open);
        }
        let (calls, connection) = best?;
        let room = connection.room();
        if calls >= room.min(self.settings.calls_per_connection)
            && state.connections.len() < self.settings.max_connections
            && state.dialing.is_none()
            && state.resting.is_none()
        {
            self.dial(state);
        }
        (calls < room).then_some(connection)
    }

    fn dial(self: &Arc<Self>, state: &mut State) {
        let subchannel = Arc::downgrade(self);
        let dialer = Arc::clone(&self.dialer);
        let address = self.address.clone();
        let changed = Arc::clone(&self.changed);
        // The state owns the task, and ends it with the subchannel.
        state.dialing = Some(Dialing(tokio::spawn(async move {
            let mut attempt = Attempt {
                subchannel,
                connected: Err("the attempt to connect was given up".to_owned()),
            };
            attempt.connected = async {
                let io = dialer.dial(&address).await?;
                let name = dialer.name(&address, "");
                let name = name.trim_end_matches(": ").to_owned();
                Connection::open(io, name, move || changed.all()).await
            }
            .await;
        })));
    }

    fn dialed(&self, connected: Result<Connection, String>) {
        let mut state = self.lock();
        // The task is at its end, so that nothing is cut off.
        state.dialing = None;
        match connected {
            Ok(connection) => {
                tracing::debug!(endpoint = %self.dialer.endpoint, address = %self.address, "connected");
                state.connections.push(connection);
                state.failures = 0;
                state.resting = None;
            }
            Err(reason) => {
                tracing::debug!(reason, "no connection");
                state.failures = state.failures.saturating_add(1);
                let pause = self.settings.backoff.pause(state.failures, fastrand::f64());
                let status = Status::new(Code::Unavailable, reason);
                state.resting = Some((Instant::now() + pause, status));
            }
        }
        drop(state);
        self.changed.all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt to connect. It reports however it ends, so that nobody waits for
/// one that was given up.
struct Attempt {
    subchannel: Weak<Subchannel>,
    connected: Result<Connection, String>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(subchannel) = self.subchannel.upgrade() {
            let none = Err(String::new());
            subchannel.dialed(std::mem::replace(&mut self.connected, none));
        }
    }
}

/// The task of an attempt.
struct Dialing(JoinHandle<()>);

impl Drop for Dialing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A call's place on a connection.
pub(crate) struct Lease {
    subchannel: Arc<Subchannel>,
    pub(crate) connection: Connection,
}

impl Lease {
    pub(crate) fn subchannel(&self) -> &Arc<Subchannel> {
        &self.subchannel
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.subchannel.calls.fetch_sub(1, Ordering::Relaxed);
        self.connection.calls().fetch_sub(1, Ordering::Relaxed);
        self.subchannel.changed.one();
    }
}
