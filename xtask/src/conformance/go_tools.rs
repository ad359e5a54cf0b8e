//! Programs of other people's suites that are Go modules: of the versions that a
//! `go.mod` locks, built below the build folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::go;
use crate::process::{Toolchain, run_quietly};
use crate::repository::Repository;

/// The files that lock their versions.
const LOCKS: [&str; 2] = ["go.mod", "go.sum"];

/// The tools of one `go.mod`.
pub(super) struct GoTools {
    /// Where the lock files are.
    pub(super) sources: PathBuf,
    /// What is installed.
    pub(super) folder: PathBuf,
    /// The programs that have to be there.
    pub(super) programs: &'static [&'static str],
}

impl GoTools {
    /// Where a program is once it is installed.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        let path = self.folder.join("bin").join(name);
        path.with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// Builds the programs, unless they are there; `is_whole` says whether
    /// everything else is.
    pub(super) fn install(
        &self,
        repository: &Repository,
        is_whole: impl FnOnce() -> bool,
    ) -> Result<()> {
        Toolchain::GO.check()?;
        let stamp = self.folder.join("installed");
        fs::create_dir_all(&self.folder)?;
        let mut locked = String::new();
        for lock in LOCKS {
            locked += &copied(&self.sources.join(lock), &self.folder.join(lock))?;
        }
        let there = self.programs.iter().all(|name| self.program(name).exists());
        if there && is_whole() && fs::read_to_string(&stamp).is_ok_and(|text| text == locked) {
            return Ok(());
        }
        run_quietly(
            go::run_in(repository, &self.folder)
                .args(["install", "tool"])
                .env("GOBIN", self.folder.join("bin")),
        )?;
        fs::write(stamp, locked).context("the set-up's stamp cannot be written")
    }
}

fn copied(from: &Path, to: &Path) -> Result<String> {
    let text =
        fs::read_to_string(from).with_context(|| format!("{} cannot be read", from.display()))?;
    fs::write(to, &text)?;
    Ok(text)
}
