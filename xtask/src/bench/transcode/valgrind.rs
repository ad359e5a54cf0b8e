//! Valgrind, which counts instructions: installed where that can be done without
//! asking.

use anyhow::{Result, bail};

use crate::process::{Toolchain, command, run_quietly};

/// Makes sure that it is there.
pub(crate) fn provide() -> Result<()> {
    let Err(missing) = Toolchain::VALGRIND.check() else {
        return Ok(());
    };
    if !is_root() {
        bail!(missing);
    }
    println!("installing valgrind");
    let installed = run_quietly(command("apt-get").args(["update", "--quiet"])).and_then(|()| {
        run_quietly(
            command("apt-get")
                .args(["install", "--yes", "--quiet", "--no-install-recommends"])
                .arg("valgrind")
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    });
    if let Err(error) = installed {
        bail!("{missing}; installing it failed: {error:#}");
    }
    Toolchain::VALGRIND.check()
}

/// Whether packages can be installed: in containers and on build machines this
/// is root, and nobody is there to ask.
fn is_root() -> bool {
    let output = command("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
