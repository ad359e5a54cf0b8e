//! One address of a channel: its connections, and whether it can be used.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use portolan_rpc::{Code, Status};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use super::health::{self, Health};
use super::outlier::Record;
use super::{Changed, Settings};
use crate::Address;
use crate::clock::after;
use crate::transport::{Connection, Dialer};

/// An address, connected or not.
pub(crate) struct Subchannel {
    pub(crate) address: Address,
    pub(crate) dialer: Arc<Dialer>,
    pub(super) record: Record,
    settings: Arc<Settings>,
    changed: Arc<Changed>,
    /// Told when a connection takes no more calls, or more than before.
    shifted: Arc<Notify>,
    /// Calls under way, on whichever connection.
    calls: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    dialing: Option<Task>,
    /// Attempts to connect that failed since the last that did not.
    failures: u32,
    /// Until when to leave it alone, and why.
    resting: Option<(Instant, Status)>,
    health: Health,
    watching: Option<Task>,
}

impl State {
    /// Why it is to be left alone, and until when, if that is still to come.
    fn resting(&self) -> Option<(Instant, &Status)> {
        let (until, status) = self.resting.as_ref()?;
        (*until > Instant::now()).then_some((*until, status))
    }
}

/// What an address has for a call.
pub(crate) enum Offer {
    /// A place on a connection.
    Ready(Lease),
    /// There may be one soon.
    Soon,
    /// There is none, and until that moment nobody tries.
    Failed(Status, Instant),
}

/// How soon to look again at an address that says it is not in service.
const UNHEALTHY: Duration = Duration::from_secs(1);

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
            record: Record::default(),
            settings,
            changed,
            shifted: Arc::default(),
            calls: AtomicUsize::new(0),
            state: Mutex::default(),
        })
    }

    /// How many calls are under way.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        let state = self.lock();
        state
            .connections
            .iter()
            .filter(|connection| connection.is_open())
            .count()
    }

    /// A place on a connection, if there is one now. Begins nothing unless all
    /// connections are busy.
    pub(crate) fn ready(self: &Arc<Self>) -> Option<Lease> {
        let mut state = self.lock();
        if self.ailing(&state).is_some() {
            return None;
        }
        self.choose(&mut state)
    }

    /// A place on a connection, or else the beginning of one.
    pub(crate) fn offer(self: &Arc<Self>) -> Offer {
        let mut state = self.lock();
        if state.connections.iter().any(Connection::is_open)
            && let Some(offer) = self.ailing(&state)
        {
            return offer;
        }
        if let Some(lease) = self.choose(&mut state) {
            return Offer::Ready(lease);
        }
        if state.dialing.is_some() {
            return Offer::Soon;
        }
        if let Some((until, status)) = state.resting() {
            // One that is full has room again as soon as a call ends.
            if state.connections.iter().any(Connection::is_open) {
                return Offer::Soon;
            }
            return Offer::Failed(status.clone(), until);
        }
        if state.connections.len() < self.settings.max_connections.max(1) {
            self.dial(&mut state);
        }
        Offer::Soon
    }

    /// What there is instead of a place while the server is not in service.
    fn ailing(&self, state: &State) -> Option<Offer> {
        self.settings.health_service.as_ref()?;
        match state.health {
            Health::Serving => None,
            Health::Unknown => Some(Offer::Soon),
            Health::NotServing => {
                let message = format!("{}: the server is not in service", self.dialer.endpoint);
                let status = Status::new(Code::Unavailable, message);
                Some(Offer::Failed(status, Instant::now() + UNHEALTHY))
            }
        }
    }

    /// The first connection that is not busy, or of busy ones that with the
    /// fewest calls; then another one is begun. Calls that share a connection
    /// share its system calls, too.
    fn choose(self: &Arc<Self>, state: &mut State) -> Option<Lease> {
        let busy = self.settings.calls_per_connection.max(1);
        let mut best: Option<(usize, &Connection)> = None;
        let mut closed = false;
        for connection in &state.connections {
            if !connection.is_open() {
                closed = true;
                continue;
            }
            let calls = connection.calls().load(Ordering::SeqCst);
            let room = connection.room();
            if calls < room && best.is_none_or(|(fewest, _)| calls < fewest) {
                best = Some((calls, connection));
                if calls < busy {
                    break;
                }
            }
        }
        let best = best.map(|(calls, connection)| (calls, connection.clone()));
        if closed {
            state.connections.retain(Connection::is_open);
        }
        let free = best.as_ref().is_some_and(|(calls, _)| *calls < busy);
        if !free
            && !state.connections.is_empty()
            && state.connections.len() < self.settings.max_connections
            && state.dialing.is_none()
            && state.resting().is_none()
        {
            self.dial(state);
        }
        // Counted under the lock: a server that takes so many calls gets no
        // more.
        best.map(|(_, connection)| self.lease(connection))
    }

    fn lease(self: &Arc<Self>, connection: Connection) -> Lease {
        self.calls.fetch_add(1, Ordering::Relaxed);
        connection.calls().fetch_add(1, Ordering::SeqCst);
        Lease {
            subchannel: Arc::clone(self),
            connection,
        }
    }

    fn dial(self: &Arc<Self>, state: &mut State) {
        let subchannel = Arc::downgrade(self);
        let dialer = Arc::clone(&self.dialer);
        let address = self.address.clone();
        let (changed, shifted) = (Arc::clone(&self.changed), Arc::clone(&self.shifted));
        let told = move || {
            changed.all();
            shifted.notify_waiters();
        };
        let timing = self.settings.timing;
        // The state owns the task, and ends it with the subchannel.
        state.dialing = Some(Task(tokio::spawn(async move {
            let mut attempt = Attempt {
                subchannel,
                connected: Err("the attempt to connect was given up".to_owned()),
            };
            attempt.connected = dialer.open(&address, timing, told).await;
        })));
    }

    fn dialed(self: &Arc<Self>, connected: Result<Connection, String>) {
        let mut state = self.lock();
        // The task is at its end, so that nothing is cut off.
        state.dialing = None;
        match connected {
            Ok(connection) => {
                let (endpoint, address) = (&self.dialer.endpoint, &self.address);
                tracing::debug!(%endpoint, %address, "connected");
                let mut others = state.connections.iter();
                // Whatever was known of the server was known of the one before.
                if let Some(service) = &self.settings.health_service
                    && !others.any(Connection::is_open)
                {
                    let watch = health::watch(Arc::downgrade(self), service.clone());
                    state.health = Health::Unknown;
                    state.watching = Some(Task(tokio::spawn(watch)));
                }
                state.connections.push(connection);
                state.failures = 0;
                state.resting = None;
                self.settings.connected.send_modify(|count| *count += 1);
            }
            Err(reason) => {
                tracing::debug!(reason, "no connection");
                state.failures = state.failures.saturating_add(1);
                let pause = self.settings.backoff.pause(state.failures, fastrand::f64());
                let status = Status::new(Code::Unavailable, reason);
                state.resting = Some((after(Instant::now(), pause), status));
            }
        }
        drop(state);
        self.changed.all();
    }

    /// Any connection that is open, to watch the health on. Without one the
    /// watch is over: the next connection begins another.
    pub(super) fn watchable(self: &Arc<Self>) -> Option<Watched> {
        let state = self.lock();
        let mut connections = state.connections.iter();
        let connection = connections.find(|connection| connection.is_open())?.clone();
        // It takes one of the calls that the server has room for.
        connection.calls().fetch_add(1, Ordering::SeqCst);
        Some(Watched {
            connection,
            changed: Arc::clone(&self.changed),
            shifted: Arc::clone(&self.shifted),
        })
    }

    /// Notes what the server says on a connection: nothing that counts, once that
    /// takes no more calls.
    pub(super) fn set_health(&self, watched: &Watched, health: Health) {
        let mut state = self.lock();
        if watched.connection.is_open() && std::mem::replace(&mut state.health, health) != health {
            drop(state);
            tracing::debug!(endpoint = %self.dialer.endpoint, address = %self.address, ?health, "health");
            self.changed.all();
        }
    }

    /// A connection ended before the server has said anything of its health. So
    /// may the next: it has to wait.
    pub(super) fn unheard(&self) {
        let mut state = self.lock();
        let name = &self.dialer.endpoint;
        let message = format!("{name}: the connection ended before the server told its health");
        let pause = self.settings.backoff.pause(1, fastrand::f64());
        let status = Status::new(Code::Unavailable, message);
        state.resting = Some((after(Instant::now(), pause), status));
        drop(state);
        self.changed.all();
    }

    /// Whether outliers are looked for, and this one is left out now.
    pub(crate) fn is_ejected(&self) -> bool {
        self.settings.outliers.is_some() && self.record.is_ejected(Instant::now())
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

/// A connection whose server is asked for its health, counted as a call.
pub(super) struct Watched {
    pub(super) connection: Connection,
    changed: Arc<Changed>,
    shifted: Arc<Notify>,
}

impl Watched {
    /// What comes of this, unless the connection takes no more calls before: a
    /// server that ends it waits for what is under way.
    pub(super) async fn while_open<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            let mut shifted = pin!(self.shifted.notified());
            shifted.as_mut().enable();
            if !self.connection.is_open() {
                return None;
            }
            tokio::select! {
                biased;
                () = shifted => {}
                done = &mut work => return Some(done),
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.connection.calls().fetch_sub(1, Ordering::SeqCst);
        self.changed.one();
    }
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
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
        // Whoever waits for room counts itself and then looks here, and this is
        // the other way round: hence the strict order.
        self.connection.calls().fetch_sub(1, Ordering::SeqCst);
        self.subchannel.changed.one();
    }
}
