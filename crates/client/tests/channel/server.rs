//! A tonic server that echoes, fails, streams and hangs on request.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use portolan_client::Channel;
use portolan_rpc::{Body, BoxError, Code, Status, frame};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_stream::{Stream, StreamExt, wrappers::TcpListenerStream};
use tonic::body::Body as TonicBody;
use tonic::server::{Grpc, NamedService};
use tonic::transport::server::Router;
use tonic_prost::ProstCodec;
use tower_service::Service;

/// The only message there is.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Text {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

pub(crate) type Texts = Pin<Box<dyn Stream<Item = Result<Text, tonic::Status>> + Send>>;
type Answer<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, tonic::Status>> + Send>>;

/// What the server has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: AtomicUsize,
    /// Handlers that were dropped before they had answered.
    pub(crate) cancelled: AtomicUsize,
    pub(crate) changed: Notify,
    /// Messages that streams have produced.
    pub(crate) produced: AtomicUsize,
}

impl Seen {
    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        within(wait).await;
    }
}

/// Fails a test that would hang.
pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("it takes too long")
}

#[derive(Clone, Default)]
pub(crate) struct Echo {
    pub(crate) name: &'static str,
    pub(crate) seen: Arc<Seen>,
}

/// Counts a call that ends without an answer.
struct Guard(Arc<Seen>, bool);

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
            self.0.changed.notify_waiters();
        }
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<Request<TonicBody>> for Echo {
    type Response = Response<TonicBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<TonicBody>) -> Self::Future {
        let echo = self.clone();
        echo.seen.calls.fetch_add(1, Ordering::SeqCst);
        echo.seen.changed.notify_waiters();
        let codec = ProstCodec::<Text, Text>::default();
        let mut grpc = Grpc::new(codec)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/test.Echo/Bidi" => grpc.streaming(Bidi, request).await,
                "/test.Echo/Count" => grpc.server_streaming(Count(echo), request).await,
                _ => {
                    // Also one whose message has not come yet.
                    let guard = Guard(Arc::clone(&echo.seen), false);
                    grpc.unary(Unary(echo, Some(guard)), request).await
                }
            })
        })
    }
}

/// `Unary` echoes; the metadata `x-code` makes it fail, `x-hang` never answer,
/// `x-large` answer with so many bytes of metadata.
struct Unary(Echo, Option<Guard>);

impl tonic::server::UnaryService<Text> for Unary {
    type Response = Text;
    type Future = Answer<Text>;

    fn call(&mut self, request: tonic::Request<Text>) -> Answer<Text> {
        let (echo, guard) = (self.0.clone(), self.1.take());
        Box::pin(async move {
            let metadata = request.metadata();
            if metadata.contains_key("x-hang") {
                std::future::pending::<()>().await;
            }
            if metadata.contains_key("x-yield") {
                tokio::task::yield_now().await;
            }
            if let Some(mut guard) = guard {
                guard.1 = true;
            }
            let previous = metadata.get("grpc-previous-rpc-attempts").cloned();
            if let Some(wanted) = metadata.get("x-attempts")
                && previous.as_ref() != Some(wanted)
            {
                return Err(tonic::Status::unavailable("not yet"));
            }
            if let Some(code) = metadata.get("x-code") {
                let code: i32 = code.to_str().unwrap().parse().unwrap();
                let mut status = tonic::Status::new(code.into(), "as asked");
                if let Some(pushback) = metadata.get("x-pushback") {
                    let name = "grpc-retry-pushback-ms";
                    status.metadata_mut().insert(name, pushback.clone());
                }
                return Err(status);
            }
            let timeout = metadata.get("grpc-timeout").cloned();
            let large = metadata.get("x-large").cloned();
            let mut response = tonic::Response::new(request.into_inner());
            response
                .metadata_mut()
                .insert("x-server", echo.name.parse().unwrap());
            if let Some(previous) = previous {
                response.metadata_mut().insert("x-previous", previous);
            }
            if let Some(large) = large {
                let size = large.to_str().unwrap().parse().unwrap();
                let filler = "x".repeat(size).parse().unwrap();
                response.metadata_mut().insert("x-filler", filler);
            }
            if let Some(timeout) = timeout {
                response.metadata_mut().insert("x-timeout", timeout);
            }
            Ok(response)
        })
    }
}

/// `Count` sends texts of the length that is asked for, for ever.
struct Count(Echo);

impl tonic::server::ServerStreamingService<Text> for Count {
    type Response = Text;
    type ResponseStream = Texts;
    type Future = Answer<Texts>;

    fn call(&mut self, request: tonic::Request<Text>) -> Answer<Texts> {
        let echo = self.0.clone();
        Box::pin(async move {
            let size: usize = request.into_inner().text.parse().unwrap();
            let text = "x".repeat(size);
            let guard = Guard(Arc::clone(&echo.seen), false);
            let stream = tokio_stream::iter(std::iter::repeat(())).map(move |()| {
                let _ = &guard;
                echo.seen.produced.fetch_add(1, Ordering::SeqCst);
                echo.seen.changed.notify_waiters();
                Ok(Text { text: text.clone() })
            });
            Ok(tonic::Response::new(Box::pin(stream) as Texts))
        })
    }
}

/// `Bidi` echoes each message.
struct Bidi;

impl tonic::server::StreamingService<Text> for Bidi {
    type Response = Text;
    type ResponseStream = Texts;
    type Future = Answer<Texts>;

    fn call(&mut self, request: tonic::Request<tonic::Streaming<Text>>) -> Answer<Texts> {
        Box::pin(async move { Ok(tonic::Response::new(Box::pin(request.into_inner()) as Texts)) })
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::on("127.0.0.1:0".parse().unwrap(), "one").await
    }

    pub(crate) async fn on(address: SocketAddr, name: &'static str) -> Self {
        Self::with(address, name, |builder| builder).await
    }

    pub(crate) async fn with(
        address: SocketAddr,
        name: &'static str,
        choose: impl FnOnce(tonic::transport::Server) -> tonic::transport::Server,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let seen = Arc::<Seen>::default();
        let echo = Echo {
            name,
            seen: Arc::clone(&seen),
        };
        let server = choose(tonic::transport::Server::builder()).add_service(echo);
        Self::run(listener, seen, server)
    }

    /// With this beside the echo.
    pub(crate) async fn with_health<S>(
        address: SocketAddr,
        health: S,
        choose: impl FnOnce(tonic::transport::Server) -> tonic::transport::Server,
    ) -> Self
    where
        S: Service<Request<TonicBody>, Response = Response<TonicBody>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let seen = Arc::<Seen>::default();
        let echo = Echo {
            name: "well",
            seen: Arc::clone(&seen),
        };
        let server = choose(tonic::transport::Server::builder())
            .add_service(health)
            .add_service(echo);
        Self::run(listener, seen, server)
    }

    fn run(listener: TcpListener, seen: Arc<Seen>, server: Router) -> Self {
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let incoming = TcpListenerStream::new(listener);
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            server
                .serve_with_incoming_shutdown(incoming, stopped)
                .await
                .unwrap();
        });
        Self {
            address,
            seen,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn channel(&self) -> Channel {
        channel(&self.url())
    }

    /// Sends GOAWAY, finishes what is under way, and ends.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        let _ = within(&mut self.task).await;
    }
}

pub(crate) fn channel(url: &str) -> Channel {
    Channel::connect_lazy(url.parse().unwrap()).unwrap()
}

/// A message as a frame.
pub(crate) fn message(text: &str) -> Bytes {
    let text = Text { text: text.into() };
    frame::wrap(0, &text.encode_to_vec())
}

pub(crate) fn request(
    method: &str,
    body: impl Into<Body>,
    metadata: &[(&str, &str)],
) -> Request<Body> {
    let mut request = Request::post(format!("/test.Echo/{method}"));
    for (name, value) in metadata {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// Calls and reads the whole answer.
pub(crate) async fn call(
    channel: &Channel,
    request: Request<Body>,
) -> Result<(HeaderMap, Vec<String>), Status> {
    let (head, mut body) = begin(channel, request).await?;
    let mut texts = Vec::new();
    let mut decoder = frame::Decoder::new(usize::MAX);
    let mut status = None;
    while let Some(piece) = body.frame().await {
        let piece = piece.map_err(status_of)?;
        match piece.into_data() {
            Ok(data) => decoder.push(data),
            Err(piece) => status = Status::take_from(&mut piece.into_trailers().unwrap()),
        }
        while let Some(frame) = decoder.take()? {
            texts.push(Text::decode(frame.payload).unwrap().text);
        }
    }
    let status = status.unwrap_or_else(|| Status::new(Code::Internal, "no status"));
    if status.code() == Code::Ok {
        Ok((head, texts))
    } else {
        Err(status)
    }
}

/// Calls and reads the head of the answer; a status in it is an error.
pub(crate) async fn begin(
    channel: &Channel,
    request: Request<Body>,
) -> Result<(HeaderMap, Body), Status> {
    let response = within(channel.clone().call(request)).await?;
    let (mut head, body) = response.into_parts();
    match Status::take_from(&mut head.headers) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok((head.headers, body)),
    }
}

pub(crate) fn status_of(error: BoxError) -> Status {
    *error
        .downcast::<Status>()
        .expect("errors of a body are statuses")
}

/// Echoes a text and says which server did.
pub(crate) async fn echo(channel: &Channel, text: &str) -> Result<String, Status> {
    let (head, texts) = call(channel, request("Unary", message(text), &[])).await?;
    assert_eq!(texts, [text]);
    Ok(head["x-server"].to_str().unwrap().to_owned())
}

/// A request's body that is written while the call is under way.
pub(crate) fn writable() -> (tokio::sync::mpsc::Sender<Result<Bytes, BoxError>>, Body) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let body = StreamBody::new(
        stream.map(|piece: Result<Bytes, BoxError>| piece.map(http_body::Frame::data)),
    );
    (sender, Body::new(body))
}

/// A server with threads of its own, which can be killed: its sockets close
/// wherever its calls are.
pub(crate) struct Mortal {
    pub(crate) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
    server: Option<Server>,
}

impl Mortal {
    pub(crate) fn on(address: SocketAddr, name: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            sender.send(Server::on(address, name).await).unwrap();
        });
        let server = receiver.recv().unwrap();
        Self {
            address: server.address,
            runtime: Some(runtime),
            server: Some(server),
        }
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.server.as_ref().unwrap().seen
    }

    pub(crate) async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        let killed = move || runtime.shutdown_timeout(Duration::from_secs(10));
        within(tokio::task::spawn_blocking(killed)).await.unwrap();
    }

    /// Sends GOAWAY, finishes what is under way, and ends.
    pub(crate) async fn stop(mut self) {
        let server = self.server.take().unwrap();
        let runtime = self.runtime.take().unwrap();
        within(runtime.spawn(server.stop())).await.unwrap();
        runtime.shutdown_background();
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An address that is free.
pub(crate) fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}
