//! What `--help` says, word by word.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use support::{run, text};

fn help(arguments: &[&str]) -> String {
    let output = run(arguments.iter().chain(&["--help"]));
    assert_eq!(output.status.code(), Some(0));
    text(&output.stdout)
}

#[test]
fn help_of_all() {
    insta::assert_snapshot!(help(&[]));
}

#[test]
fn help_of_serve() {
    insta::assert_snapshot!(help(&["serve"]));
}

#[test]
fn help_of_gateway() {
    insta::assert_snapshot!(help(&["gateway"]));
}

#[test]
fn help_of_openapi() {
    insta::assert_snapshot!(help(&["openapi"]));
}

#[test]
fn help_of_memory() {
    insta::assert_snapshot!(help(&["memory"]));
}

#[test]
fn help_of_memory_import() {
    insta::assert_snapshot!(help(&["memory", "import"]));
}

#[test]
fn help_of_memory_export() {
    insta::assert_snapshot!(help(&["memory", "export"]));
}

#[test]
fn help_of_health() {
    insta::assert_snapshot!(help(&["health"]));
}

#[test]
fn help_of_tls_self_signed() {
    insta::assert_snapshot!(help(&["tls", "self-signed"]));
}

#[test]
fn the_version_is_the_crate_s() {
    let output = run(["--version"]);
    assert_eq!(
        text(&output.stdout),
        format!("portolan {}\n", env!("CARGO_PKG_VERSION"))
    );
}
