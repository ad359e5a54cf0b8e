//! A gate between a client and a server: it lets so many bytes of a connection
//! pass and then holds all others, so that what is to be broken in the middle is
//! in the middle on every machine. Its address stays when the server's changes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often one that is held looks whether it may pass.
const PAUSE: Duration = Duration::from_millis(2);

/// A running gate. Dropped, it lets nobody through.
pub(crate) struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: Mutex<SocketAddr>,
    /// Bytes of a connection that may pass to the server …
    up: AtomicUsize,
    /// … and to the client.
    down: AtomicUsize,
    /// Counts the changes of those: each ends the connections before it.
    changes: AtomicUsize,
    closed: AtomicBool,
}

impl Gate {
    /// A gate to this server, open for any number of bytes.
    pub(crate) fn open(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            up: AtomicUsize::new(usize::MAX),
            down: AtomicUsize::new(usize::MAX),
            changes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                accepting.connect(client);
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the server is there.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
    }

    /// Lets this many bytes of the next connections pass to the server, and ends
    /// those before.
    pub(crate) fn let_up(&self, bytes: usize) {
        self.shared.up.store(bytes, Ordering::SeqCst);
        self.shared.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Lets this many bytes of the next connections pass to the client, and ends
    /// those before.
    pub(crate) fn let_down(&self, bytes: usize) {
        self.shared.down.store(bytes, Ordering::SeqCst);
        self.shared.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // So that the one who accepts notices.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let server = *self.server.lock().unwrap();
        // Without a server the client is let go.
        let Ok(server) = TcpStream::connect(server) else {
            return;
        };
        let change = self.changes.load(Ordering::SeqCst);
        let over = Arc::new(AtomicBool::new(false));
        let (up, down) = (&self.up, &self.down);
        let (up, down) = (up.load(Ordering::SeqCst), down.load(Ordering::SeqCst));
        let pair = (client.try_clone().unwrap(), server.try_clone().unwrap());
        for (from, to, left) in [(client, server, up), (pair.1, pair.0, down)] {
            let (shared, over) = (Arc::clone(self), Arc::clone(&over));
            thread::spawn(move || {
                let is_over = || {
                    over.load(Ordering::SeqCst)
                        || shared.closed.load(Ordering::SeqCst)
                        || shared.changes.load(Ordering::SeqCst) != change
                };
                pass(&from, &to, left, is_over);
                over.store(true, Ordering::SeqCst);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }
}

/// Passes on what comes, up to that many bytes, until one of the two sides ends.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut left: usize, is_over: impl Fn() -> bool) {
    let mut buffer = [0; 16 << 10];
    while let Ok(size @ 1..) = from.read(&mut buffer) {
        let may_pass = size.min(left);
        left -= may_pass;
        if is_over() || to.write_all(&buffer[..may_pass]).is_err() {
            return;
        }
        if may_pass < size {
            while !is_over() {
                thread::sleep(PAUSE);
            }
            return;
        }
    }
}
