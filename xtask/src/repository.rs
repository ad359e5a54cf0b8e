//! Where things are in the repository and below its build folder.

use std::path::{Path, PathBuf};

/// A checkout of this repository, with the build folder that belongs to it.
pub(crate) struct Repository {
    root: PathBuf,
    target: PathBuf,
}

impl Repository {
    /// The checkout that this program was built from.
    pub(crate) fn here() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the package lies in a folder of the repository")
            .to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Self { root, target }
    }

    /// The folder that everything else is relative to.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The build folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The sources of one client suite.
    pub(crate) fn suite(&self, name: &str) -> PathBuf {
        self.root.join("tests/clients").join(name)
    }

    /// The package that has PostgreSQL's programs.
    pub(crate) fn postgres_requirements(&self) -> PathBuf {
        self.root.join("conformance/postgres/requirements.txt")
    }

    /// The contracts.
    pub(crate) fn proto(&self) -> PathBuf {
        self.root.join("proto")
    }

    /// Where the client suites keep what they install, generate and log.
    pub(crate) fn clients(&self) -> PathBuf {
        self.target.join("clients")
    }

    /// A program of the Python environment that the suites share.
    pub(crate) fn venv(&self, program: &str) -> PathBuf {
        self.clients().join("venv/bin").join(program)
    }

    /// The server under test.
    pub(crate) fn binary(&self) -> PathBuf {
        self.target
            .join("debug/portolan")
            .with_extension(std::env::consts::EXE_EXTENSION)
    }
}
