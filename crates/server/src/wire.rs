//! A connection as the system gives it, over TCP or over a Unix socket, and the
//! bytes that were read of it before anybody knew who would want them.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A connection, with what was read of it already.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) first: First,
    pub(crate) stream: Stream,
}

/// A connection of either kind.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Bytes that come before those of the connection.
#[derive(Debug, Default)]
pub(crate) struct First {
    bytes: Vec<u8>,
    /// How many of them are taken.
    taken: usize,
}

impl First {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, taken: 0 }
    }

    /// Moves into the buffer what fits; whether there was anything.
    pub(crate) fn read(&mut self, into: &mut ReadBuf<'_>) -> bool {
        let rest = &self.bytes[self.taken..];
        if rest.is_empty() {
            return false;
        }
        let count = rest.len().min(into.remaining());
        into.put_slice(&rest[..count]);
        self.taken += count;
        if self.taken == self.bytes.len() {
            *self = Self::default();
        }
        true
    }
}

impl Wire {
    pub(crate) fn new(stream: Stream) -> Self {
        if let Stream::Tcp(stream) = &stream {
            // A call is small and waits for its answer: Nagle's algorithm would
            // hold back its last packet.
            let _ = stream.set_nodelay(true);
        }
        Self {
            first: First::default(),
            stream,
        }
    }
}

/// Closes one direction or both, under whoever works on them.
pub(crate) fn shut<'s>(socket: impl Into<SockRef<'s>>, how: Shutdown) {
    // It fails when the client has done so before.
    let _ = socket.into().shutdown(how);
}

/// Tries until something was read, or it is known when to try again.
pub(crate) fn poll_read(
    context: &mut Context<'_>,
    ready: impl Fn(&mut Context<'_>) -> Poll<io::Result<()>>,
    mut attempt: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(ready(context))?;
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read),
        }
    }
}

/// Does the same with a connection of either kind.
macro_rules! either {
    ($wire:expr, $stream:ident => $work:expr) => {
        match &mut $wire.stream {
            Stream::Tcp($stream) => $work,
            #[cfg(unix)]
            Stream::Unix($stream) => $work,
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.read(into) {
            return Poll::Ready(Ok(()));
        }
        either!(self, stream => Pin::new(stream).poll_read(context, into))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_comes_first_and_once() {
        let mut first = First::new(b"hello".to_vec());
        let mut space = [0; 3];
        for expected in [&b"hel"[..], b"lo", b""] {
            let mut into = ReadBuf::new(&mut space);
            assert_eq!(first.read(&mut into), !expected.is_empty());
            assert_eq!(into.filled(), expected);
        }
    }
}
