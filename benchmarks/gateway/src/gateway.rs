//! The gateways, each as its users start it, on one core.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use benchmark_report::process::{MEASURED_CORE, Process, free_address};
use benchmark_report::race::Racer;
use clap::ValueEnum;

use crate::contract::{DESCRIPTORS, SERVICE};

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    Envoy,
    GrpcGateway,
    Vanguard,
    Portolan,
    InProcess,
}

/// Where the programs are, and what they work with.
pub(crate) struct Programs {
    /// Our own program, as users have it.
    pub(crate) portolan: PathBuf,
    /// This one.
    pub(crate) this: PathBuf,
    pub(crate) envoy: PathBuf,
    /// The folder with the Go programs.
    pub(crate) go: PathBuf,
    /// Envoy's configuration, with words to be filled in.
    pub(crate) envoy_configuration: PathBuf,
    /// Where files go that last as long as a run.
    pub(crate) work: PathBuf,
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) contender: Contender,
    pub(crate) process: Process,
    /// Where it takes gRPC, if it does.
    pub(crate) grpc: Option<SocketAddr>,
}

impl Racer for Gateway {
    type Name = Contender;

    fn name(&self) -> Contender {
        self.contender
    }

    fn title(&self) -> String {
        self.contender.title().to_owned()
    }

    fn process(&self) -> &Process {
        &self.process
    }
}

impl Contender {
    /// All of them; the one that the others are compared with comes first.
    pub(crate) const ALL: [Self; 5] = [
        Self::Envoy,
        Self::GrpcGateway,
        Self::Vanguard,
        Self::Portolan,
        Self::InProcess,
    ];

    /// As the tables call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy",
            Self::GrpcGateway => "grpc-gateway",
            Self::Vanguard => "vanguard-go",
            Self::Portolan => "portolan gateway",
            Self::InProcess => "Portolan in process",
        }
    }

    /// Whether it takes gRPC, and passes it on to a server behind it.
    pub(crate) fn passes_grpc(self) -> bool {
        matches!(self, Self::Envoy | Self::Vanguard | Self::Portolan)
    }

    /// Starts it in front of the server at this address.
    pub(crate) fn start(self, programs: &Programs, upstream: SocketAddr) -> Result<Gateway> {
        let json = free_address()?;
        let mut grpc = self.passes_grpc().then_some(json);
        let mut command = match self {
            Self::Envoy => {
                let port = free_address()?;
                grpc = Some(port);
                envoy(programs, json, port, upstream)?
            }
            Self::GrpcGateway => go(programs, "grpc-gateway", json, upstream),
            Self::Vanguard => go(programs, "vanguard", json, upstream),
            Self::Portolan => {
                let mut command = Command::new(&programs.portolan);
                command
                    .args(["gateway", "--upstream", &format!("http://{upstream}")])
                    .args(["--listen", &json.to_string(), "--descriptors"])
                    .arg(descriptors(&programs.work)?);
                command
            }
            Self::InProcess => {
                let mut command = Command::new(&programs.this);
                command.args(["in-process", &json.to_string()]);
                command
            }
        };
        // No peer writes a line per call.
        command.env("RUST_LOG", "warn");
        let log = programs.work.join(format!("{self:?}.log"));
        let process = Process::start(&command, MEASURED_CORE, json, &log)
            .with_context(|| format!("{} does not start", self.title()))?;
        Ok(Gateway {
            contender: self,
            process,
            grpc,
        })
    }
}

impl Gateway {
    /// Where it takes JSON.
    pub(crate) fn json(&self) -> SocketAddr {
        self.process.address
    }
}

fn envoy(
    programs: &Programs,
    json: SocketAddr,
    grpc: SocketAddr,
    upstream: SocketAddr,
) -> Result<Command> {
    let descriptors = descriptors(&programs.work)?;
    let words = [
        ("JSON_PORT", json.port().to_string()),
        ("GRPC_PORT", grpc.port().to_string()),
        ("UPSTREAM_PORT", upstream.port().to_string()),
        ("DESCRIPTORS", descriptors.display().to_string()),
        ("SERVICE", SERVICE.to_owned()),
    ];
    let form = fs::read_to_string(&programs.envoy_configuration)?;
    let text = words
        .iter()
        .fold(form, |text, (word, value)| text.replace(word, value));
    let file = programs.work.join("envoy.yaml");
    fs::write(&file, text)?;
    let mut command = Command::new(&programs.envoy);
    command
        .arg("--config-path")
        .arg(file)
        .args(["--concurrency", "1", "--disable-hot-restart"])
        .args(["--log-level", "error"]);
    Ok(command)
}

fn go(programs: &Programs, name: &str, listen: SocketAddr, upstream: SocketAddr) -> Command {
    let mut command = Command::new(programs.go.join(name));
    command
        .env("GOMAXPROCS", "1")
        .arg(format!("--listen={listen}"))
        .arg(format!("--upstream={upstream}"));
    command
}

fn descriptors(folder: &Path) -> Result<PathBuf> {
    let file = folder.join("harbour.binpb");
    fs::write(&file, DESCRIPTORS)?;
    Ok(file)
}
