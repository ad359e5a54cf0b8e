//! Whether all gateways say the same: before anything is measured, each answers
//! every route once, and what it says must mean what Envoy says.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

use crate::contract::{Route, frame};
use crate::gateway::Gateway;

/// Asks every gateway every route.
pub(crate) fn all(gateways: &[Gateway], routes: &[Route]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for route in routes {
            let expected: Value = serde_json::from_slice(&route.reply.json)?;
            for gateway in gateways {
                let who = || format!("{}, {}", gateway.contender.title(), route.method);
                let answer = json(gateway.json(), route).await.with_context(who)?;
                ensure!(answer == expected, "{} answers {answer}", who());
                if let Some(address) = gateway.grpc {
                    let (answer, status) = grpc(address, route).await.with_context(who)?;
                    ensure!(
                        status.as_deref() == Some("0") && answer == frame(&route.reply.wire),
                        "{} answers gRPC with status {status:?} and {} bytes",
                        who(),
                        answer.len()
                    );
                }
            }
        }
        Ok(())
    })
}

async fn json(address: SocketAddr, route: &Route) -> Result<Value> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when its sender is dropped.
    tokio::spawn(connection);
    let request = Request::post(route.path)
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(route.request.json.clone())))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(
        status.is_success(),
        "{status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(serde_json::from_slice(&body)?)
}

/// The frames of the answer, and the status in its trailers.
async fn grpc(address: SocketAddr, route: &Route) -> Result<(Vec<u8>, Option<String>)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::post(format!("http://{address}{}", route.rpc()))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(Bytes::from(frame(&route.request.wire))))?;
    let response = sender.send_request(request).await?;
    let body = response.into_body().collect().await?;
    let status = body
        .trailers()
        .and_then(|trailers| trailers.get("grpc-status"))
        .and_then(|status| Some(status.to_str().ok()?.to_owned()));
    Ok((body.to_bytes().into(), status))
}
