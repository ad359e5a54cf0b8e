//! The server that the Connect conformance suite judges: the suite's service,
//! written with tonic, behind the gateway and the server of this repository.
//!
//! The runner writes on standard input what kind of server it wants, reads on
//! standard output where that listens, and ends it by a signal.
//!
//! `messages` has the contract, `service` the suite's service, `asked` what the
//! service is told of a request beside its call.

mod asked;
mod messages;
mod service;

use std::io::{stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use portolan_gateway::{GatewayLayer, Options};
use portolan_schema::Schema;
use portolan_server::{Listener, Server};
use tokio::signal::unix::{SignalKind, signal};
use tonic::codec::CompressionEncoding;
use tower_layer::Layer;

use asked::Witness;
use messages::{ServerRequest, ServerResponse};
use service::{Conformance, ConformanceServiceServer};

/// The folder with the suite's contract.
const PROTO: &str = "CONFORMANCE_PROTO";
const CONTRACT: &str = "connectrpc/conformance/v1/service.proto";

/// How long calls that the runner no longer waits for may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut ended = signal(SignalKind::terminate())?;
    let wanted: ServerRequest = messages::read(&mut stdin().lock())?;
    if wanted.use_tls {
        bail!("TLS is not served yet");
    }
    let mut options = Options::default();
    let mut service = ConformanceServiceServer::new(Conformance)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    if wanted.message_receive_limit > 0 {
        let limit = wanted.message_receive_limit as usize;
        options.max_message_size = limit;
        options.max_reply_size = Some(portolan_gateway::DEFAULT_MAX_MESSAGE_SIZE);
        service = service.max_decoding_message_size(limit);
    }
    let gateway = GatewayLayer::with_options(Arc::new(contract()?), options).layer(service);
    let listener = Listener::bind(([127, 0, 0, 1], 0).into())?;
    let answer = ServerResponse {
        host: listener.address().ip().to_string(),
        port: listener.address().port().into(),
        pem_cert: wanted.server_creds.unwrap_or_default().cert,
    };
    messages::write(&mut stdout().lock(), &answer)?;
    let _ = Server::new(Witness(gateway))
        .listen(listener)
        .drain_timeout(DRAIN_TIMEOUT)
        .serve(async {
            ended.recv().await;
        })
        .await;
    Ok(())
}

/// The suite's contract, compiled.
fn contract() -> Result<Schema> {
    let folder: PathBuf = std::env::var_os(PROTO)
        .with_context(|| format!("{PROTO} is not set; run `cargo xtask conformance connect`"))?
        .into();
    let mut compiler =
        protox::Compiler::new([&folder]).context("the suite's contract is not there")?;
    compiler
        .include_imports(true)
        .open_file(CONTRACT)
        .with_context(|| format!("{CONTRACT} in {} does not compile", folder.display()))?;
    let descriptors = compiler.encode_file_descriptor_set();
    Schema::from_descriptor_sets([descriptors.as_slice()])
        .context("the suite's contract does not link")
}
