//! gRPC's interoperability tests: grpc-go's client against grpc-go's server,
//! with the gateway between them. The cases are those of
//! "gRPC Interoperability Test Case Descriptions" that need neither a cloud's
//! credentials nor a name service.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::go_tools::GoTools;
use crate::process::{command, run_quietly};
use crate::repository::Repository;
use crate::server::Server;
use crate::steps::Steps;

const CASES: [&str; 14] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
];

/// How long the server may take to listen.
const START: Duration = Duration::from_secs(30);

/// Sets everything up and runs every case.
pub(crate) fn run_suite(repository: &Repository, steps: &mut Steps) {
    let tools = GoTools {
        sources: repository.root().join("tests/interop"),
        folder: repository.clients().join("conformance/interop"),
        programs: &["client", "server"],
    };
    let ready = steps.run("set up grpc-go's interop programs", || {
        tools.install(repository, || true)
    }) && steps.run("build the gateway", || {
        run_quietly(
            command(env!("CARGO"))
                .args(["build", "--locked", "--package", "portolan"])
                .current_dir(repository.root()),
        )
    });
    if ready {
        steps.run("interop, through the gateway", || judge(repository, &tools));
    }
}

fn judge(repository: &Repository, tools: &GoTools) -> Result<()> {
    let upstream = Upstream::start(tools)?;
    let gateway = Server::gateway(repository, "interop", &upstream.address)?;
    let (host, port) = gateway
        .address()
        .rsplit_once(':')
        .context("an address has a port")?;
    let mut failed = Vec::new();
    for case in CASES {
        let passed = run_quietly(command(tools.program("client")).args([
            format!("--server_host={host}"),
            format!("--server_port={port}"),
            format!("--test_case={case}"),
        ]));
        if let Err(error) = passed {
            println!("{case}: {error:#}");
            failed.push(case);
        }
    }
    gateway.stop()?;
    println!(
        "{} of {} cases passed",
        CASES.len() - failed.len(),
        CASES.len()
    );
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// grpc-go's server. Dropping it kills it.
struct Upstream {
    process: Child,
    address: String,
}

impl Upstream {
    /// Starts it on a port that was free a moment ago: it does not say which one
    /// the system would choose.
    fn start(tools: &GoTools) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = command(tools.program("server"))
            .arg(format!("--port={}", address.port()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the interop server does not start")?;
        let mut server = Self {
            process,
            address: address.to_string(),
        };
        let deadline = Instant::now() + START;
        while std::net::TcpStream::connect(address).is_err() {
            if let Some(status) = server.process.try_wait()? {
                bail!("the interop server ended with {status}");
            }
            if Instant::now() > deadline {
                bail!("the interop server does not listen at {address}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
