//! `portolan health` against real servers, and the certificates of `portolan
//! tls self-signed` between them.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use support::{Folder, Server, portolan, run, text};

fn health(arguments: &[&str]) -> Output {
    run(["health"].iter().chain(arguments))
}

/// What a probe said, with its exit code.
fn said(output: &Output) -> (i32, String, String) {
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

/// Makes certificates in the folder.
fn certificates(folder: &Folder, arguments: &[&str]) -> String {
    let tls = folder.join("tls");
    let made = run(["tls", "self-signed", "--out", &tls]
        .iter()
        .chain(arguments));
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    tls
}

#[test]
fn a_server_that_serves_is_well() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let address = server.address().to_string();
    let serving = (0, "SERVING\n".to_owned(), String::new());
    assert_eq!(said(&health(&[&address])), serving);
    assert_eq!(
        said(&health(&[&server.url(), "user.v1.UserService"])),
        serving
    );

    let (code, stdout, stderr) = said(&health(&[&address, "no.Such"]));
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.starts_with(&format!(
            "error: http://{address} has no service `no.Such`; "
        )),
        "{stderr}"
    );
    let (code, stdout, stderr) = said(&health(&[&address, "no.Such", "--json"]));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, stderr.as_str()), (1, ""));
    assert_eq!(report["code"], "NOT_FOUND");
    let (code, stdout, _) = said(&health(&[&address, "--json"]));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["status"]), (0, &"SERVING".into()));
}

#[test]
fn a_unix_socket_is_asked_too() {
    let folder = Folder::new();
    let socket = format!("unix:{}", folder.join("a.sock"));
    let mut command = portolan(["serve", "--data", &folder.data(), "--listen", &socket]);
    command.env("RUST_LOG", "off");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let answer = said(&health(&[&socket]));
    support::signal(&child, "TERM");
    support::wait(&mut child);
    assert_eq!(answer, (0, "SERVING\n".to_owned(), String::new()));
}

#[test]
fn who_watches_is_told_of_the_end() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let address = server.address().to_string();
    let mut watch = portolan(["health", &address, "--watch"]);
    let mut child = watch
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "SERVING");
    server.signal("TERM");
    assert_eq!(lines.next().unwrap().unwrap(), "NOT_SERVING");
    let end = child.wait_with_output().unwrap();
    assert_eq!(end.status.code(), Some(1));
    assert!(
        text(&end.stderr).starts_with("error: cannot reach "),
        "{end:?}"
    );
    server.wait();
}

#[test]
fn what_is_not_there_is_not_well() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let (code, stdout, stderr) = said(&health(&[&closed]));
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert_eq!(
        stderr,
        format!(
            "error: cannot reach http://{closed}: connection refused; is it up, and in the clear? \
             Give --tls if it serves by TLS\n"
        )
    );
    // One that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    for more in [&[][..], &["--watch"]] {
        let arguments = [&[&*address, "--timeout", "200ms"], more].concat();
        let (code, stdout, stderr) = said(&health(&arguments));
        assert_eq!((code, stdout.as_str()), (1, ""));
        assert!(stderr.contains("200ms"), "{stderr}");
    }
}

#[test]
fn wrong_use_has_a_code_of_its_own() {
    for arguments in [
        &[][..],
        &["http://a/b"],
        &["a:1", "-H", "no colon"],
        &["a:1", "--timeout", "0"],
        &["a:1", "--cert", "a.pem"],
        &["a:1", "--ca", "/no/such/file"],
    ] {
        let (code, stdout, stderr) = said(&health(arguments));
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}

#[test]
fn made_certificates_serve_and_tell_clients_apart() {
    let folder = Folder::new();
    let tls = certificates(&folder, &["--client", "alice"]);
    let file = |name: &str| Path::new(&tls).join(name).to_str().unwrap().to_owned();
    let (cert, key, ca) = (file("server.pem"), file("server-key.pem"), file("ca.pem"));
    let mut command = portolan(["serve", "--listen", "127.0.0.1:0", "--data", &folder.data()]);
    command.args([
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-client-ca",
        &ca,
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let url = line
        .trim_end()
        .strip_prefix("listening on ")
        .unwrap()
        .to_owned();
    let port = url.rsplit_once(':').unwrap().1;
    let (own, own_key) = (file("client-alice.pem"), file("client-alice-key.pem"));

    let answers = [
        // By address, by name, and with another name than the address has.
        health(&[&url, "--ca", &ca, "--cert", &own, "--key", &own_key]),
        health(&[
            &format!("localhost:{port}"),
            "--ca",
            &ca,
            "--cert",
            &own,
            "--key",
            &own_key,
        ]),
        health(&[
            &url,
            "--insecure-skip-verify",
            "--cert",
            &own,
            "--key",
            &own_key,
        ]),
        // Without a certificate, without the authority, in the clear.
        health(&[&url, "--ca", &ca]),
        health(&[&url, "--cert", &own, "--key", &own_key]),
        health(&[&format!("http://127.0.0.1:{port}"), "--timeout", "1s"]),
        health(&[
            &url,
            "--ca",
            &ca,
            "--cert",
            &own,
            "--key",
            &own_key,
            "--server-name",
            "other",
        ]),
    ];
    support::signal(&child, "TERM");
    support::wait(&mut child);
    let answers = answers.map(|answer| said(&answer));
    for answer in &answers[..3] {
        assert_eq!(*answer, (0, "SERVING\n".to_owned(), String::new()));
    }
    for answer in &answers[3..] {
        assert_eq!((answer.0, answer.1.as_str()), (1, ""), "{answer:?}");
        assert!(answer.2.starts_with("error: "), "{answer:?}");
        assert_eq!(answer.2.lines().count(), 1, "{answer:?}");
    }
    assert!(
        answers[4].2.contains("issuer that is not trusted"),
        "{:?}",
        answers[4]
    );
    assert!(answers[5].2.contains("--tls"), "{:?}", answers[5]);
    assert!(
        answers[6].2.contains("other names than `other`"),
        "{:?}",
        answers[6]
    );
}

#[test]
fn keys_are_secret_and_nothing_is_overwritten() {
    let folder = Folder::new();
    let tls = certificates(&folder, &["--host", "api.internal", "--host", "10.0.0.7"]);
    let read = |name: &str| fs::read_to_string(Path::new(&tls).join(name)).unwrap();
    for name in ["ca-key.pem", "server-key.pem"] {
        let metadata = fs::metadata(Path::new(&tls).join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
        assert!(read(name).contains("PRIVATE KEY"));
    }
    let before = read("ca.pem");
    fs::remove_file(Path::new(&tls).join("server.pem")).unwrap();
    let again = run(["tls", "self-signed", "--out", &tls]);
    let (code, stdout, stderr) = said(&again);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.contains("ca.pem is there already; replace it with --force"),
        "{stderr}"
    );
    assert_eq!(read("ca.pem"), before);
    assert!(
        !Path::new(&tls).join("server.pem").exists(),
        "nothing was written"
    );

    let forced = run(["tls", "self-signed", "--out", &tls, "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{forced:?}");
    assert_ne!(read("ca.pem"), before);
    let shown = text(&forced.stdout);
    assert!(
        shown.contains(&format!("--tls-cert {tls}/server.pem")),
        "{shown}"
    );
    for wrong in [
        ["--days", "0"],
        ["--days", "4000"],
        ["--client", "../a"],
        ["--host", "a b"],
    ] {
        let arguments = ["tls", "self-signed", "--out", &tls]
            .into_iter()
            .chain(wrong);
        assert_eq!(run(arguments).status.code(), Some(2), "{wrong:?}");
    }
}
