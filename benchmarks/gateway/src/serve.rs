//! The programs that this one is when it starts itself: the service that
//! gateways stand in front of, and ours around it without a socket in between.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use anyhow::Result;
use bytes::Bytes;
use clap::Subcommand;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::TokioExecutor;
use portolan_gateway::GatewayLayer;
use portolan_rpc::{Body, BoxError};
use portolan_server::{Drained, Listener, Server, logging};
use tower_layer::Layer;
use tower_service::Service;

use crate::contract;
use crate::harbour::Harbour;

/// What to be.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// The gRPC server behind every gateway
    #[command(hide = true)]
    Upstream { listen: SocketAddr },
    /// Our gateway around the service, in one process
    #[command(hide = true)]
    InProcess { listen: SocketAddr },
    /// Our layers in front of a server, as long as there is no command for it
    #[command(hide = true)]
    StandIn {
        listen: SocketAddr,
        upstream: SocketAddr,
    },
}

impl Role {
    /// Is it until it is killed.
    pub(crate) fn play(self) -> Result<()> {
        // The one core that it is pinned to has one worker.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            match self {
                Self::Upstream { listen } => Ok(tonic::transport::Server::builder()
                    .tcp_nodelay(true)
                    .serve(listen, Harbour::new()?)
                    .await?),
                Self::InProcess { listen } => gateway(listen, Harbour::new()?).await,
                Self::StandIn { listen, upstream } => gateway(listen, Channel::new(upstream)).await,
            }
        })
    }
}

/// Our gateway around a service, with the layers that our program puts there.
async fn gateway<S, R>(listen: SocketAddr, service: S) -> Result<()>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    logging::install(logging::LogFormat::Text, logging::filter("warn")?);
    let service = GatewayLayer::new(contract::schema()?).layer(service);
    let server = Server::new(service).listen(Listener::bind(listen)?);
    let Drained { .. } = server.serve(std::future::pending()).await;
    Ok(())
}

/// One connection of hyper's, made anew when it is gone.
#[derive(Clone)]
struct Channel {
    client: Client<HttpConnector, Body>,
    authority: Authority,
}

impl Channel {
    fn new(upstream: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let authority = upstream.to_string();
        Self {
            client: Client::builder(TokioExecutor::new())
                .http2_only(true)
                .http2_initial_stream_window_size(1 << 20)
                .http2_initial_connection_window_size(1 << 24)
                .build(connector),
            authority: authority.parse().expect("an address is an authority"),
        }
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper_util::client::legacy::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> ResponseFuture {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        self.client.request(request)
    }
}
