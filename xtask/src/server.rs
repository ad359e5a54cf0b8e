//! The real server, for as long as a suite talks to it: started on a free port
//! over an empty data folder, and stopped as an operator would stop it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::process::{command, run};
use crate::repository::Repository;

/// How long a start may take. The server itself needs milliseconds; a busy
/// machine may need longer to get to them.
const START: Duration = Duration::from_secs(30);

/// How long a stop may take: the server's own drain limit, and a little.
const STOP: Duration = Duration::from_secs(35);

const ANNOUNCEMENT: &str = "listening on http://";

/// A running server. Dropping it kills it; [`stop`](Self::stop) ends it well.
pub(crate) struct Server {
    process: Child,
    address: String,
    log: String,
}

impl Server {
    /// Starts the built binary for the suite of this name, with these further
    /// arguments, and waits until it listens.
    pub(crate) fn start(repository: &Repository, name: &str, arguments: &[&str]) -> Result<Self> {
        let folder = emptied(repository, name)?;
        let data = folder.join("data");
        let mut serve = command(repository.binary());
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]);
        Self::spawn(serve.arg(data).args(arguments), &folder)
    }

    /// Starts a gateway in front of the server at this address.
    pub(crate) fn gateway(repository: &Repository, name: &str, upstream: &str) -> Result<Self> {
        let folder = emptied(repository, name)?;
        let mut gateway = command(repository.binary());
        gateway.args(["gateway", "--listen", "127.0.0.1:0", "--upstream"]);
        Self::spawn(gateway.arg(format!("http://{upstream}")), &folder)
    }

    fn spawn(command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join("server.log");
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("the server does not start")?;
        let stdout = process.stdout.take().expect("stdout is piped above");
        // From here on a failure drops the server, which kills the process.
        let mut server = Self {
            process,
            address: String::new(),
            log: log.display().to_string(),
        };
        server.address = announced(stdout)
            .ok_or_else(|| anyhow!("the server does not listen; its log is {}", server.log))?;
        Ok(server)
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Asks the server to stop and waits for it: it must drain and end with
    /// exit code 0, whatever the suite did to it.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(status) = self.process.try_wait()? {
            bail!(
                "the server ended by itself with {status}; its log is {}",
                self.log
            );
        }
        run(Command::new("kill").args(["-TERM", &self.process.id().to_string()]))?;
        let deadline = Instant::now() + STOP;
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    bail!("the server stopped with {status}; its log is {}", self.log)
                }
                None if Instant::now() > deadline => bail!(
                    "the server still runs {} s after SIGTERM; its log is {}",
                    STOP.as_secs(),
                    self.log
                ),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// A folder of its own for a server, without what the last run left.
fn emptied(repository: &Repository, name: &str) -> Result<PathBuf> {
    let folder = repository.clients().join("servers").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).context("the last run's data folder cannot be removed")?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has already ended, which is all we want.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address of the first line that announces one. The rest is read away, so
/// that the server never waits for a reader; the thread ends with the server.
fn announced(stdout: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix(ANNOUNCEMENT) {
                let _ = sender.send(address.trim_end_matches('/').to_owned());
            }
        }
    });
    receiver.recv_timeout(START).ok()
}
