//! Running other programs: none of them reads from the terminal, and one that
//! is missing says so in one line.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A toolchain that the tests need.
pub(crate) struct Toolchain {
    program: &'static str,
    version: &'static [&'static str],
    least: (u32, u32),
    /// What to install, in the words of the one line that says it is missing.
    name: &'static str,
}

impl Toolchain {
    pub(crate) const PYTHON: Self = Self {
        program: "python3",
        version: &["--version"],
        least: (3, 10),
        name: "Python 3 with its venv module",
    };
    pub(crate) const NODE: Self = Self {
        program: "node",
        version: &["--version"],
        least: (20, 0),
        name: "Node.js",
    };
    pub(crate) const NPM: Self = Self {
        program: "npm",
        version: &["--version"],
        least: (9, 0),
        name: "npm, which comes with Node.js",
    };
    pub(crate) const GO: Self = Self {
        program: "go",
        version: &["env", "GOVERSION"],
        // An older one than go.mod asks for fetches that one by itself.
        least: (1, 21),
        name: "Go",
    };
    pub(crate) const CURL: Self = Self {
        program: "curl",
        version: &["--version"],
        least: (7, 70),
        name: "curl",
    };
    pub(crate) const CHROMIUM: Self = Self {
        program: "chromium",
        version: &["--version"],
        least: (120, 0),
        name: "Chromium, as with `apt-get install chromium`",
    };
    pub(crate) const VALGRIND: Self = Self {
        program: "valgrind",
        version: &["--version"],
        least: (3, 15),
        name: "valgrind, as with `apt-get install valgrind`",
    };
    pub(crate) const WRK: Self = Self {
        program: "wrk",
        version: &["--version"],
        least: (4, 1),
        name: "wrk, as with `apt-get install wrk`",
    };
    pub(crate) const H2LOAD: Self = Self {
        program: "h2load",
        version: &["--version"],
        least: (1, 40),
        name: "h2load, as with `apt-get install nghttp2-client`",
    };

    /// Fails, in one line, unless the program is there and new enough.
    pub(crate) fn check(&self) -> Result<()> {
        let output = Command::new(self.program)
            .args(self.version)
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(self.missing()),
            Err(error) => return Err(error).context(format!("{} does not start", self.program)),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        // wrk says its version as if asking for it were wrong use.
        let is_right = output.status.success() || self.program == Self::WRK.program;
        let Some(found) = version_in(&text).filter(|_| is_right) else {
            bail!("{}; `{}` gives no version", self.missing(), self.program);
        };
        if found < self.least {
            let (major, minor) = found;
            bail!("{}; found version {major}.{minor}", self.missing());
        }
        Ok(())
    }

    fn missing(&self) -> String {
        let Self {
            program,
            least: (major, minor),
            name,
            ..
        } = self;
        format!("`{program}` {major}.{minor} or later is missing; install {name}")
    }
}

/// The first `major.minor` in what a program says about itself.
fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .find_map(|word| {
            let mut numbers = word.split('.').map(str::parse);
            match (numbers.next(), numbers.next()) {
                (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
                _ => None,
            }
        })
}

/// A program that is about to run, without a terminal to read from.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// Runs a program to its end, with its output on ours.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("`{program}` does not start"))?;
    if !status.success() {
        bail!("`{program}` ended with {status}");
    }
    Ok(())
}

/// Runs a program to its end, with its output on ours, and kills it when it
/// takes longer than that: a client that waits for ever must not hold up CI.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut process = command
        .spawn()
        .with_context(|| format!("`{program}` does not start"))?;
    let deadline = Instant::now() + limit;
    loop {
        match process.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("`{program}` ended with {status}"),
            None if Instant::now() > deadline => {
                end(&mut process)?;
                bail!("`{program}` was killed after {} s", limit.as_secs());
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Ends a program: politely first, so that a test runner ends its own children.
fn end(process: &mut Child) -> Result<()> {
    run(Command::new("kill").args(["-TERM", &process.id().to_string()]))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while process.try_wait()?.is_none() {
        if Instant::now() > deadline {
            process.kill()?;
            process.wait()?;
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Runs a program to its end; its output is shown only when it fails.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("`{program}` does not start"))?;
    if !output.status.success() {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        print!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("`{program}` ended with {}", output.status);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_write_them() {
        assert_eq!(version_in("Python 3.11.7"), Some((3, 11)));
        assert_eq!(version_in("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version_in("go1.26.8"), Some((1, 26)));
        assert_eq!(
            version_in("curl 7.88.1 (x86_64) libcurl/7.88"),
            Some((7, 88))
        );
        // What comes before the numbers has digits too.
        assert_eq!(version_in("h2load nghttp2/1.52.0"), Some((1, 52)));
        assert_eq!(version_in("wrk debian/4.1.0-3+b2 [epoll]"), Some((4, 1)));
        assert_eq!(version_in("no version here."), None);
    }

    #[test]
    fn a_missing_toolchain_is_one_line() {
        let absent = Toolchain {
            program: "portolan-test-no-such-program",
            version: &["--version"],
            least: (1, 2),
            name: "it",
        };
        let error = absent.check().unwrap_err().to_string();
        assert_eq!(
            error,
            "`portolan-test-no-such-program` 1.2 or later is missing; install it"
        );
    }

    #[test]
    fn an_old_toolchain_counts_as_missing() {
        let old = Toolchain {
            least: (9_999, 0),
            ..Toolchain::CURL
        };
        assert!(old.check().is_err());
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed() {
        let started = Instant::now();
        let error = run_within(Duration::from_millis(50), command("sleep").arg("60"));
        assert_eq!(
            error.unwrap_err().to_string(),
            "`sleep` was killed after 0 s"
        );
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_failing_program_is_an_error() {
        assert!(run_quietly(command("cargo").arg("no-such-subcommand")).is_err());
        assert!(run_quietly(command("cargo").arg("--version")).is_ok());
    }
}
