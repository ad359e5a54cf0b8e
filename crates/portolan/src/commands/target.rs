//! The server that a command calls: where it is, how it is known to be the one,
//! and what goes along with each call.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use portolan_client::{Channel, Endpoint, KeepAlive, Tls};
use portolan_rpc::{Code, Status};

use crate::config::Time;
use crate::files;

/// How often a silent connection is tried, to notice a server that is gone
/// without a word.
const KEEP_ALIVE: KeepAlive = KeepAlive {
    interval: Duration::from_secs(20),
    timeout: Duration::from_secs(10),
    without_calls: false,
};

/// The flags of a command that calls a server.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Target {
    /// The server, such as localhost:50051, https://api.internal or
    /// unix:/run/portolan.sock
    #[arg(value_name = "HOST:PORT")]
    server: Endpoint,

    /// Metadata that goes along, such as "authorization: Bearer …". May be
    /// repeated
    #[arg(
        long = "header",
        short = 'H',
        visible_alias = "metadata",
        value_name = "NAME: VALUE"
    )]
    headers: Vec<Header>,

    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = some_time)]
    timeout: Time,

    /// What is sent as :authority instead of HOST:PORT
    #[arg(long, value_name = "NAME")]
    authority: Option<Authority>,

    #[command(flatten)]
    tls: TlsFlags,
}

/// How the server is known to be the one that is meant.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "TLS")]
struct TlsFlags {
    /// Call by TLS; each of the flags below says so too
    #[arg(long)]
    tls: bool,

    /// Who signs the server's certificate (PEM); by default whom browsers trust
    #[arg(long = "ca", visible_alias = "tls-ca", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The certificate that is shown to the server (PEM)
    #[arg(
        long = "cert",
        visible_alias = "tls-cert",
        value_name = "FILE",
        requires = "key"
    )]
    cert: Option<PathBuf>,

    /// The private key of that (PEM)
    #[arg(
        long = "key",
        visible_alias = "tls-key",
        value_name = "FILE",
        requires = "cert"
    )]
    key: Option<PathBuf>,

    /// The name that the server's certificate must have [default: the host's]
    #[arg(long = "server-name", value_name = "NAME")]
    server_name: Option<String>,

    /// Take any certificate: whoever is between can then read and change
    /// everything
    #[arg(long = "insecure-skip-verify")]
    insecure: bool,
}

/// A time in which there can be an answer.
fn some_time(text: &str) -> Result<Time, String> {
    match text.parse()? {
        Time(Duration::ZERO) => {
            Err("in no time nothing is answered; write a longer one".to_owned())
        }
        time => Ok(time),
    }
}

/// A piece of metadata.
#[derive(Clone, Debug)]
struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(name, value)| {
            let name = name.trim().parse().ok()?;
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some(Self(name, value))
        });
        // The value may be a secret.
        parsed.ok_or_else(|| "write a name, a colon and a value of visible characters".to_owned())
    }
}

impl TlsFlags {
    fn are_used(&self) -> bool {
        self.tls
            || self.insecure
            || self.ca.is_some()
            || self.cert.is_some()
            || self.server_name.is_some()
    }

    fn settings(&self) -> anyhow::Result<Tls> {
        let mut tls = Tls::new();
        if let Some(ca) = &self.ca {
            tls = tls.roots(files::read("CA certificates", ca)?);
        }
        if let Some((cert, key)) = self.cert.as_ref().zip(self.key.as_ref()) {
            let cert = files::read("certificate", cert)?;
            tls = tls.identity(cert, files::read("key", key)?);
        }
        if let Some(name) = &self.server_name {
            tls = tls.server_name(name.clone());
        }
        if self.insecure {
            tls = tls.dangerously_skip_verification();
        }
        Ok(tls)
    }
}

impl Target {
    fn endpoint(&self) -> Endpoint {
        let endpoint = self.server.clone();
        let tls = endpoint.is_tls() || self.tls.are_used();
        let endpoint = endpoint.with_tls(tls);
        match &self.authority {
            Some(authority) => endpoint.with_authority(authority.clone()),
            None => endpoint,
        }
    }

    /// The server as people name it.
    pub(super) fn name(&self) -> String {
        let tls = self.server.is_tls() || self.tls.are_used();
        self.server.clone().with_tls(tls).to_string()
    }

    /// The way to it.
    ///
    /// # Errors
    /// When a file cannot be read, or the choices do not go together.
    pub(super) fn channel(&self) -> anyhow::Result<Channel> {
        let builder = Channel::builder([self.endpoint()])
            .tls(self.tls.settings()?)
            .connect_timeout(self.timeout())
            .keep_alive(Some(KEEP_ALIVE));
        builder.build().context("cannot call by TLS")
    }

    /// What goes along with each call.
    pub(super) fn metadata(&self) -> HeaderMap {
        let headers = self.headers.iter();
        headers
            .map(|Header(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// How long a call may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout.0
    }

    /// Why a call failed, and what to do about it where that is known.
    pub(super) fn explain(&self, status: &Status) -> String {
        let (name, message) = (self.name(), status.message());
        match status.code() {
            Code::Unavailable => {
                let message = message
                    .strip_prefix(&format!("{name}: "))
                    .unwrap_or(message);
                let hint = if message.contains("certificate") {
                    ""
                } else if self.endpoint().is_tls() {
                    "; is it up, and does it serve by TLS there?"
                } else {
                    "; is it up, and in the clear? Give --tls if it serves by TLS"
                };
                format!("cannot reach {name}: {message}{hint}")
            }
            Code::DeadlineExceeded => {
                let hint = if self.endpoint().is_tls() {
                    ""
                } else {
                    "--tls if it serves by TLS, or "
                };
                let timeout = self.timeout();
                format!("{name} has not answered within {timeout:?}; give {hint}a longer --timeout")
            }
            Code::Unauthenticated => format!(
                "{name} wants to know who calls: {message}; give it a token with \
                 -H \"authorization: Bearer …\", or a certificate with --cert and --key"
            ),
            code => format!("{name} answered {code}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        target: Target,
    }

    fn target(arguments: &[&str]) -> Target {
        let arguments = ["command"].iter().chain(arguments);
        Command::try_parse_from(arguments).unwrap().target
    }

    #[test]
    fn a_flag_of_tls_means_tls() {
        for (arguments, name) in [
            (&["a:1"][..], "http://a:1"),
            (&["a:1", "--tls"], "https://a:1"),
            (&["https://a:1"], "https://a:1"),
            (&["http://a:1", "--ca", "x"], "https://a:1"),
            (&["a:1", "--insecure-skip-verify"], "https://a:1"),
            (&["unix:/a"], "unix:/a"),
        ] {
            assert_eq!(target(arguments).name(), name, "{arguments:?}");
        }
        let target = target(&["10.0.0.1:1", "--authority", "api.internal", "--tls"]);
        assert_eq!(target.name(), "https://10.0.0.1:1");
        assert_eq!(target.endpoint().authority(), "api.internal");
    }

    #[test]
    fn metadata_is_read_and_a_secret_is_not_repeated() {
        let target = target(&[
            "a:1",
            "-H",
            "Authorization:Bearer a:b",
            "--metadata",
            "x: 1",
        ]);
        let metadata = target.metadata();
        assert_eq!(metadata["authorization"], "Bearer a:b");
        assert_eq!(metadata["x"], "1");
        assert!(!format!("{target:?}").contains("Bearer"));
        for wrong in ["", "x", "a b: c", ": c", "x: \u{7f}"] {
            assert!(wrong.parse::<Header>().is_err(), "{wrong:?}");
        }
    }
}
