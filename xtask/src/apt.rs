//! Debian's packages: installed where that can be done without asking, and
//! otherwise taken below the build folder from the mirror that the machine
//! itself is set up with, checked by apt against Debian's keys as always.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{Toolchain, command, run_quietly};

/// Makes sure that a program is there, from its package if need be.
pub(crate) fn provide(program: &Toolchain, package: &str) -> Result<()> {
    let Err(missing) = program.check() else {
        return Ok(());
    };
    if !is_root() {
        bail!(missing);
    }
    println!("installing {package}");
    let installed = update().and_then(|()| {
        run_quietly(
            command("apt-get")
                .args(["install", "--yes", "--quiet", "--no-install-recommends"])
                .arg(package)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    });
    if let Err(error) = installed {
        bail!("{missing}; installing it failed: {error:#}");
    }
    program.check()
}

/// Puts a package of the machine's own release into `folder`, without
/// installing it.
pub(crate) fn download(package: &str, folder: &Path) -> Result<PathBuf> {
    let get = || {
        run_quietly(
            command("apt-get")
                .args(["--option=APT::Sandbox::User=", "--quiet", "download"])
                .arg(package)
                .current_dir(folder),
        )
    };
    if get().is_err() {
        // On a fresh machine nobody has asked the mirror yet.
        update()?;
        get()?;
    }
    with_ending(folder, ".deb")
}

/// Puts what is in a package below `root`.
pub(crate) fn extract(package: &Path, root: &Path) -> Result<()> {
    run_quietly(command("dpkg-deb").arg("--extract").arg(package).arg(root))
}

/// The file of a folder whose name ends like this.
pub(crate) fn with_ending(folder: &Path, ending: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            return Ok(path);
        }
    }
    bail!("{} has no file *{ending}", folder.display())
}

/// apt with lists and packages of its own, for what is not of the machine's
/// release; it knows nothing of what is installed.
pub(crate) struct Apart {
    folder: PathBuf,
}

impl Apart {
    /// One that takes from these sources (sources.list(5), in stanzas), with
    /// its lists read.
    pub(crate) fn new(folder: PathBuf, sources: &str) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        fs::write(folder.join("status"), "")?;
        fs::write(folder.join("mirror.sources"), sources)?;
        let apart = Self { folder };
        run_quietly(apart.command().arg("update")).context("the mirror cannot be read")?;
        Ok(apart)
    }

    /// `apt-get` with them.
    pub(crate) fn command(&self) -> Command {
        let mut apt = command("apt-get");
        for (option, value) in [
            ("Dir::State", "state"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
            ("Dir::Etc::sourcelist", "mirror.sources"),
            ("Dir::Etc::sourceparts", "none"),
        ] {
            let value = self.folder.join(value);
            apt.arg(format!("--option={option}={}", value.display()));
        }
        apt.args([
            "--option=APT::Sandbox::User=",
            "--option=Acquire::Languages=none",
            "--option=Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            "--quiet",
        ]);
        apt
    }
}

/// What the machine's lists of sources say, file by file: first the old form in
/// lines, then the others.
pub(crate) fn lists() -> Result<Vec<String>> {
    let mut texts = Vec::new();
    if let Ok(text) = fs::read_to_string("/etc/apt/sources.list") {
        texts.push(text);
    }
    if let Ok(folder) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut paths: Vec<PathBuf> = folder
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "list" || extension == "sources")
            })
            .collect();
        paths.sort();
        for path in paths {
            texts.push(fs::read_to_string(path)?);
        }
    }
    Ok(texts)
}

/// What `/etc/os-release` says under this name (os-release(5)).
pub(crate) fn release(name: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

fn update() -> Result<()> {
    run_quietly(command("apt-get").args(["update", "--quiet"]))
}

/// Whether packages can be installed: in containers and on build machines this
/// is root, and nobody is there to ask.
fn is_root() -> bool {
    let output = command("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
