//! What a client may cost: how slow it may be, and how much it may ask for at
//! once. A server has these for all its listeners.

use std::time::Duration;

/// The bounds that a [`Server`](crate::Server) sets to its clients. Each has a
/// default that lets every well-meaning client live, also one with long and
/// quiet streams.
///
/// ```
/// use std::time::Duration;
///
/// use portolan_server::Limits;
///
/// let limits = Limits::default().max_connections(500).idle_timeout(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) body_rate: u32,
    pub(crate) write_timeout: Duration,
    pub(crate) connection_age: Option<Duration>,
    pub(crate) max_connections: usize,
    pub(crate) header_bytes: u32,
    pub(crate) streams: u32,
    pub(crate) stream_window: u32,
    pub(crate) connection_window: u32,
    pub(crate) send_buffer: usize,
    pub(crate) premature_cancels: u32,
    pub(crate) pending_resets: usize,
    pub(crate) local_resets: usize,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            // A little more than the 600 s of load balancers that hold
            // connections for longest: they are to close first, or they would
            // send a request into a connection that we close.
            idle_timeout: Duration::from_secs(620),
            body_timeout: Duration::from_secs(30),
            body_rate: 240,
            write_timeout: Duration::from_secs(300),
            connection_age: None,
            max_connections: 16_384,
            // gRPC asks of servers to take 8 KiB at the least.
            header_bytes: 64 * 1024,
            streams: 1000,
            // A megabyte keeps a link of 100 ms and 80 Mbit/s busy.
            stream_window: 1024 * 1024,
            connection_window: 4 * 1024 * 1024,
            send_buffer: 400 * 1024,
            premature_cancels: 1000,
            pending_resets: 200,
            local_resets: 1024,
            ping_interval: Some(Duration::from_secs(60)),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// How long a client may take for its first bytes, and on HTTP/1.1 for the
    /// head of each request, however it spreads them; 30 seconds by default. The
    /// connection is closed then.
    #[must_use]
    pub fn header_timeout(mut self, limit: Duration) -> Self {
        self.header_timeout = limit;
        self
    }

    /// How long a connection may stay open without calls; 620 seconds by
    /// default. HTTP/2 is told with GOAWAY. Pings do not count as calls.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// How long a service may have to wait, in all, for bytes that a client has
    /// announced: of a body with a length, or of a message whose frame has
    /// begun; 30 seconds by default, and more for large ones, see
    /// [`body_rate`](Self::body_rate). The call then ends with
    /// DEADLINE_EXCEEDED. Between the messages of a stream a client may be
    /// silent for as long as it likes.
    #[must_use]
    pub fn body_timeout(mut self, limit: Duration) -> Self {
        self.body_timeout = limit;
        self
    }

    /// How many bytes of a body earn a client another second of
    /// [`body_timeout`](Self::body_timeout); 240 by default. With 0 they earn
    /// nothing.
    #[must_use]
    pub fn body_rate(mut self, bytes_per_second: u32) -> Self {
        self.body_rate = bytes_per_second;
        self
    }

    /// How long a client may take nothing of what is ready for it, on the whole
    /// connection; 300 seconds by default. The connection is cut then. A stream
    /// that has nothing to say is not meant, nor a client that reads slowly.
    #[must_use]
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = limit;
        self
    }

    /// How old a connection may become, give or take a tenth, until its client
    /// is asked to open another; by default as old as it likes. Its calls
    /// finish. Behind a load balancer that spreads connections this spreads
    /// clients over new servers.
    #[must_use]
    pub fn connection_age(mut self, limit: Duration) -> Self {
        self.connection_age = Some(limit);
        self
    }

    /// How many connections may be open, on all listeners together; 16,384 by
    /// default. More are not accepted until one ends, and wait meanwhile in the
    /// system's queue; the log says so. At least 1.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit.max(1);
        self
    }

    /// How many bytes the headers of a request may have; 65,536 by default, and
    /// at least 8,192. More are answered with 431.
    #[must_use]
    pub fn header_bytes(mut self, limit: u32) -> Self {
        // HTTP/1.1 reads no less at once.
        self.header_bytes = limit.max(8192);
        self
    }

    /// How many calls one HTTP/2 connection may have open; 1,000 by default.
    /// Others are refused before they begin, which clients may try again.
    #[must_use]
    pub fn streams(mut self, limit: u32) -> Self {
        self.streams = limit;
        self
    }

    /// How many bytes of one HTTP/2 stream, and of all streams of a connection,
    /// may be on their way before a service reads them; a mebibyte and four by
    /// default.
    #[must_use]
    pub fn windows(mut self, stream: u32, connection: u32) -> Self {
        self.stream_window = stream;
        self.connection_window = connection;
        self
    }

    /// How many bytes of the answer on one HTTP/2 stream may wait for a slow
    /// client before the service has to; 400 KiB by default.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = bytes;
        self
    }

    /// How many calls an HTTP/2 client may give up, within ten seconds and
    /// before they are answered, while those are more than half of all that it
    /// began; 1,000 by default. The connection is cut then: that is an attack
    /// (CVE-2023-44487).
    #[must_use]
    pub fn premature_cancels(mut self, limit: u32) -> Self {
        self.premature_cancels = limit;
        self
    }

    /// How many streams an HTTP/2 client may have reset before anybody could
    /// look at them; 200 by default. The connection ends then with
    /// ENHANCE_YOUR_CALM.
    #[must_use]
    pub fn pending_resets(mut self, limit: usize) -> Self {
        self.pending_resets = limit;
        self
    }

    /// How many streams an HTTP/2 client may make us reset by breaking the
    /// rules; 1,024 by default. The connection ends then with ENHANCE_YOUR_CALM
    /// (CVE-2025-8671).
    #[must_use]
    pub fn local_resets(mut self, limit: usize) -> Self {
        self.local_resets = limit;
        self
    }

    /// How often an HTTP/2 client is pinged, and how long it has for the answer
    /// before it is taken for gone; every 60 seconds and 20 by default. `None`
    /// does without.
    #[must_use]
    pub fn pings(mut self, interval: Option<Duration>, timeout: Duration) -> Self {
        self.ping_interval = interval;
        self.ping_timeout = timeout;
        self
    }
}
