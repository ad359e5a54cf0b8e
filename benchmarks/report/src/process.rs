//! A program that runs beside the benchmark: on one core, watched from
//! outside, ended with the benchmark.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::usage;

/// How long a program may take until it takes connections.
const START: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// The core of the programs that are measured, one at a time.
pub const MEASURED_CORE: usize = 0;
/// The core of the load and of everything else.
pub const OTHER_CORE: usize = 1;

/// A running program that listens. Dropping it kills it.
pub struct Process {
    child: Child,
    /// Where it takes connections.
    pub address: SocketAddr,
}

impl Process {
    /// Starts a program on a core and waits until it takes connections at
    /// `address`. What it says goes into `log`.
    ///
    /// # Errors
    /// When it cannot be started, or does not listen in time.
    pub fn start(command: &Command, core: usize, address: SocketAddr, log: &Path) -> Result<Self> {
        let file = File::create(log)?;
        let child = pinned(command, core)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("no process; install util-linux, which has taskset")?;
        let mut process = Self { child, address };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(log).unwrap_or_default();
                bail!(
                    "{} does not listen on {address}; it said: {}",
                    command.get_program().display(),
                    said.trim()
                );
            }
            thread::sleep(PAUSE);
        }
        Ok(process)
    }

    /// Seconds of processor time that it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn processor_time(&self) -> Result<f64> {
        usage::processor_time(self.child.id())
    }

    /// Bytes of memory that it has.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident(&self) -> Result<f64> {
        usage::resident(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has already ended, which is all we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command, kept on one core. `taskset` becomes the program, so that
/// its number is the program's.
#[must_use]
pub fn pinned(command: &Command, core: usize) -> Command {
    let mut pinned = Command::new("taskset");
    pinned
        .args(["--cpu-list", &core.to_string()])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    pinned
}

/// Runs a command on the core of the load to its end, and gives what it says.
///
/// # Errors
/// When it cannot be started, or fails.
pub fn output(command: &Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = pinned(command, OTHER_CORE).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{name} ended with {}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

/// An address that nobody listens on, for programs that cannot choose one.
///
/// # Errors
/// When the system has none left.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
