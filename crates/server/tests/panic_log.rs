//! What the log of a process says of a panic. The process is this test, started
//! once more: where logs go and what panics do is decided for all of one.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::process::Command;

use portolan_server::logging::{self, LogFormat};

#[test]
#[ignore = "the other test runs it"]
fn falls_on_purpose() {
    logging::install(LogFormat::Json, logging::filter("").unwrap());
    let fall = std::panic::catch_unwind(|| panic!("on purpose"));
    assert!(fall.is_err());
}

#[test]
fn a_panic_is_logged_with_the_way_there() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "falls_on_purpose", "--ignored", "--nocapture"])
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains("panicked: on purpose"));
    let line: serde_json::Value = serde_json::from_str(line.expect(&log)).unwrap();
    assert_eq!(line["target"], "portolan::panic");
    let location = line["location"].as_str().unwrap();
    assert!(location.contains("panic_log.rs:"), "{location}");
    let backtrace = line["backtrace"].as_str().unwrap();
    assert!(backtrace.contains("falls_on_purpose"), "{backtrace}");
}
