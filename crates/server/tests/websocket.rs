//! Calls on WebSockets as the server sees them: they run until they end, are
//! counted then, and have as long as any other call when the server drains.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::Request;
use portolan_gateway::GatewayLayer;
use portolan_schema::Schema;
use portolan_server::{Cors, Health, Metrics, Recover, Server, Serving};
use support::Running;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tonic::service::Routes;
use tower_layer::Layer;

const SOON: Duration = Duration::from_secs(10);
const WATCH: &str = "/grpc.health.v1.Health/Watch";

struct Watched {
    server: Running,
    health: Health,
    metrics: Metrics,
}

fn start(drain_timeout: Duration) -> Watched {
    let schema = Schema::from_descriptor_sets([Health::FILE_DESCRIPTOR_SET]).unwrap();
    let health = Health::new(["a.A"]);
    let metrics = Metrics::default();
    let routes = Recover::new(Routes::new(health.service()).prepare());
    let everywhere = GatewayLayer::new(Arc::new(schema)).layer(routes);
    let server = Server::new(everywhere)
        .cors(Cors::new(["https://app.example".parse().unwrap()]))
        .metrics(metrics.clone())
        .health(health.clone())
        .drain_timeout(drain_timeout);
    Watched {
        server: Running::start(server),
        health,
        metrics,
    }
}

fn handshake(watched: &Watched) -> http::request::Builder {
    let address = watched.server.address;
    Request::builder()
        .uri(format!("ws://{address}{WATCH}"))
        .header("host", address.to_string())
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("x-request-id", "named")
}

async fn connect(watched: &Watched) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(watched.server.address).await.unwrap();
    let request = handshake(watched).body(()).unwrap();
    let (socket, response) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    assert_eq!(response.headers()["x-request-id"], "named");
    socket
}

async fn text(socket: &mut WebSocketStream<TcpStream>) -> String {
    let next = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    next.unwrap().unwrap().into_text().unwrap().to_string()
}

/// Waits until no call runs, and gives the figures.
async fn figures(metrics: &Metrics) -> String {
    let quiet = async {
        while metrics.calls().in_flight() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, quiet).await.expect("all ended");
    metrics.open_metrics()
}

fn counted(status: &str) -> String {
    format!(
        r#"portolan_rpc_requests_total{{method="{WATCH}",protocol="websocket",status="{status}"}} 1"#
    )
}

#[tokio::test]
async fn a_call_is_counted_when_it_ends() {
    let watched = start(SOON);
    let mut socket = connect(&watched).await;
    socket
        .send(Message::text(r#"{"service":"a.A"}"#))
        .await
        .unwrap();
    assert_eq!(text(&mut socket).await, r#"{"status":"SERVING"}"#);
    assert_eq!(watched.metrics.calls().in_flight(), 1);
    let none_yet = watched.metrics.open_metrics();
    assert!(
        !none_yet.contains("portolan_rpc_requests_total{"),
        "{none_yet}"
    );
    watched.health.set("a.A", Serving::No);
    assert_eq!(text(&mut socket).await, r#"{"status":"NOT_SERVING"}"#);
    socket.close(None).await.unwrap();
    let all = figures(&watched.metrics).await;
    assert!(all.contains(&counted("CANCELLED")), "{all}");

    let mut socket = connect(&watched).await;
    socket.send(Message::text("{}")).await.unwrap();
    assert_eq!(text(&mut socket).await, r#"{"status":"SERVING"}"#);
    // What goes wrong in the middle of a call is what it ends with.
    socket.send(Message::text("not JSON")).await.unwrap();
    let error = text(&mut socket).await;
    assert!(error.starts_with(r#"{"error":{"code":3,"#), "{error}");
    while let Some(Ok(_)) = socket.next().await {}
    let all = figures(&watched.metrics).await;
    assert!(all.contains(&counted("INVALID_ARGUMENT")), "{all}");
    assert_eq!(watched.server.drained(SOON).await.cut, 0);
}

#[tokio::test]
async fn an_end_that_the_service_gives_is_heard_when_draining() {
    let mut watched = start(SOON);
    let mut socket = connect(&watched).await;
    socket.send(Message::text("{}")).await.unwrap();
    assert_eq!(text(&mut socket).await, r#"{"status":"SERVING"}"#);
    // Draining ends what watches.
    watched.server.stop();
    let mut last = None;
    while let Some(Ok(message)) = tokio::time::timeout(SOON, socket.next()).await.unwrap() {
        last = Some(message);
    }
    let Some(Message::Close(Some(frame))) = last else {
        panic!("{last:?}");
    };
    assert_eq!(u16::from(frame.code), 1000, "{frame:?}");
    assert_eq!(watched.server.drained(SOON).await.cut, 0);
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let mut watched = start(Duration::from_millis(300));
    // It never says whom to watch, so the service has nothing to end.
    let mut socket = connect(&watched).await;
    watched.server.stop();
    let cut = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(SOON, cut).await.expect("it is cut");
    assert_eq!(watched.server.drained(SOON).await.cut, 1);
    let all = figures(&watched.metrics).await;
    assert!(all.contains(&counted("CANCELLED")), "{all}");
}

#[tokio::test]
async fn pages_are_let_in_that_are_named() {
    let watched = start(SOON);
    for (origin, may) in [
        ("https://app.example", true),
        ("https://other.example", false),
        ("null", false),
    ] {
        let stream = TcpStream::connect(watched.server.address).await.unwrap();
        let request = handshake(&watched).header("origin", origin);
        let opened = tokio_tungstenite::client_async(request.body(()).unwrap(), stream).await;
        match opened {
            Ok((mut socket, _)) => {
                assert!(may, "{origin}");
                socket.close(None).await.unwrap();
            }
            Err(tokio_tungstenite::tungstenite::Error::Http(refusal)) => {
                assert!(!may, "{origin}");
                assert_eq!(refusal.status(), 403);
            }
            Err(error) => panic!("{origin}: {error}"),
        }
    }
}
