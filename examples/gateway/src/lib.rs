//! What the stories have in common: the services, which are tonic's as they
//! always were, and where a story listens. How they reach everybody is told by
//! the programs in `src/bin`.

use std::future::Future;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;

mod files;
mod greeter;
mod products;
mod users;

pub use files::Files;
pub use greeter::GreeterService;
pub use products::Products;
pub use users::Users;

/// What the build script made of the contracts.
#[allow(missing_docs, clippy::all, reason = "generated from the contracts")]
pub mod proto {
    tonic::include_proto!("_");

    /// Chunks of files.
    pub mod files {
        tonic::include_proto!("files");
    }

    /// What is for sale.
    pub mod products {
        tonic::include_proto!("products");
    }

    /// The package `myapp.v1`: who changes it makes a `v2` beside it.
    pub mod myapp {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("myapp.v1");
        }
    }

    /// All contracts, encoded as a `google.protobuf.FileDescriptorSet`.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contracts.binpb"));
}

/// Where a story listens: `cargo run -p gateway-examples --bin STORY -- [HTTP
/// PORT] [gRPC PORT]`. With 0 the system chooses.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The app's; 8000 by default.
    pub http: u16,
    /// The gateway's own; 50051 by default.
    pub grpc: u16,
}

impl Ports {
    /// Reads the command line.
    ///
    /// # Errors
    /// When something there is no port.
    pub fn from_arguments() -> anyhow::Result<Self> {
        let mut arguments = std::env::args().skip(1);
        let mut port = |default| match arguments.next() {
            None => Ok(default),
            Some(text) => text.parse().with_context(|| format!("`{text}` is no port")),
        };
        Ok(Self {
            http: port(8000)?,
            grpc: port(50051)?,
        })
    }
}

/// Serves an app on a port of this machine until `stop`, and lets what is
/// running finish.
///
/// # Errors
/// When the port is taken.
pub async fn serve(
    app: Router,
    port: u16,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.with_context(|| format!("cannot listen on port {port}"))?;
    println!("HTTP on http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?;
    Ok(())
}

/// Ends when somebody presses Ctrl-C, from this call on: nobody has to be
/// waiting yet.
pub fn ctrl_c() -> impl Future<Output = ()> + Send + 'static {
    #[cfg(unix)]
    let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    #[cfg(windows)]
    let signal = tokio::signal::windows::ctrl_c();
    async move {
        match signal {
            Ok(mut signal) => signal.recv().await.unwrap_or_default(),
            // Then the system ends the program in its own way.
            Err(_) => std::future::pending().await,
        }
    }
}
