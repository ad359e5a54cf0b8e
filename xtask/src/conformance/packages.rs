//! Node packages at the versions that are locked beside what needs them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::process::{Toolchain, command, run_quietly};

/// The files that lock the versions.
const LOCKS: [&str; 2] = ["package.json", "package-lock.json"];

/// Installs what the lock in `sources` names into `folder`, unless it is there.
pub(crate) fn install(sources: &Path, folder: &Path) -> Result<()> {
    Toolchain::NODE.check()?;
    Toolchain::NPM.check()?;
    let stamp = folder.join("installed");
    let mut locked = String::new();
    for lock in LOCKS {
        let path = sources.join(lock);
        locked += &fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
    }
    if folder.join("node_modules").exists()
        && fs::read_to_string(&stamp).is_ok_and(|text| text == locked)
    {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    for lock in LOCKS {
        fs::copy(sources.join(lock), folder.join(lock))?;
    }
    run_quietly(
        command("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .arg("--loglevel=error")
            .current_dir(folder),
    )?;
    fs::write(stamp, locked).context("the set-up's stamp cannot be written")
}
