//! The server that the Connect conformance suite judges: the suite's service,
//! written with tonic, behind the gateway and the server of this repository.
//!
//! The runner writes on standard input what kind of server it wants, reads on
//! standard output where that listens, and ends it by a signal.
//!
//! Behind the gateway may also be one of the suite's own servers, as another
//! process that is reached through a channel.
//!
//! `messages` has the contract, `service` the suite's service, `asked` what the
//! service is told of a request beside its call, `upstream` the other process.

mod asked;
mod messages;
mod service;
mod upstream;

use std::convert::Infallible;
use std::io::{stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http::{Request, Response};
use portolan_client::Channel;
use portolan_gateway::{Body, DEFAULT_MAX_MESSAGE_SIZE, GatewayLayer, Options};
use portolan_schema::Schema;
use portolan_server::RequestBody;
use portolan_server::{Listener, Server, Tls};
use tokio::signal::unix::{SignalKind, signal};
use tonic::codec::CompressionEncoding;
use tower::Service;
use tower_layer::Layer;

use asked::Witness;
use messages::{ServerRequest, ServerResponse};
use service::{Conformance, ConformanceServiceServer};
use upstream::Upstream;

/// The folder with the suite's contract.
const PROTO: &str = "CONFORMANCE_PROTO";
const CONTRACT: &str = "connectrpc/conformance/v1/service.proto";

/// The program to put behind the gateway instead of the service in here.
const UPSTREAM: &str = "CONFORMANCE_UPSTREAM";

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
    let program = std::env::var_os(UPSTREAM).map(PathBuf::from);
    let mut ended = signal(SignalKind::terminate())?;
    let wanted: ServerRequest = messages::read(&mut stdin().lock())?;
    let mut options = Options::default();
    if wanted.message_receive_limit > 0 {
        // What a server receives is limited, not what it answers.
        options.max_message_size = wanted.message_receive_limit as usize;
        options.max_reply_size = Some(DEFAULT_MAX_MESSAGE_SIZE);
    }
    let layer = GatewayLayer::with_options(Arc::new(contract()?), options);
    let ended = async move {
        ended.recv().await;
    };
    let Some(program) = program else {
        let mut service = ConformanceServiceServer::new(Conformance)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        if wanted.message_receive_limit > 0 {
            service = service.max_decoding_message_size(wanted.message_receive_limit as usize);
        }
        return serve(layer.layer(service), wanted, ended).await;
    };
    let upstream = Upstream::start(&program, wanted.message_receive_limit).await?;
    let endpoint = upstream.url().parse().context("the upstream is nowhere")?;
    let channel = Channel::connect_lazy(endpoint)?;
    serve(layer.layer(channel), wanted, ended).await
}

/// Serves what the runner wants to be served, until that has ended.
async fn serve<S>(service: S, wanted: ServerRequest, ended: impl Future<Output = ()>) -> Result<()>
where
    S: Service<Request<RequestBody>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let mut listener = Listener::bind(([127, 0, 0, 1], 0).into())?;
    let mut answer = ServerResponse::default();
    if wanted.use_tls {
        let credentials = wanted
            .server_creds
            .context("the runner wants TLS and gives no certificate")?;
        let mut tls = Tls::from_pem(credentials.cert.clone(), credentials.key)?;
        if !wanted.client_tls_cert.is_empty() {
            tls = tls.client_ca_pem(wanted.client_tls_cert)?;
        }
        listener = listener.tls(tls);
        answer.pem_cert = credentials.cert;
    }
    if let Some(socket) = listener.address().socket() {
        answer.host = socket.ip().to_string();
        answer.port = socket.port().into();
    }
    messages::write(&mut stdout().lock(), &answer)?;
    let _ = Server::new(Witness(service))
        .listen(listener)
        .drain_timeout(DRAIN_TIMEOUT)
        .serve(ended)
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
