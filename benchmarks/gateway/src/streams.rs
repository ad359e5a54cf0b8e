//! What streams cost that are open and silent: 1,000 calls of `Watch`, each
//! after its one message, and by how much the gateway has grown.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::contract::{Route, WATCH, WATCH_PATH, frame, rpc};
use crate::gateway::{Contender, Gateway};

/// How many streams.
pub(crate) const STREAMS: usize = 1_000;
/// gRPC clients share connections: so many streams on each.
const EACH: usize = 100;
/// What is allocated once, for whoever comes first, does not count.
const FIRST: usize = 100;
/// How long a gateway may take until it has put away what it needs no more.
const REST: Duration = Duration::from_millis(500);

/// Bytes per open stream of one gateway.
pub(crate) struct Cost {
    pub(crate) contender: Contender,
    /// gRPC, 100 streams on each connection.
    pub(crate) grpc: Option<f64>,
    /// JSON over HTTP/1.1, each with a connection of its own.
    pub(crate) json: Option<f64>,
}

/// Opens them on a gateway, of each kind on a fresh one.
pub(crate) fn measure(
    contender: Contender,
    start: impl Fn() -> Result<Gateway>,
    hello: &Route,
) -> Result<Cost> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let cost = |kind: Kind| {
        let gateway = start()?;
        let address = match kind {
            Kind::Grpc => gateway.grpc,
            Kind::Json => Some(gateway.json()),
        };
        let Some(address) = address else {
            return Ok(None);
        };
        runtime
            .block_on(grown(&gateway, kind, address, hello))
            .map(Some)
            .with_context(|| format!("{}, {kind:?}", contender.title()))
    };
    Ok(Cost {
        contender,
        grpc: cost(Kind::Grpc)?,
        json: cost(Kind::Json)?,
    })
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Grpc,
    Json,
}

async fn grown(gateway: &Gateway, kind: Kind, address: SocketAddr, hello: &Route) -> Result<f64> {
    let mut open = Vec::with_capacity(FIRST + STREAMS);
    watch(kind, address, hello, FIRST, &mut open).await?;
    tokio::time::sleep(REST).await;
    let before = gateway.process.resident()?;
    watch(kind, address, hello, STREAMS, &mut open).await?;
    tokio::time::sleep(REST).await;
    Ok((gateway.process.resident()? - before) / STREAMS as f64)
}

/// Opens so many more, and reads the first message of each.
async fn watch(
    kind: Kind,
    address: SocketAddr,
    hello: &Route,
    count: usize,
    open: &mut Vec<Incoming>,
) -> Result<()> {
    match kind {
        Kind::Grpc => {
            for _ in 0..count / EACH {
                let stream = TcpStream::connect(address).await?;
                let (mut sender, connection) =
                    http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
                // Ends when its last stream is dropped.
                tokio::spawn(connection);
                for _ in 0..EACH {
                    let request = Request::post(format!("http://{address}{}", rpc(WATCH)))
                        .header(header::CONTENT_TYPE, "application/grpc")
                        .header(header::TE, "trailers")
                        .body(Full::new(Bytes::from(frame(&hello.request.wire))))?;
                    let response = sender.send_request(request).await?;
                    open.push(first(response.into_body()).await?);
                }
            }
        }
        Kind::Json => {
            for _ in 0..count {
                let stream = TcpStream::connect(address).await?;
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                let request = Request::post(WATCH_PATH)
                    .header(header::HOST, address.to_string())
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::ACCEPT, "application/x-ndjson")
                    .body(Full::new(Bytes::from(hello.request.json.clone())))?;
                let response = sender.send_request(request).await?;
                open.push(first(response.into_body()).await?);
            }
        }
    }
    Ok(())
}

async fn first(mut body: Incoming) -> Result<Incoming> {
    let frame = body.frame().await.context("the stream is over")??;
    ensure!(frame.is_data(), "the stream has no message");
    Ok(body)
}
