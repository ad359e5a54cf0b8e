//! What every measurement is given: the programs, a folder to write in, and
//! the runtime that clients live on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use portolan_memory::proto::memory_service_client::MemoryServiceClient;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

use crate::server::Server;

/// A client over gRPC.
pub(crate) type Client = MemoryServiceClient<Channel>;

/// The surroundings of a measurement.
pub(crate) struct Bench {
    pub(crate) server: PathBuf,
    pub(crate) python: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) runtime: Runtime,
    work: PathBuf,
}

impl Bench {
    /// Makes an empty folder to work in.
    pub(crate) fn new(
        server: PathBuf,
        python: PathBuf,
        root: PathBuf,
        work: PathBuf,
    ) -> Result<Self> {
        remove(&work)?;
        fs::create_dir_all(&work)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            server,
            python,
            root,
            runtime,
            work,
        })
    }

    /// The folder that everything is written below.
    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    /// An empty folder for one part of a measurement.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        remove(&folder)?;
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Starts the server over this folder.
    pub(crate) fn start(&self, folder: &Path) -> Result<Server> {
        Server::start(&self.server, folder)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What stays is below the build folder, and the next run removes it.
        let _ = fs::remove_dir_all(&self.work);
    }
}

/// Connects to a server by a connection of its own.
pub(crate) async fn connect(address: &str) -> Result<Client> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .tcp_nodelay(true)
        .connect()
        .await
        .with_context(|| format!("no connection to {address}"))?;
    // The ids of a long batch are more than the usual limit.
    Ok(Client::new(channel).max_decoding_message_size(64 << 20))
}

/// Removes a folder; that there is none is fine.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(())
}
