//! The servers that are measured, each with one core.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use benchmark_report::process::{MEASURED_CORE, Process, free_address};
use benchmark_report::race::Racer;

/// A server that gives a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// The binary, with logging, figures and tokens.
    Portolan,
    /// The same service over the same store, by tonic alone.
    Plain,
    /// A service by tonic with its users in a map.
    Map,
    /// The same in Go.
    GrpcGo,
    /// The same in Python.
    Grpcio,
}

/// The programs, and a folder to work in.
pub(crate) struct Programs {
    pub(crate) portolan: PathBuf,
    this: PathBuf,
    python: PathBuf,
    go: PathBuf,
    peers: PathBuf,
    contracts: PathBuf,
    pub(crate) work: PathBuf,
    /// A token that the binary takes.
    pub(crate) token: String,
}

/// A server that runs.
pub(crate) struct Running {
    contender: Contender,
    pub(crate) process: Process,
}

impl Programs {
    pub(crate) fn new(python: &Path, go: &Path, package: &Path, repository: &Path) -> Result<Self> {
        let this = std::env::current_exe()?;
        let work = this
            .ancestors()
            .nth(2)
            .context("the program lies below a build folder")?
            .join("benchmark-users");
        fs::create_dir_all(&work)?;
        let mut programs = Self {
            portolan: this.with_file_name(format!("portolan{}", std::env::consts::EXE_SUFFIX)),
            this,
            python: python.to_owned(),
            go: go.to_owned(),
            peers: package.join("peers"),
            contracts: repository.join("proto"),
            work,
            token: String::new(),
        };
        programs.token = programs.issue_token()?;
        Ok(programs)
    }

    /// The file with the secret that tokens are signed with.
    pub(crate) fn secret(&self) -> PathBuf {
        self.work.join("secret")
    }

    fn issue_token(&self) -> Result<String> {
        fs::write(self.secret(), "a secret for nothing but this benchmark\n")?;
        let output = Command::new(&self.portolan)
            .args(["token", "issue", "--user-id", "bench", "--secret-file"])
            .arg(self.secret())
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "`portolan token issue` failed");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A data folder with nothing in it.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(folder)
    }
}

impl Contender {
    /// All of them, the one that goals are about first.
    pub(crate) const ALL: [Self; 5] = [
        Self::Portolan,
        Self::Plain,
        Self::Map,
        Self::GrpcGo,
        Self::Grpcio,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Portolan => "`portolan serve` with tokens, log and figures",
            Self::Plain => "the same service in plain tonic",
            Self::Map => "tonic, users in a map",
            Self::GrpcGo => "grpc-go, users in a map",
            Self::Grpcio => "grpcio (Python), users in a map",
        }
    }

    /// Starts it with one user, whose id is 1.
    pub(crate) fn start(self, programs: &Programs) -> Result<Running> {
        let address = free_address()?;
        let listen = address.to_string();
        let mut command = match self {
            Self::Portolan => {
                let mut portolan = Command::new(&programs.portolan);
                portolan
                    .args(["serve", "--only", "users", "--demo", "--listen", &listen])
                    .arg("--data")
                    .arg(programs.fresh("portolan")?)
                    .arg("--auth-jwt-secret-file")
                    .arg(programs.secret());
                portolan
            }
            Self::Plain => {
                let mut plain = Command::new(&programs.this);
                plain.args(["plain", &listen]).arg(programs.fresh("plain")?);
                plain
            }
            Self::Map => {
                let mut map = Command::new(&programs.this);
                map.args(["map", &listen]);
                map
            }
            Self::GrpcGo => {
                let mut go = Command::new(programs.go.join("grpc-go"));
                // One core, so one thread at a time.
                go.arg(&listen).env("GOMAXPROCS", "1");
                go
            }
            Self::Grpcio => {
                let mut python = Command::new(&programs.python);
                python.arg(programs.peers.join("server.py")).arg(&listen);
                python.arg(&programs.contracts);
                python
            }
        };
        command.env_remove("RUST_LOG");
        let log = programs.work.join(format!("{self:?}.log"));
        Ok(Running {
            contender: self,
            process: Process::start(&command, MEASURED_CORE, address, &log)?,
        })
    }
}

impl Racer for Running {
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
