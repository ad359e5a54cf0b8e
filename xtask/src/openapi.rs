//! OpenAPI documents of many contracts before outside judges: what is in
//! `tests/openapi`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::conformance::packages;
use crate::process::{command, run_quietly, run_within};
use crate::repository::Repository;
use crate::setup;
use crate::steps::Steps;

/// The judges take seconds; a slow machine may need longer.
const LIMIT: Duration = Duration::from_secs(600);

/// The parts of googleapis that are described: rules of every kind, streams,
/// bodies of any type, recursive messages.
const GOOGLEAPIS: [&str; 8] = [
    "google/cloud/kms/v1",
    "google/cloud/secretmanager/v1",
    "google/cloud/speech/v2",
    "google/cloud/vision/v1",
    "google/firestore/v1",
    "google/longrunning",
    "google/pubsub/v1",
    "google/storage/v2",
];

/// What a document is made of: its name and the flags for it.
struct Contract {
    name: String,
    flags: Vec<String>,
}

/// Sets the judges up, writes the documents and has them judged. The binary has
/// to be there.
pub(crate) fn run_suite(repository: &Repository, steps: &mut Steps) {
    let sources = repository.root().join("tests/openapi");
    let folder = repository.clients().join("openapi");
    let rules = repository.clients().join("conformance/rules");
    let ready = steps.run("set up the judges of openapi", || {
        packages::install(&sources, &folder)?;
        packages::install(&repository.root().join("conformance/rules"), &rules)
    });
    if !ready {
        return;
    }
    steps.run("openapi", || {
        let python = setup::peers(repository, "openapi", &sources.join("requirements.txt"))?;
        let documents = write(
            repository,
            &folder.join("documents"),
            &rules.join("node_modules/google-proto-files"),
        )?;
        let mut judge = command(python);
        judge
            .arg("-B")
            .arg(sources.join("judge.py"))
            .args(&documents);
        let valid = run_within(LIMIT, &mut judge);
        let mut redocly = command("node");
        redocly
            .arg(folder.join("node_modules/@redocly/cli/bin/cli.js"))
            .args(["lint", "--format", "stylish", "--config"])
            .arg(sources.join("redocly.yaml"))
            .args(&documents)
            // It would ask its makers whether there is a newer version.
            .env("REDOCLY_TELEMETRY", "off")
            .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        let sound = run_within(LIMIT, &mut redocly);
        valid.and(sound)
    });
}

/// Writes the documents of every contract, as JSON and as YAML; the former's
/// paths.
fn write(repository: &Repository, folder: &Path, googleapis: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let mut documents = Vec::new();
    for contract in contracts(repository, googleapis)? {
        let json = folder.join(&contract.name).with_extension("json");
        for path in [&json, &json.with_extension("yaml")] {
            let mut portolan = command(repository.binary());
            portolan
                .arg("openapi")
                .args(&contract.flags)
                .arg("-o")
                .arg(path);
            run_quietly(&mut portolan)?;
        }
        documents.push(json);
    }
    Ok(documents)
}

fn contracts(repository: &Repository, googleapis: &Path) -> Result<Vec<Contract>> {
    let text = |path: PathBuf| path.display().to_string();
    let flag = |name: &str, path: PathBuf| [name.to_owned(), text(path)];
    let mut contracts = vec![Contract {
        name: "built-in".to_owned(),
        flags: Vec::new(),
    }];
    for example in fs::read_dir(repository.root().join("examples"))? {
        let example = example?;
        let proto = example.path().join("proto");
        if proto.is_dir() {
            contracts.push(Contract {
                name: format!("example-{}", example.file_name().to_string_lossy()),
                flags: flag("--proto", proto).to_vec(),
            });
        }
    }
    let tests = repository.root().join("crates/gateway/tests/protos");
    let includes = [tests.clone(), repository.proto()]
        .map(|path| flag("-I", path))
        .concat();
    for (name, file, more) in [
        ("library", "library.proto", &[][..]),
        (
            "shelf",
            "shelf.proto",
            &["--errors", "problem", "--base-path", "/api"],
        ),
        (
            "legacy",
            "legacy.proto",
            &[
                "--proto-names",
                "--enums-as-numbers",
                "--security",
                "bearer",
            ],
        ),
    ] {
        let mut flags = includes.clone();
        flags.extend(flag("--proto", tests.join(file)));
        flags.extend(more.iter().map(|&flag| flag.to_owned()));
        contracts.push(Contract {
            name: name.to_owned(),
            flags,
        });
    }
    let mut flags = flag("-I", googleapis.to_owned()).to_vec();
    for part in GOOGLEAPIS {
        let folder = googleapis.join(part);
        if !folder.is_dir() {
            bail!("{} is missing", folder.display());
        }
        flags.extend(flag("--proto", folder));
    }
    contracts.push(Contract {
        name: "googleapis".to_owned(),
        flags,
    });
    contracts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(contracts)
}
