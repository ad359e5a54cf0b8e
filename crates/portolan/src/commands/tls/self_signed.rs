//! `portolan tls self-signed`: a certificate authority and what it signs, as
//! files that `serve`, `gateway` and clients take.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use rustls::pki_types::DnsName;

use super::authority::{Authority, Pair, Validity};
use crate::{files, output};

/// Whom the server's certificate is for, unless told otherwise.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan tls self-signed\n  \
    portolan tls self-signed --host api.internal --host 10.0.0.7 --client alice --out certs\n\n\
    Files:\n  \
    ca.pem, ca-key.pem                    the authority; hand out the former alone\n  \
    server.pem, server-key.pem            for --tls-cert and --tls-key\n  \
    client-NAME.pem, client-NAME-key.pem  for clients, with --tls-client-ca ca.pem")]
pub(super) struct Arguments {
    /// A name or address of the server. May be repeated [default: localhost,
    /// 127.0.0.1 and ::1]
    #[arg(long = "host", value_name = "NAME|IP", value_parser = host)]
    hosts: Vec<String>,

    /// The folder for the files; made when it is missing
    #[arg(long, value_name = "FOLDER", default_value = "tls")]
    out: PathBuf,

    /// How long the certificates are valid
    #[arg(long, value_name = "N", default_value = "365",
          value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,

    /// A client to make a certificate for. May be repeated
    #[arg(long = "client", value_name = "NAME", value_parser = client)]
    clients: Vec<String>,

    /// Replace files that are there already
    #[arg(long)]
    force: bool,
}

/// A name of which there can be a certificate, a wildcard's too.
fn host(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    if text.parse::<IpAddr>().is_ok() || DnsName::try_from(name).is_ok() {
        return Ok(text.to_owned());
    }
    Err("write a name such as api.internal or *.internal, or an address such as 10.0.0.7".into())
}

/// A name that can be part of that of a file.
fn client(text: &str) -> Result<String, String> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['.', '-']) {
        return Ok(text.to_owned());
    }
    Err(
        "write up to 64 letters, digits and any of - _ . @, beginning with a letter or digit"
            .into(),
    )
}

/// Makes everything before anything is written.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let written = make(arguments, SystemTime::now())?;
    let text = advice(arguments, &written);
    output::text(&text).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn make(arguments: &Arguments, now: SystemTime) -> anyhow::Result<Vec<PathBuf>> {
    let hosts = match arguments.hosts.as_slice() {
        [] => HOSTS.map(str::to_owned).to_vec(),
        hosts => hosts.to_vec(),
    };
    let authority = Authority::new(Validity::days(now, arguments.days)?)?;
    let mut pairs = vec![
        ("ca".to_owned(), authority.pair()),
        ("server".to_owned(), authority.server(&hosts)?),
    ];
    for client in &arguments.clients {
        pairs.push((format!("client-{client}"), authority.client(client)?));
    }
    let folder = &arguments.out;
    let named = |name: &str| folder.join(name);
    let mut contents = Vec::new();
    for (name, Pair { certificate, key }) in pairs {
        contents.push((named(&format!("{name}.pem")), certificate, Secrecy::Public));
        contents.push((named(&format!("{name}-key.pem")), key, Secrecy::Secret));
    }
    if !arguments.force
        && let Some((path, ..)) = contents.iter().find(|(path, ..)| path.exists())
    {
        return Err(taken(path));
    }
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (path, contents, secrecy) in &contents {
        match write(path, contents, *secrecy, arguments.force) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(taken(path)),
            Err(error) => {
                let reason = files::reason(&error);
                anyhow::bail!("cannot write {}: {reason}", path.display());
            }
        }
    }
    Ok(contents.into_iter().map(|(path, ..)| path).collect())
}

fn taken(path: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "{} is there already; replace it with --force, or choose another folder with --out",
        path.display()
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrecy {
    Public,
    /// For its owner's eyes.
    Secret,
}

/// Writes a file that is as secret from its first moment as it has to be; one
/// that is there is replaced, and not written into, since it may be less so.
fn write(path: &Path, contents: &str, secrecy: Secrecy, replace: bool) -> io::Result<()> {
    if replace {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secrecy == Secrecy::Secret {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()
}

/// What was written, and what to do with it.
fn advice(arguments: &Arguments, written: &[PathBuf]) -> String {
    let file = |name: &str| quoted(&arguments.out.join(name));
    let (ca, cert, key) = (file("ca.pem"), file("server.pem"), file("server-key.pem"));
    let host = arguments.hosts.first().map_or("localhost", String::as_str);
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.replacen('*', "www", 1),
    };
    let mut text = String::new();
    for path in written {
        text.push_str(&format!("{}\n", path.display()));
    }
    let mutual = !arguments.clients.is_empty();
    let asks = if mutual {
        format!(" --tls-client-ca {ca}")
    } else {
        String::new()
    };
    text.push_str(&format!(
        "\nServe with it:\n  portolan serve --tls-cert {cert} --tls-key {key}{asks}\n\nCall with it:\n"
    ));
    let shown = arguments.clients.first().map(|client| {
        let file = |end: &str| file(&format!("client-{client}{end}.pem"));
        (file(""), file("-key"))
    });
    let flags = |first: &str, second: &str| {
        let pair = shown.as_ref();
        pair.map_or_else(String::new, |(cert, key)| {
            format!(" {first} {cert} {second} {key}")
        })
    };
    let (own, others) = (flags("--cert", "--key"), flags("-cert", "-key"));
    text.push_str(&format!(
        "  portolan health {host}:50051 --ca {ca}{own}\n  \
         curl https://{host}:8080/v1/metrics --cacert {ca}{own}\n  \
         grpcurl -cacert {ca}{others} {host}:50051 list\n"
    ));
    text
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@+:,".contains(&byte);
    if text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_hosts_are_hosts() {
        for good in [
            "localhost",
            "a.b-c.internal",
            "*.internal",
            "10.0.0.1",
            "::1",
        ] {
            assert_eq!(host(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "http://a", "a:1", "*", "a.*.b", "-", "a/b"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_cannot_lead_out_of_the_folder() {
        for good in ["alice", "a.b@example.com", "node-1"] {
            assert!(client(good).is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in ["", "..", "../a", "a/b", ".a", "-a", "a b", "\u{e9}", &long] {
            assert!(client(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_written_for_shells() {
        assert_eq!(quoted(Path::new("a/b.pem")), "a/b.pem");
        assert_eq!(quoted(Path::new("a b/it's")), r"'a b/it'\''s'");
    }
}
