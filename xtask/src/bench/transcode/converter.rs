//! The program over libprotobuf, compiled below the build folder from Debian's
//! packages; nothing is installed.
//!
//! The library comes from the binary package. What it has inside, and with it
//! the way to look types up only once, has headers in the source package alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::apt::{self, Apart};
use crate::process::{command, run_quietly};
use crate::repository::Repository;

const PACKAGE: &str = "libprotobuf-dev";

/// Compiles this source, unless that is done; the program.
pub(crate) fn provide(repository: &Repository, source: &Path) -> Result<PathBuf> {
    let folder = repository.clients().join("benchmarks/libprotobuf");
    let program = folder.join("converter");
    let compiled = folder.join("converter.cc");
    let text = fs::read(source)?;
    if program.exists() && fs::read(&compiled).is_ok_and(|last| last == text) {
        return Ok(program);
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let package = apt::download(PACKAGE, &folder)?;
    let root = folder.join("root");
    apt::extract(&package, &root)?;
    let library = root.join(format!(
        "usr/lib/{}-linux-gnu/libprotobuf.a",
        std::env::consts::ARCH
    ));
    let headers = headers(&folder, &source_of(&package)?)?;
    run_quietly(
        command("g++")
            .args(["-std=c++17", "-O2", "-fno-access-control", "-I"])
            .arg(headers)
            .arg("-o")
            .arg(&program)
            .arg(source)
            .arg(library)
            .arg("-pthread"),
    )
    .context("no program over libprotobuf; install g++")?;
    fs::write(compiled, text)?;
    Ok(program)
}

/// The source package that a binary package was built from, as `name=version`.
fn source_of(package: &Path) -> Result<String> {
    let output = command("dpkg-deb")
        .arg("--show")
        .arg("--showformat=${source:Package}=${source:Version}")
        .arg(package)
        .output()?;
    ensure!(
        output.status.success(),
        "{} is no package",
        package.display()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The folder with all headers of the library.
fn headers(folder: &Path, source: &str) -> Result<PathBuf> {
    let sources = folder.join("source");
    fs::create_dir_all(&sources)?;
    let apart = Apart::new(folder.join("apt"), &mirror()?)?;
    run_quietly(
        apart
            .command()
            .args(["source", "--download-only", source])
            .current_dir(&sources),
    )?;
    run_quietly(
        command("tar")
            .args(["--extract", "--wildcards", "--strip-components=1", "--file"])
            .arg(apt::with_ending(&sources, ".orig.tar.gz")?)
            .args(["*/src/google/protobuf/*.h", "*/src/google/protobuf/*.inc"])
            .current_dir(&sources),
    )?;
    Ok(sources.join("src"))
}

/// The machine's own mirror, for source packages.
fn mirror() -> Result<String> {
    let codename = apt::release("VERSION_CODENAME").unwrap_or_default();
    let stanzas: Vec<String> = apt::lists()?
        .iter()
        .flat_map(|text| for_sources(text, &codename))
        .collect();
    if stanzas.is_empty() {
        bail!("no Debian mirror in /etc/apt/sources.list.d to take source packages from");
    }
    Ok(stanzas.join("\n\n"))
}

/// The stanzas of a list of sources (sources.list(5)) that are of this release,
/// asking for source packages. Others' repositories often have none.
fn for_sources(text: &str, codename: &str) -> Vec<String> {
    let of_release = |stanza: &&str| {
        stanza.lines().any(|line| {
            line.strip_prefix("Suites:").is_some_and(|suites| {
                suites.split_whitespace().any(|suite| {
                    suite
                        .strip_prefix(codename)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
                })
            })
        })
    };
    let ask = |line: &str| {
        if line.starts_with("Types:") {
            "Types: deb-src".to_owned()
        } else {
            line.to_owned()
        }
    };
    text.split("\n\n")
        .filter(of_release)
        .map(|stanza| stanza.lines().map(ask).collect::<Vec<_>>().join("\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stanzas_of_the_release_ask_for_sources() {
        let text = "Types: deb\nURIs: http://a.test/debian\nSuites: old old-updates\n\n\
                    Types: deb deb-src\nURIs: http://a.test/security\nSuites: old-security\n\n\
                    Types: deb\nURIs: http://b.test\nSuites: stable older\n";
        assert_eq!(
            for_sources(text, "old"),
            [
                "Types: deb-src\nURIs: http://a.test/debian\nSuites: old old-updates",
                "Types: deb-src\nURIs: http://a.test/security\nSuites: old-security",
            ]
        );
    }
}
