//! The two directions of a socket below a connection, with or without TLS.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use tokio::net::tcp;
#[cfg(unix)]
use tokio::net::unix;
use tokio_rustls::server::TlsStream;

use crate::wire::{self, Stream, Wire};

/// Where HTTP's bytes come from.
#[derive(Debug)]
pub(super) enum ReadEnd {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
    /// From where they go to: encryption has no halves.
    Tls,
}

/// Where HTTP's bytes go to.
#[derive(Debug)]
pub(super) enum WriteEnd {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
    Tls(Box<TlsStream<Wire>>),
}

/// Does the same with where bytes go, whatever that is.
macro_rules! either {
    ($end:expr, $stream:ident => $work:expr) => {
        match $end {
            WriteEnd::Tcp($stream) => $work,
            #[cfg(unix)]
            WriteEnd::Unix($stream) => $work,
            WriteEnd::Tls($stream) => $work,
        }
    };
}

impl WriteEnd {
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(context, pieces))
    }

    /// Nothing is left behind but by encryption.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            _ => Poll::Ready(Ok(())),
        }
    }

    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(context))
    }

    /// Whether it holds something that the system has not taken yet.
    pub(super) fn is_pending(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.get_ref().1.wants_write(),
            _ => false,
        }
    }

    /// Reads what comes, as it comes over the socket.
    pub(super) fn poll_read(
        &self,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let tcp = match self {
            Self::Tcp(stream) => stream.as_ref(),
            #[cfg(unix)]
            Self::Unix(stream) => return read_unix(stream.as_ref(), context, into),
            Self::Tls(stream) => match &stream.get_ref().0.stream {
                Stream::Tcp(stream) => stream,
                #[cfg(unix)]
                Stream::Unix(stream) => return read_unix(stream, context, into),
            },
        };
        wire::poll_read(
            context,
            |context| tcp.poll_read_ready(context),
            || tcp.try_read(into),
        )
    }

    /// Closes the socket in one direction or both.
    pub(super) fn shut(&self, how: Shutdown) {
        match self {
            Self::Tcp(stream) => wire::shut(AsRef::<tokio::net::TcpStream>::as_ref(stream), how),
            #[cfg(unix)]
            Self::Unix(stream) => wire::shut(AsRef::<tokio::net::UnixStream>::as_ref(stream), how),
            Self::Tls(stream) => match &stream.get_ref().0.stream {
                Stream::Tcp(stream) => wire::shut(stream, how),
                #[cfg(unix)]
                Stream::Unix(stream) => wire::shut(stream, how),
            },
        }
    }
}

#[cfg(unix)]
fn read_unix(
    stream: &tokio::net::UnixStream,
    context: &mut Context<'_>,
    into: &mut [u8],
) -> Poll<io::Result<usize>> {
    wire::poll_read(
        context,
        |context| stream.poll_read_ready(context),
        || stream.try_read(into),
    )
}
