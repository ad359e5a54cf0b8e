//! The socket below a connection, with or without TLS, cut in two: what HTTP
//! reads from and writes to, and the other end of the same, which says when what
//! was written goes out and whether all of it has.
//!
//! HTTP/2 writes an answer in pieces (headers with data, then trailers), and
//! each would be a system call, a packet and a wake-up of the client. So what is
//! written is gathered while a connection is worked on, and goes out when that
//! is done and every other connection that has work has had its turn: to wake
//! clients is the dearest part of a short call, and those that are awake already
//! need not be woken for the next answer.

mod ends;
mod outgoing;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::task::coop;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use self::ends::{ReadEnd, WriteEnd};
use self::outgoing::Outgoing;
use crate::vigil::Signs;
use crate::wire::{First, Stream, Wire};

/// What is between a connection and its socket.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(Wire),
    Tls(Box<TlsStream<Wire>>),
}

/// What HTTP reads from and writes to.
#[derive(Debug)]
pub(crate) struct Socket {
    first: First,
    read: ReadEnd,
    line: Attached,
}

/// The line in HTTP's hands.
#[derive(Debug)]
struct Attached(Line);

/// The end of the socket that HTTP does not see.
#[derive(Clone, Debug)]
pub(crate) struct Line(Arc<Ends>);

/// What both ends know.
#[derive(Debug)]
struct Ends {
    outgoing: Mutex<Outgoing>,
    /// How many bytes HTTP has read.
    came: AtomicU64,
    /// Whether HTTP's end is gone, and that it went.
    parted: AtomicBool,
    told: Notify,
}

/// The two ends of a connection, of which these bytes were read already.
pub(crate) fn cut(transport: Transport, first: First) -> (Socket, Line) {
    let (read, stream) = match transport {
        Transport::Plain(Wire {
            stream: Stream::Tcp(stream),
            ..
        }) => {
            let (read, write) = stream.into_split();
            (ReadEnd::Tcp(read), WriteEnd::Tcp(write))
        }
        #[cfg(unix)]
        Transport::Plain(Wire {
            stream: Stream::Unix(stream),
            ..
        }) => {
            let (read, write) = stream.into_split();
            (ReadEnd::Unix(read), WriteEnd::Unix(write))
        }
        Transport::Tls(stream) => (ReadEnd::Tls, WriteEnd::Tls(stream)),
    };
    let line = Line(Arc::new(Ends {
        outgoing: Mutex::new(Outgoing::new(stream)),
        came: AtomicU64::new(0),
        parted: AtomicBool::new(false),
        told: Notify::new(),
    }));
    let socket = Socket {
        first,
        read,
        line: Attached(line.clone()),
    };
    (socket, line)
}

impl Line {
    /// To be called whenever the connection is about to be worked on.
    pub(crate) fn begin(&self) {
        self.lock().begin();
    }

    /// Sends what was gathered, once others have had their turn. To be called
    /// whenever the connection was worked on, in the same task.
    pub(crate) fn poll_end(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_end(context)
    }

    /// Sends what was gathered, and then says that nothing more will come.
    /// Encryption says that for itself, and only when an answer was whole.
    pub(crate) fn poll_finish(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.lock();
        ready!(outgoing.poll_send(context))?;
        outgoing.stream.shut(Shutdown::Write);
        Poll::Ready(Ok(()))
    }

    /// Whether something was written that the system has not taken yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.lock().is_pending()
    }

    /// What there is to see of it.
    pub(crate) fn signs(&self) -> Signs {
        let outgoing = self.lock();
        Signs {
            came: self.came(),
            gone: outgoing.all,
            is_stuck: outgoing.is_pending(),
        }
    }

    /// How many bytes HTTP has read.
    pub(crate) fn came(&self) -> u64 {
        self.0.came.load(Ordering::Relaxed)
    }

    /// Lets HTTP send for itself from now on, and sends what was gathered until
    /// now: a connection that has become something else is worked on by others.
    pub(crate) fn poll_leave(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nobody may gather in between, since nobody would send that.
        let mut outgoing = self.lock();
        outgoing.attended = false;
        outgoing.poll_send(context)
    }

    /// Whether somebody else holds the other end.
    pub(crate) fn is_shared(&self) -> bool {
        !self.0.parted.load(Ordering::Acquire)
    }

    /// Waits until nobody else holds the other end.
    pub(crate) async fn alone(&self) {
        while self.is_shared() {
            // It is told once, to whoever comes first or next.
            self.0.told.notified().await;
        }
    }

    /// Waits until the client has taken nothing for so long of what is ready for
    /// it.
    pub(crate) async fn stalled(&self, limit: Duration) {
        let (mut gone, mut since) = (self.signs().gone, Instant::now());
        loop {
            tokio::time::sleep(limit / 4).await;
            let signs = self.signs();
            if !signs.is_stuck || signs.gone != gone {
                (gone, since) = (signs.gone, Instant::now());
            } else if since.elapsed() >= limit {
                return;
            }
        }
    }

    /// Closes both directions under whoever works on the other end.
    pub(crate) fn close(&self) {
        self.lock().stream.shut(Shutdown::Both);
    }

    /// Waits until the client has closed its side too, or has sent nothing for
    /// so long, or has gone on sending for all of this time or over so many bytes.
    /// A socket that is closed while its client still sends is reset, and what the
    /// client has not read by then is lost (RFC 9112 §9.6).
    pub(crate) async fn linger(&self, silence: Duration, all: Duration, most: u64) {
        // Not in the future, which every connection has from its beginning.
        let mut rest = vec![0; 4096];
        let mut size = 0;
        let heard = async {
            while size <= most {
                let read = poll_fn(|context| self.lock().stream.poll_read(context, &mut rest));
                match tokio::time::timeout(silence, read).await {
                    Ok(Ok(more @ 1..)) => size += more as u64,
                    Ok(Ok(0) | Err(_)) | Err(_) => return,
                }
                // A client that sends without a pause would leave the clock no
                // chance.
                coop::consume_budget().await;
            }
        };
        let _ = tokio::time::timeout(all, heard).await;
    }

    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.0
            .outgoing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.0.parted.store(true, Ordering::Release);
        self.0.0.told.notify_one();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let Self { first, read, line } = &mut *self;
        let read = if first.read(into) {
            Poll::Ready(Ok(()))
        } else {
            match read {
                ReadEnd::Tcp(stream) => Pin::new(stream).poll_read(context, into),
                #[cfg(unix)]
                ReadEnd::Unix(stream) => Pin::new(stream).poll_read(context, into),
                ReadEnd::Tls => match &mut line.0.lock().stream {
                    WriteEnd::Tls(stream) => Pin::new(stream).poll_read(context, into),
                    _ => Poll::Ready(Ok(())),
                },
            }
        };
        let more = (into.filled().len() - before) as u64;
        self.line.0.0.came.fetch_add(more, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.line
            .0
            .lock()
            .poll_take(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line.0.lock().poll_take(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.line.0.lock();
        if outgoing.attended {
            // It goes out when the connection has been worked on.
            return Poll::Ready(Ok(()));
        }
        outgoing.poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.line.0.lock();
        ready!(outgoing.poll_send(context))?;
        outgoing.stream.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::outgoing::SLICES;
    use super::*;

    async fn pair() -> (Socket, Line, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let stream = Stream::Tcp(listener.accept().await.unwrap().0);
        let transport = Transport::Plain(Wire::new(stream));
        let (socket, line) = cut(transport, First::default());
        (socket, line, client.unwrap())
    }

    /// Works on the connection until all has gone out.
    async fn send(line: &Line) {
        let sent = poll_fn(|context| {
            line.begin();
            line.poll_end(context)
        });
        sent.await.unwrap();
    }

    /// Works on the connection until this is done.
    async fn worked_on<T>(line: &Line, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            line.begin();
            let done = work.as_mut().poll(context);
            if done.is_pending() {
                let _ = line.poll_end(context);
            }
            done
        })
        .await
    }

    fn nothing_to_read(client: &TcpStream) -> bool {
        let read = client.try_read(&mut [0; 64]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[tokio::test]
    async fn what_is_small_is_gathered_and_sent_together() {
        let (mut socket, line, mut client) = pair().await;
        assert!(!line.is_pending());
        for piece in [b"one ", b"two "] {
            socket.write_all(piece).await.unwrap();
            socket.flush().await.unwrap();
        }
        assert!(line.is_pending() && nothing_to_read(&client));
        send(&line).await;
        assert!(!line.is_pending());
        let mut read = [0; 8];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"one two ");
    }

    #[tokio::test]
    async fn what_is_large_goes_out_in_order_and_holds_up_its_writer() {
        let (mut socket, line, mut client) = pair().await;
        let large: Vec<u8> = (0..16_u32 << 20).map(|at| (at % 251) as u8).collect();
        socket.write_all(b"head").await.unwrap();
        let stuck = tokio::time::timeout(Duration::from_millis(100), socket.write_all(&large));
        assert!(worked_on(&line, stuck).await.is_err(), "nobody reads");
        assert!(line.is_pending());
        // Whatever was taken before comes first; then it begins anew.
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            all
        });
        worked_on(&line, socket.write_all(&large)).await.unwrap();
        socket.shutdown().await.unwrap();
        assert!(!line.is_pending());
        let all = reading.await.unwrap();
        let rest = &all[4..];
        assert_eq!(&all[..4], b"head");
        let cut = rest.len() - large.len();
        assert!(rest[..cut] == large[..cut] && rest[cut..] == large);
    }

    #[tokio::test]
    async fn others_have_their_turn_before_anything_goes_out() {
        for size in [5, 1 << 15] {
            let (mut socket, line, client) = pair().await;
            // Asks the system, not what the runtime has heard of it.
            let client = client.into_std().unwrap();
            let other = tokio::spawn(async move { client.peek(&mut [0]).is_err() });
            let write = worked_on(&line, async { socket.write_all(&vec![7; size]).await });
            write.await.unwrap();
            send(&line).await;
            assert!(other.await.unwrap(), "{size}");
        }
    }

    #[tokio::test]
    async fn what_is_very_large_waits_for_nobody() {
        let (mut socket, line, mut client) = pair().await;
        let write = poll_fn(|context| {
            line.begin();
            let written = Pin::new(&mut socket).poll_write(context, &vec![7; 1 << 20]);
            assert!(written.is_ready(), "it goes out in the same turn");
            written
        });
        assert!(write.await.unwrap() > 0);
        client.read_exact(&mut [0; 5]).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_gathered_goes_out_before_the_end() {
        let (mut socket, _line, mut client) = pair().await;
        socket.write_all(b"last words").await.unwrap();
        socket.shutdown().await.unwrap();
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"last words");
    }

    #[tokio::test]
    async fn without_attendance_a_flush_sends() {
        let (mut socket, line, mut client) = pair().await;
        socket.write_all(b"and ").await.unwrap();
        poll_fn(|context| line.poll_leave(context)).await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        socket.write_all(b"hello").await.unwrap();
        socket.flush().await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
    }

    #[tokio::test]
    async fn lingering_ends_with_the_client_or_its_silence() {
        for closes in [true, false] {
            let (_socket, line, mut client) = pair().await;
            client.write_all(&[0; 10_000]).await.unwrap();
            let begin = std::time::Instant::now();
            let silence = Duration::from_millis(200);
            let kept = (!closes).then_some(client);
            line.linger(silence, silence * 10, u64::MAX).await;
            assert_eq!(begin.elapsed() < silence, closes);
            drop(kept);
        }
    }

    #[tokio::test]
    async fn lingering_ends_though_the_client_goes_on() {
        for pause in [Duration::from_millis(20), Duration::ZERO] {
            let (_socket, line, mut client) = pair().await;
            let trickle = tokio::spawn(async move {
                while client.write_all(&[0; 100]).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            });
            let begin = std::time::Instant::now();
            let (silence, all) = (Duration::from_secs(30), Duration::from_millis(300));
            line.linger(silence, all, u64::MAX).await;
            let took = begin.elapsed();
            assert!(took >= all && took < silence / 3, "{took:?}");
            trickle.abort();
        }
    }

    #[tokio::test]
    async fn lingering_ends_when_it_is_too_much() {
        let (_socket, line, mut client) = pair().await;
        let flood = tokio::spawn(async move {
            let mut sent = 0_u64;
            while client.write_all(&[0; 100]).await.is_ok() {
                sent += 100;
            }
            sent
        });
        let long = Duration::from_secs(30);
        tokio::time::timeout(long, line.linger(long, long * 2, 1_000_000))
            .await
            .expect("it ends by itself");
        line.close();
        assert!(flood.await.unwrap() >= 1_000_000);
    }

    #[tokio::test]
    async fn pieces_without_anything_are_passed_over() {
        let (mut socket, line, mut client) = pair().await;
        poll_fn(|context| line.poll_leave(context)).await.unwrap();
        let mut pieces = vec![IoSlice::new(&[]); SLICES * 2];
        pieces.push(IoSlice::new(b"hello"));
        let written =
            poll_fn(|context| Pin::new(&mut socket).poll_write_vectored(context, &pieces)).await;
        assert_eq!(written.unwrap(), 5);
        client.read_exact(&mut [0; 5]).await.unwrap();
        assert_eq!(line.came(), 0);
        client.write_all(b"so").await.unwrap();
        socket.read_exact(&mut [0; 2]).await.unwrap();
        assert_eq!(line.came(), 2);
    }
}
