//! The programs in Go that benchmarks compare with: code generated from the
//! contracts, and what is built with it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::go;
use crate::process::{Toolchain, command, run_quietly};
use crate::repository::Repository;
use crate::setup::{self, Stamp};

/// The module that the programs are in.
const MODULE: &str = "peers";

/// The programs of a benchmark.
pub(super) struct GoPeers<'a> {
    /// The benchmark's name.
    pub(super) benchmark: &'a str,
    /// The folder with the module.
    pub(super) module: &'a Path,
    /// The programs, each a folder of the module.
    pub(super) programs: &'a [&'a str],
    /// What generates code: `go` stands for `protoc-gen-go`.
    pub(super) plugins: &'a [&'a str],
    /// The contracts, each by the folder of the repository that it lies in and its
    /// name there.
    pub(super) contracts: &'a [(&'a str, &'a str)],
    /// The package of the generated code.
    pub(super) package: &'a str,
}

impl GoPeers<'_> {
    /// The folder with the programs, built unless they are there; `python` has
    /// the compiler of contracts.
    pub(super) fn build(&self, repository: &Repository, python: &Path) -> Result<PathBuf> {
        Toolchain::GO.check()?;
        let folder = format!("benchmarks/{}-go", self.benchmark);
        let folder = repository.clients().join(folder);
        let programs = folder.with_extension("bin");
        let mut sources = vec![self.module.join("go.mod"), self.module.join("go.sum")];
        sources.extend(
            self.programs
                .iter()
                .map(|name| self.module.join(name).join("main.go")),
        );
        let contracts = self.contracts.iter();
        sources.extend(contracts.map(|(folder, file)| repository.root().join(folder).join(file)));
        let stamp = Stamp::new(
            repository,
            &format!("benchmark-{}-go", self.benchmark),
            &sources,
        )?;
        let are_there = self
            .programs
            .iter()
            .all(|name| programs.join(name).exists());
        if stamp.holds() && are_there {
            return Ok(programs);
        }
        println!("building the Go programs");
        setup::mirror(self.module, &folder)?;
        fs::create_dir_all(&programs)?;
        run_quietly(
            go::run_in(repository, &folder)
                .args(["install", "tool"])
                .env("GOBIN", &programs),
        )?;
        self.generate(repository, python, &programs, &folder)?;
        let mut build = go::run_in(repository, &folder);
        build.arg("build").arg("-o").arg(&programs);
        run_quietly(build.args(self.programs.iter().map(|name| format!("./{name}"))))?;
        stamp.set()?;
        Ok(programs)
    }

    fn generate(
        &self,
        repository: &Repository,
        python: &Path,
        plugins: &Path,
        folder: &Path,
    ) -> Result<()> {
        let mut protoc = command(python);
        protoc
            .args(["-m", "grpc_tools.protoc"])
            .arg(format!("-I{}", repository.proto().display()));
        for (folder, _) in self.contracts {
            protoc.arg(format!("-I{}", repository.root().join(folder).display()));
        }
        for name in self.plugins {
            let program = plugins.join(format!("protoc-gen-{name}"));
            protoc
                .arg(format!("--plugin=protoc-gen-{name}={}", program.display()))
                .arg(format!("--{name}_out={}", folder.display()))
                .arg(format!("--{name}_opt=module={MODULE}"));
            for (_, file) in self.contracts {
                protoc.arg(format!("--{name}_opt=M{file}={}", self.package));
            }
        }
        run_quietly(protoc.args(self.contracts.iter().map(|(_, file)| file)))
    }
}
