//! A server for a gateway, and clients that open WebSockets to it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, Version};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use portolan_gateway::Gateway;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::upstream::Upstream;

/// The longest that anything may take here.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// Serves a gateway on a port of its own, as any hyper server would.
pub(crate) async fn serve(gateway: Gateway<Upstream>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(gateway.clone());
            tokio::spawn(async move {
                let mut http = auto::Builder::new(TokioExecutor::new());
                http.http2().enable_connect_protocol();
                let io = TokioIo::new(stream);
                let _ = http.serve_connection_with_upgrades(io, service).await;
            });
        }
    });
    address
}

/// The request of a handshake; these headers come on top.
pub(super) fn handshake(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder()
        .uri(format!("ws://{address}{path}"))
        .header("host", address.to_string())
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// A WebSocket over HTTP/1.1.
pub(super) async fn connect(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Talk<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let request = handshake(address, path, headers);
    let (socket, response) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    Talk { socket, response }
}

/// What the server says to a handshake that it refuses.
pub(super) async fn refusal(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Option<Vec<u8>>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let request = handshake(address, path, headers);
    match tokio_tungstenite::client_async(request, stream).await {
        Err(Error::Http(response)) => *response,
        other => panic!("{path} {headers:?}: {other:?}"),
    }
}

/// A WebSocket on a stream of HTTP/2 (RFC 8441).
pub(super) async fn connect_http2(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Talk<TokioIo<Upgraded>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method("CONNECT")
        .version(Version::HTTP_2)
        .uri(format!("http://{address}{path}"))
        .header("sec-websocket-version", "13");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .extension(Protocol::from_static("websocket"))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let mut response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
    let io = TokioIo::new(upgraded);
    Talk {
        socket: WebSocketStream::from_raw_socket(io, Role::Client, None).await,
        response: response.map(|_| None),
    }
}

/// An open WebSocket and the answer that opened it.
pub(super) struct Talk<S> {
    pub(super) socket: WebSocketStream<S>,
    pub(super) response: Response<Option<Vec<u8>>>,
}

/// What came before the end, and the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) texts: Vec<String>,
    pub(super) binaries: Vec<Bytes>,
    /// The close code, and the reason.
    pub(super) close: Option<(u16, String)>,
}

impl<S> Talk<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn say_bytes(&mut self, bytes: Bytes) {
        self.socket.send(Message::Binary(bytes)).await.unwrap();
    }

    /// Says that there is no more.
    pub(super) async fn done(&mut self) {
        self.say("").await;
    }

    pub(super) async fn next(&mut self) -> Message {
        tokio::time::timeout(LONGEST, self.socket.next())
            .await
            .expect("a frame comes")
            .expect("the connection is open")
            .unwrap()
    }

    pub(super) async fn next_text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// All to the end.
    pub(super) async fn rest(mut self) -> Heard {
        let mut heard = Heard {
            texts: Vec::new(),
            binaries: Vec::new(),
            close: None,
        };
        loop {
            let next = tokio::time::timeout(LONGEST, self.socket.next()).await;
            match next.expect("a frame comes") {
                Some(Ok(Message::Text(text))) => heard.texts.push(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => heard.binaries.push(bytes),
                Some(Ok(Message::Close(frame))) => {
                    heard.close = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return heard,
            }
        }
    }
}

impl Heard {
    /// The close code; 0 for none.
    pub(super) fn code(&self) -> u16 {
        self.close.as_ref().map_or(0, |(code, _)| *code)
    }

    /// What the last text says went wrong.
    pub(super) fn error(&self) -> serde_json::Value {
        let last = self.texts.last().expect("a last text");
        let value: serde_json::Value = serde_json::from_str(last).unwrap();
        value["error"].clone()
    }
}
