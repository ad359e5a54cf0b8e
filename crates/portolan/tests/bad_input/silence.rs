//! Clients that begin and do not go on. Each of these waits for the server's
//! own time limit, so they all wait at the same time.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::wire::{connect, http1, listen};
use crate::support::{Folder, Server};

/// What the server gives a client for its first bytes and for a head.
const LIMIT: Duration = Duration::from_secs(30);
const TOLERANCE: Duration = Duration::from_secs(15);

#[test]
fn slow_heads_are_given_up() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let begin = Instant::now();
    let silent = connect(server.address());
    let half = connect(server.address());
    (&half)
        .write_all(b"GET /v1/metrics HTTP/1.1\r\nhost: x\r\n")
        .unwrap();
    let preface = connect(server.address());
    (&preface).write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    let loris = connect(server.address());
    (&loris).write_all(b"GET /v1/metrics HTTP/1.1\r\n").unwrap();
    // A header line a second, for ever: the time is for the whole head.
    let dripping = loris.try_clone().unwrap();
    let drip = std::thread::spawn(move || drip(&dripping));
    std::thread::scope(|scope| {
        for stream in [&silent, &half, &preface, &loris] {
            scope.spawn(move || {
                listen(stream);
                let waited = begin.elapsed();
                assert!(waited < LIMIT + TOLERANCE, "{waited:?}");
                assert!(waited > LIMIT - Duration::from_secs(1), "{waited:?}");
            });
        }
        // Meanwhile others are served.
        assert_eq!(
            http1(server.address(), "GET /v1/metrics", &[], b"").status,
            200
        );
    });
    drip.join().unwrap();
    server.unharmed();
}

fn drip(mut stream: &TcpStream) {
    while stream.write_all(b"x-drip: 1\r\n").is_ok() {
        std::thread::sleep(Duration::from_secs(1));
    }
}
