//! The program over libprotobuf, compiled below the build folder from Debian's
//! packages; nothing is installed.
//!
//! The library comes from the binary package. What it has inside, and with it
//! the way to look types up only once, has headers in the source package alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

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
    let package = download(&folder)?;
    let root = folder.join("root");
    run_quietly(
        command("dpkg-deb")
            .arg("--extract")
            .arg(&package)
            .arg(&root),
    )?;
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

/// The binary package, from the machine's own mirror.
fn download(folder: &Path) -> Result<PathBuf> {
    let get = || {
        run_quietly(
            command("apt-get")
                .args(["--option=APT::Sandbox::User=", "--quiet", "download"])
                .arg(PACKAGE)
                .current_dir(folder),
        )
    };
    if get().is_err() {
        // On a fresh machine nobody has asked the mirror yet.
        run_quietly(command("apt-get").args(["update", "--quiet"]))?;
        get()?;
    }
    with_ending(folder, ".deb")
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
    for part in [
        "apt/state/lists/partial",
        "apt/cache/archives/partial",
        "source",
    ] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(folder.join("apt/status"), "")?;
    fs::write(folder.join("apt/mirror.sources"), mirror()?)?;
    run_quietly(apt(folder).arg("update"))
        .context("the mirror's list of sources cannot be read")?;
    let sources = folder.join("source");
    run_quietly(
        apt(folder)
            .args(["source", "--download-only", source])
            .current_dir(&sources),
    )?;
    run_quietly(
        command("tar")
            .args(["--extract", "--wildcards", "--strip-components=1", "--file"])
            .arg(with_ending(&sources, ".orig.tar.gz")?)
            .args(["*/src/google/protobuf/*.h", "*/src/google/protobuf/*.inc"])
            .current_dir(&sources),
    )?;
    Ok(sources.join("src"))
}

/// apt with its lists in this folder.
fn apt(folder: &Path) -> Command {
    let mut apt = command("apt-get");
    for (option, value) in [
        ("Dir::State", "state"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
        ("Dir::Etc::sourcelist", "mirror.sources"),
        ("Dir::Etc::sourceparts", "none"),
    ] {
        let value = folder.join("apt").join(value);
        apt.arg(format!("--option={option}={}", value.display()));
    }
    apt.args([
        "--option=APT::Sandbox::User=",
        "--option=Acquire::Languages=none",
        "--quiet",
    ]);
    apt
}

/// The machine's own mirror, for source packages.
fn mirror() -> Result<String> {
    let mut texts = Vec::new();
    if let Ok(folder) = fs::read_dir("/etc/apt/sources.list.d") {
        for entry in folder {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "sources")
            {
                texts.push(fs::read_to_string(path)?);
            }
        }
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let stanzas: Vec<String> = texts
        .iter()
        .flat_map(|text| for_sources(text, codename.unwrap_or_default()))
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

fn with_ending(folder: &Path, ending: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            return Ok(path);
        }
    }
    bail!("{} has no file *{ending}", folder.display())
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
