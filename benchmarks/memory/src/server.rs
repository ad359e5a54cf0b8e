//! The real server as a process of its own: started over a folder, watched
//! through `/proc`, stopped by its signal.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use benchmark_report::usage;

/// How long a stop may take: the server's own drain limit, and a little.
const STOP: Duration = Duration::from_secs(35);

const ANNOUNCEMENT: &str = "listening on http://";

/// A running server. Dropping it kills it; [`stop`](Self::stop) ends it well.
pub(crate) struct Server {
    process: Child,
    address: String,
    started: Instant,
    listening: Duration,
}

impl Server {
    /// Starts the built server with a data folder below `folder`, and waits
    /// until it listens. Its logs go into a file there.
    pub(crate) fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let mut command = Command::new(binary);
        command.arg("serve");
        Self::launch(&mut command, folder, Duration::from_secs(60))
    }

    /// Starts this command, which must end up as the server.
    pub(crate) fn launch(command: &mut Command, folder: &Path, limit: Duration) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let log = folder.join("server.log");
        command
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?);
        let started = Instant::now();
        let mut process = command.spawn().context("the server does not start")?;
        let stdout = process.stdout.take().expect("stdout is piped above");
        // From here on a failure drops the server, which kills the process.
        let mut server = Self {
            process,
            address: String::new(),
            started,
            listening: Duration::ZERO,
        };
        let announced = announced(stdout).recv_timeout(limit).ok();
        (server.address, server.listening) = announced
            .map(|(address, at)| (address, at - started))
            .ok_or_else(|| {
                let log = fs::read_to_string(&log).unwrap_or_default();
                anyhow!("the server does not listen; it logged: {}", log.trim())
            })?;
        Ok(server)
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How long it took from the start of the process until it listened.
    pub(crate) fn listening(&self) -> Duration {
        self.listening
    }

    /// When the process was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Bytes of memory that are its own or mapped in, right now.
    pub(crate) fn resident(&self) -> Result<f64> {
        usage::resident(self.process.id())
    }

    /// Seconds of processor time that it has used so far, its own and the
    /// kernel's for it.
    pub(crate) fn processor_time(&self) -> Result<f64> {
        usage::processor_time(self.process.id())
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        let deadline = Instant::now() + STOP;
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the server stopped with {status}"),
                None if Instant::now() > deadline => bail!("the server does not stop"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has already ended, which is all we want.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address of the first line that announces one, and when it came. The rest
/// is read away, so that the server never waits for a reader; the thread ends
/// with the server.
fn announced(stdout: ChildStdout) -> mpsc::Receiver<(String, Instant)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix(ANNOUNCEMENT) {
                let address = address.trim_end_matches('/').to_owned();
                let _ = sender.send((address, Instant::now()));
            }
        }
    });
    receiver
}
