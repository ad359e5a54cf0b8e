//! The Go modules with tests: what they need, the code that is generated into
//! them, and their tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process::{Toolchain, command, run_quietly, run_within};
use crate::repository::Repository;
use crate::setup::{Stamp, mirror, protoc};
use crate::steps::Steps;
use crate::suite::{self, LIMIT};

/// A Go module with tests.
pub(crate) struct Module {
    /// Its folder below `tests/`.
    folder: &'static str,
    /// The programs that it locks.
    programs: &'static [&'static str],
    /// What is generated into it.
    code: Option<Code>,
}

/// Code that is generated.
struct Code {
    /// The path that the module's packages begin with.
    path: &'static str,
    /// The contracts that it is generated from.
    contracts: &'static [&'static str],
    /// The package that they become.
    package: &'static str,
}

/// The modules of the Go suite. The packages are those that the guides import.
pub(crate) const CLIENTS: [Module; 2] = [
    Module {
        folder: "clients/go",
        programs: &["protoc-gen-go", "protoc-gen-go-grpc"],
        code: Some(Code {
            path: "somafractalmemory",
            contracts: &[
                "somafractalmemory/v1/memory.proto",
                "somafractalmemory/v1/metrics.proto",
            ],
            package: "somafractalmemory/v1",
        }),
    },
    Module {
        folder: "clients/microservices",
        programs: &[],
        code: Some(Code {
            path: "github.com/myorg/api",
            contracts: &["user/v1/user.proto"],
            package: "github.com/myorg/api/gen/user/v1;userv1",
        }),
    },
];

/// Programs that others use on any gRPC server.
pub(crate) const TOOLS: Module = Module {
    folder: "clients/tools",
    programs: &["grpc-health-probe", "grpcurl"],
    code: None,
};

/// The judges of `deploy/`.
pub(crate) const DEPLOY: Module = Module {
    folder: "deploy",
    programs: &[],
    code: None,
};

/// The plugins of the compiler, which the first module locks.
const PLUGINS: [(&str, &str); 2] = [("protoc-gen-go", "go"), ("protoc-gen-go-grpc", "go-grpc")];

/// Makes the modules of the Go suite ready for their tests.
pub(crate) fn set_up(repository: &Repository, steps: &mut Steps) -> bool {
    steps.run("set up go", || {
        CLIENTS
            .iter()
            .try_for_each(|module| module.set_up(repository))
    })
}

impl Module {
    /// Fetches and generates what the module needs.
    pub(crate) fn set_up(&self, repository: &Repository) -> Result<()> {
        Toolchain::GO.check()?;
        let folder = self.built(repository);
        mirror(&repository.root().join("tests").join(self.folder), &folder)?;
        let lists = [folder.join("go.mod"), folder.join("go.sum")];
        let stamp = Stamp::new(repository, &self.name(), &lists)?;
        let mut programs = self.programs.iter();
        let there = programs.all(|name| program(repository, name).exists());
        // What tests import they fetch; a module may name others that nobody needs.
        if !(self.programs.is_empty() || there && stamp.holds()) {
            run_quietly(
                run_in(repository, &folder)
                    .args(["install", "tool"])
                    .env("GOBIN", repository.clients().join("bin")),
            )?;
            stamp.set()?;
        }
        let Some(code) = &self.code else {
            return Ok(());
        };
        let mut protoc = protoc(repository);
        for (name, flag) in PLUGINS {
            let program = program(repository, name);
            protoc.arg(format!("--plugin={name}={}", program.display()));
            protoc.arg(format!("--{flag}_out={}", folder.display()));
            protoc.arg(format!("--{flag}_opt=module={}", code.path));
            for contract in code.contracts {
                protoc.arg(format!("--{flag}_opt=M{contract}={}", code.package));
            }
        }
        run_quietly(protoc.args(code.contracts))
    }

    /// Looks for mistakes and runs the tests against the server at this address,
    /// which are told these paths too.
    pub(crate) fn test(
        &self,
        repository: &Repository,
        address: &str,
        paths: &[(&str, PathBuf)],
    ) -> Result<()> {
        let folder = self.built(repository);
        run_quietly(run_in(repository, &folder).args(["vet", "./..."]))?;
        let mut go = run_in(repository, &folder);
        // An answer from the cache would be one of another server.
        go.args(["test", "-count=1", "./..."]);
        go.envs(paths.iter().map(|(name, path)| (name, path)));
        run_within(LIMIT, suite::told(&mut go, repository, address))
    }

    /// Where its copy is that is built.
    fn built(&self, repository: &Repository) -> PathBuf {
        repository.clients().join(self.name())
    }

    fn name(&self) -> String {
        self.folder.trim_start_matches("clients/").to_owned()
    }
}

/// `go` in a folder. Modules are kept below the build folder, and writable, so
/// that removing the folder works.
pub(crate) fn run_in(repository: &Repository, folder: &Path) -> Command {
    let mut flags = std::env::var("GOFLAGS").unwrap_or_default();
    flags.push_str(" -modcacherw");
    let mut go = command("go");
    go.current_dir(folder)
        .env("GOMODCACHE", repository.clients().join("go-modules"))
        .env("GOFLAGS", flags.trim());
    go
}

/// Where a program of a module is.
fn program(repository: &Repository, name: &str) -> PathBuf {
    repository.clients().join("bin").join(name)
}
