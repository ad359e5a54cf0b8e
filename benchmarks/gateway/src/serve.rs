//! The programs that this one is when it starts itself: the service that
//! gateways stand in front of, and ours around it without a socket in between.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Subcommand;
use portolan_gateway::GatewayLayer;
use portolan_server::{Drained, Listener, Server, logging};
use tower_layer::Layer;

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
                Self::InProcess { listen } => {
                    logging::install(logging::LogFormat::Text, logging::filter("warn")?);
                    let service = GatewayLayer::new(contract::schema()?).layer(Harbour::new()?);
                    let server = Server::new(service).listen(Listener::bind(listen)?);
                    let Drained { .. } = server.serve(std::future::pending()).await;
                    Ok(())
                }
            }
        })
    }
}
