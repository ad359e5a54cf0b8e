//! A newer C library below the build folder, for a program that wants one which
//! this machine does not have.
//!
//! The packages come from the Debian mirror that the machine itself is set up
//! with, checked by apt against Debian's keys as always; nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::apt::{self, Apart};
use crate::process::{command, run_quietly};

/// The Debian release that the packages are taken from: glibc 2.41, GCC 14.
const RELEASE: &str = "trixie";
const PACKAGES: [&str; 3] = ["libc6", "libstdc++6", "libgcc-s1"];

/// Whether this machine's C library is glibc of at least this version.
pub(crate) fn is_new_enough(least: (u32, u32)) -> bool {
    let output = command("getconf").arg("GNU_LIBC_VERSION").output();
    output.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout);
        version(&text).is_some_and(|found| found >= least)
    })
}

/// Reads `glibc 2.36`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Puts the newer libraries into `folder`, unless they are there.
pub(crate) fn unpack(folder: &Path) -> Result<Loader> {
    let root = folder.join("root");
    let stamp = folder.join(RELEASE);
    if !stamp.exists() {
        // What an earlier attempt left would be unpacked too.
        let _ = fs::remove_dir_all(folder);
        let packages = folder.join("packages");
        fs::create_dir_all(&packages)?;
        let apart = Apart::new(folder.join("apt"), &mirror()?)?;
        run_quietly(
            apart
                .command()
                .arg("download")
                .args(PACKAGES)
                .current_dir(&packages),
        )?;
        for package in fs::read_dir(&packages)? {
            apt::extract(&package?.path(), &root)?;
        }
        fs::write(stamp, "")?;
    }
    let multiarch = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let libraries = root.join(multiarch);
    let program = fs::read_dir(&libraries)
        .with_context(|| format!("{} is not there", libraries.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ld-linux")
        })
        .context("the C library's package has no loader")?;
    Ok(Loader { program, libraries })
}

/// A loader with its libraries.
pub(crate) struct Loader {
    program: PathBuf,
    libraries: PathBuf,
}

impl Loader {
    /// A command that runs this program with them. Its children use the
    /// machine's own again.
    pub(crate) fn command(&self, program: &Path) -> std::process::Command {
        let mut command = command(&self.program);
        command
            .arg("--library-path")
            .arg(&self.libraries)
            .arg(program);
        command
    }
}

/// The sources of the release, on the mirror of this machine.
fn mirror() -> Result<String> {
    let texts = apt::lists()?;
    let is_debian = apt::release("ID").is_some_and(|name| name == "debian");
    let source = apt::release("VERSION_CODENAME")
        .filter(|_| is_debian)
        .and_then(|codename| texts.iter().find_map(|text| source_of(text, &codename)));
    let Some((uri, key)) = source else {
        bail!(
            "the C library of this machine is too old and it is not Debian, so that there is no \
             mirror to take a newer one from; run this on a newer system"
        );
    };
    let mut stanza = format!("Types: deb\nURIs: {uri}\nSuites: {RELEASE}\nComponents: main\n");
    if let Some(key) = key {
        stanza += &format!("Signed-By: {key}\n");
    }
    Ok(stanza)
}

/// The mirror, and the key if it is named, that a list of sources has for the
/// release `codename`. Lists come as stanzas or as lines (sources.list(5)).
fn source_of(text: &str, codename: &str) -> Option<(String, Option<String>)> {
    let stanza = text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            stanza
                .lines()
                .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
        };
        let of_release = field("Suites")?.split(' ').any(|suite| suite == codename);
        let uri = field("URIs")?.split(' ').next()?;
        of_release.then(|| (uri.to_owned(), field("Signed-By").map(str::to_owned)))
    });
    stanza.or_else(|| {
        text.lines().find_map(|line| {
            let line = line.trim().strip_prefix("deb ")?.trim_start();
            let (options, line) = match line.strip_prefix('[') {
                Some(rest) => rest.split_once(']')?,
                None => ("", line),
            };
            let mut words = line.split_whitespace();
            let (uri, suite) = (words.next()?, words.next()?);
            let key = options
                .split_whitespace()
                .find_map(|option| option.strip_prefix("signed-by="));
            (suite == codename).then(|| (uri.to_owned(), key.map(str::to_owned)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_glibc_are_compared() {
        assert_eq!(version("glibc 2.36\n"), Some((2, 36)));
        assert_eq!(version("glibc 2.38.9000"), Some((2, 38)));
        assert_eq!(version("musl"), None);
        assert!(!is_new_enough((9_999, 0)));
    }

    #[test]
    fn the_mirror_of_a_release_is_found() {
        let stanzas = "Types: deb\nURIs: http://a.test/security\nSuites: old-security\n\n\
                       Types: deb\n# why\nURIs: http://a.test/debian\nSuites: old old-updates\n\
                       Signed-By: /keys/k.gpg\n";
        let found = (
            "http://a.test/debian".to_owned(),
            Some("/keys/k.gpg".to_owned()),
        );
        assert_eq!(source_of(stanzas, "old"), Some(found.clone()));
        let lines = "# deb http://b.test old main\n\
                     deb [arch=amd64 signed-by=/keys/k.gpg] http://a.test/debian old main\n";
        assert_eq!(source_of(lines, "old"), Some(found));
        let plain = "deb http://a.test/debian old main";
        let found = ("http://a.test/debian".to_owned(), None);
        assert_eq!(source_of(plain, "old"), Some(found));
        assert_eq!(source_of(plain, "new"), None);
    }
}
