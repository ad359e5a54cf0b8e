//! The HTTP of a connection, of the version that its client speaks: set up with
//! the connection's limits, and as large as that version is.
//!
//! A connection may be silent for hours, and there may be many. So its HTTP has
//! memory of its own, which goes as soon as HTTP has ended: behind a WebSocket
//! there is none any more.

use std::pin::Pin;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::calls::Calls;
use crate::open::Version;
use crate::socket::Socket;
use crate::{BoxError, Limits};

/// HTTP on a connection, to be polled until it ends. It has ended well, too, when
/// the connection has become something else.
pub(crate) trait Http: Future<Output = hyper::Result<()>> + Send {
    /// Takes no more calls, and ends when those that run have been answered.
    fn finish(self: Pin<&mut Self>);
}

/// HTTP of this version over the socket, whose requests the service answers.
pub(crate) fn http<S, B>(
    version: Version,
    socket: Socket,
    service: S,
    calls: Calls,
    limits: &Limits,
) -> Pin<Box<dyn Http>>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let socket = TokioIo::new(socket);
    match version {
        Version::Http1 => {
            let mut http = http1::Builder::new();
            http
                // The vigil has an eye on it.
                .header_read_timeout(None)
                .max_buf_size(limits.header_bytes as usize);
            Box::pin(http.serve_connection(socket, service).with_upgrades())
        }
        Version::Http2 => {
            let mut http = http2::Builder::new(calls);
            http.timer(TokioTimer::new())
                .max_header_list_size(limits.header_bytes)
                .max_concurrent_streams(limits.streams)
                // WebSockets (RFC 8441).
                .enable_connect_protocol()
                .initial_stream_window_size(limits.stream_window)
                .initial_connection_window_size(limits.connection_window)
                .max_send_buf_size(limits.send_buffer)
                .max_pending_accept_reset_streams(limits.pending_resets)
                .max_local_error_reset_streams(limits.local_resets)
                .keep_alive_interval(limits.ping_interval)
                .keep_alive_timeout(limits.ping_timeout);
            Box::pin(http.serve_connection(socket, service))
        }
    }
}

impl<S, B> Http for http1::UpgradeableConnection<TokioIo<Socket>, S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, B> Http for http2::Connection<TokioIo<Socket>, S, Calls>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
