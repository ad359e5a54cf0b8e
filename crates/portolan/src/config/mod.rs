//! `portolan.yaml`: everything that flags can say, in one typed file.
//!
//! Reading it gives a [`Config`], whose parts are options: what the file leaves
//! out a flag may say, and what neither says has the default that the flag's
//! help names. A flag wins over the file.

mod auth;
mod parts;
mod ranges;
mod telemetry;
mod upstream;
mod values;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use auth::{Auth, Keys, Per, Rate};
pub(crate) use parts::{
    Clients, Contracts, Cors, Errors, Json, Limits, Log, LogFormat, Memory, PrintDefaults, Routes,
    Tls, Users,
};
pub(crate) use telemetry::{OtlpProtocol, Telemetry, header};
pub(crate) use upstream::{Balance, Upstream, UpstreamTls};
pub(crate) use values::{
    Address, Collector, HttpMethod, PageOrigin, Secret, Size, Time, TrustedProxy, UpstreamUrl,
};

use crate::files;
use crate::opened::Only;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Wrong {
    sentence: String,
    /// Shows the place in the text, on several lines.
    pub(crate) snippet: String,
}

/// What `portolan.yaml` says.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "portolan.yaml")]
pub(crate) struct Config {
    /// The file that this was read from.
    #[serde(skip)]
    path: Option<PathBuf>,
    /// Where to listen; every listener speaks every protocol.
    pub(crate) listen: Option<Vec<Address>>,
    /// Certificates for the listeners.
    pub(crate) tls: Option<Tls>,
    /// Proxies in front, by address or network, that are believed in what
    /// `Forwarded` and `X-Forwarded-For` say of their clients.
    pub(crate) trusted_proxies: Option<Vec<TrustedProxy>>,
    /// The gRPC servers that `portolan gateway` stands in front of.
    #[serde(deserialize_with = "upstream::checked")]
    pub(crate) upstreams: Vec<Upstream>,
    /// Where the contracts come from, when the upstreams have no reflection.
    pub(crate) contracts: Contracts,
    /// How paths lead to RPCs.
    pub(crate) routes: Routes,
    /// How JSON is read and written.
    pub(crate) json: Json,
    /// The form of error bodies on REST routes.
    pub(crate) errors: Option<Errors>,
    /// What is too much.
    pub(crate) limits: Limits,
    /// Which pages of other origins may call.
    #[serde(deserialize_with = "Cors::checked")]
    pub(crate) cors: Option<Cors>,
    /// Who may call; everybody without it.
    #[serde(deserialize_with = "Auth::checked")]
    pub(crate) auth: Option<Auth>,
    /// Whether `/openapi.json`, `/openapi.yaml` and `/docs` are served.
    pub(crate) docs: Option<bool>,
    /// The logs on standard error.
    pub(crate) log: Log,
    /// Traces and metrics for a collector of OpenTelemetry.
    pub(crate) telemetry: Telemetry,
    /// How long running calls may take to finish after SIGTERM or SIGINT.
    pub(crate) drain_timeout: Option<Time>,
    /// Which service `portolan serve` serves alone; both without it.
    pub(crate) only: Option<Only>,
    /// The vector memory of `portolan serve`, and where both services keep what
    /// they know.
    pub(crate) memory: Memory,
    /// The directory of users of `portolan serve`, when it is to be in a
    /// database instead.
    pub(crate) users: Users,
}

impl Config {
    /// Reads a file. Paths in it are relative to its folder.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = files::read_text("configuration", path)?;
        let mut config = Self::parse(&text, &path.display().to_string())?;
        config.settle_paths(path.parent().unwrap_or(Path::new("")));
        config.path = Some(path.to_owned());
        Ok(config)
    }

    /// Reads a text that `name` is the name of in errors.
    fn parse(text: &str, name: &str) -> anyhow::Result<Self> {
        serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location().map_or_else(String::new, |location| {
                format!(":{}:{}", location.line(), location.column())
            });
            let shown = error.to_string();
            // What follows the first line shows the place in the text.
            let (sentence, snippet) = shown.split_once('\n').unwrap_or((&shown, ""));
            let sentence = sentence.trim_start_matches("error: ");
            let sentence = match sentence.split_once(": ") {
                Some((before, rest)) if before.starts_with("line ") => rest,
                _ => sentence,
            };
            anyhow::Error::new(Wrong {
                sentence: values::redacted(&format!("{name}{place}: {sentence}")),
                snippet: values::redacted(&snippet.replace("<input>", name)),
            })
        })
    }

    fn settle_paths(&mut self, folder: &Path) {
        let settle = |path: &mut PathBuf| {
            if path.is_relative() && !folder.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        };
        for address in self.listen.iter_mut().flatten() {
            if let Address::Unix(path) = address {
                settle(path);
            }
        }
        for url in self.upstreams.iter_mut().flat_map(Upstream::urls) {
            if let Some(path) = url.0.strip_prefix("unix:") {
                let mut path = PathBuf::from(path);
                settle(&mut path);
                url.0 = format!("unix:{}", path.display());
            }
        }
        if let Some(tls) = &mut self.tls {
            tls.paths().for_each(settle);
        }
        if let Some(auth) = &mut self.auth {
            auth.paths().for_each(settle);
        }
        for upstream in &mut self.upstreams {
            upstream.paths().for_each(settle);
        }
        self.contracts.paths().for_each(settle);
        self.telemetry.paths().for_each(settle);
        self.routes.service_config.iter_mut().for_each(settle);
        self.memory.data.iter_mut().for_each(settle);
        self.users.database_file.iter_mut().for_each(settle);
    }

    /// The file itself, and those that it names and that are read when it is.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let rules = self.routes.service_config.iter();
        let tls = self.upstreams.iter().flat_map(|upstream| {
            let tls = upstream.tls.iter();
            let tls = tls.flat_map(|tls| [&tls.ca, &tls.cert, &tls.key]);
            tls.flatten().chain(&upstream.service_config)
        });
        self.path.iter().chain(rules).chain(tls).cloned().collect()
    }

    /// Whether something differs that is decided once, when a server starts.
    pub(crate) fn needs_restart_after(&self, before: &Self) -> bool {
        self.listen != before.listen
            || self.tls != before.tls
            || self.cors != before.cors
            || self.auth != before.auth
            || self.trusted_proxies != before.trusted_proxies
            || self.limits.clients != before.limits.clients
            || self.limits.guards() != before.limits.guards()
            || self.log != before.log
            || self.telemetry != before.telemetry
            || self.drain_timeout != before.drain_timeout
    }

    /// The JSON schema of the file, for editors.
    pub(crate) fn json_schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_says_nothing() {
        let config = Config::parse("", "portolan.yaml").unwrap();
        assert!(config.listen.is_none() && config.upstreams.is_empty());
    }

    #[test]
    fn errors_name_the_place_and_what_would_do() {
        for (text, expected) in [
            (
                "listen: [127.0.0.1:80, here]\n",
                "portolan.yaml:1:24: `here` is no address to listen on",
            ),
            ("lisen: []\n", "portolan.yaml:1:1: unknown field `lisen`"),
            (
                "tls:\n  crt: a\n",
                "portolan.yaml:2:3: unknown field `crt`, expected one of cert, key",
            ),
            (
                "limits:\n  max_message_size: big\n",
                "portolan.yaml:2:21: write a size such as 4MiB",
            ),
            (
                "upstreams:\n  - url: ftp://x\n",
                "portolan.yaml:2:10: `ftp://x` is no upstream",
            ),
            (
                "listen: []\nlisten: []\n",
                "portolan.yaml:2:1: duplicate mapping key: listen",
            ),
        ] {
            let error = Config::parse(text, "portolan.yaml")
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(expected), "{text}\n{error}");
        }
    }

    #[test]
    fn a_queue_needs_a_limit_to_wait_for() {
        let text = "listen: []\nupstreams:\n  - url: http://a:1\n    max_queue: 4\n";
        let error = Config::parse(text, "portolan.yaml")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("portolan.yaml:")
                && error.ends_with(
                    "max_queue of the upstream http://a:1 needs max_concurrency: calls wait only \
                     when it says how many may run; set both or neither"
                ),
            "{error}"
        );
        let text = format!("{text}    max_concurrency: 2\n");
        let config = Config::parse(&text, "portolan.yaml").unwrap();
        assert_eq!(config.upstreams[0].max_queue, Some(4));
    }

    #[test]
    fn what_cannot_work_is_told_with_its_place() {
        for (text, place, part) in [
            (
                "limits:\n  clients: {max_streams: 0}\n",
                "2:",
                "write 1 or more",
            ),
            (
                "limits:\n  clients:\n    max_connections: 0\n",
                "3:",
                "write 1 or more",
            ),
            (
                "limits:\n  default_timeout: 0s\n",
                "2:",
                "write a longer one",
            ),
            ("json:\n  indent: 17\n", "2:", "write 16 or less"),
            ("json:\n  indent: 200\n", "2:", "write 16 or less"),
            ("memory:\n  dimension: 0\n", "2:", "write 1 or more"),
            (
                "upstreams:\n  - url: http://a:1\n    max_concurrency: 0\n",
                "3:",
                "write 1 or more",
            ),
            (
                "upstreams:\n  - url: http://a:1\n    connect_timeout: 0\n",
                "3:",
                "write a longer one",
            ),
            (
                "upstreams:\n  - url: http://a:1\n    outliers: {consecutive_failures: 0}\n",
                "3:",
                "write 1 or more",
            ),
            (
                "upstreams:\n  - url: http://a:1\n    outliers: {max_ejection_percent: 101}\n",
                "3:",
                "write 100 or less",
            ),
            (
                "upstreams:\n  - url: https://a:1\n    tls: {cert: a.pem}\n",
                "",
                "give both cert and key",
            ),
            (
                "cors:\n  origins: [\"*\"]\n  credentials: true\n",
                "",
                "origins",
            ),
        ] {
            let error = Config::parse(text, "x").unwrap_err().to_string();
            assert!(error.starts_with(&format!("x:{place}")), "{text}\n{error}");
            assert!(error.contains(part), "{text}\n{error}");
        }
    }

    #[test]
    fn sockets_are_in_the_files_folder_too() {
        let text = "listen: [unix:a.sock, unix:/b.sock, 127.0.0.1:0]\n\
                    upstreams: [{url: unix:c.sock, and: [unix:///d.sock, http://e:1]}]\n";
        let mut config = Config::parse(text, "x").unwrap();
        config.settle_paths(Path::new("/etc/portolan"));
        let listen = config.listen.unwrap();
        assert_eq!(listen[0], Address::Unix("/etc/portolan/a.sock".into()));
        assert_eq!(listen[1], Address::Unix("/b.sock".into()));
        let urls = config.upstreams[0].urls().map(|url| url.0.parse().unwrap());
        let urls: Vec<portolan_client::Endpoint> = urls.collect();
        let urls: Vec<_> = urls.iter().map(ToString::to_string).collect();
        assert_eq!(
            urls,
            ["unix:/etc/portolan/c.sock", "unix:/d.sock", "http://e:1"]
        );
    }

    #[test]
    fn paths_are_those_of_the_files_folder() {
        let mut config =
            Config::parse("contracts: {descriptors: [a.binpb, /b.binpb]}", "x").unwrap();
        config.settle_paths(Path::new("/etc/portolan"));
        let paths: Vec<_> = config.contracts.descriptors.unwrap();
        assert_eq!(
            paths,
            [Path::new("/etc/portolan/a.binpb"), Path::new("/b.binpb")]
        );
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "users:\n  database: postgres://u:hunter2@db/x\n  conections: 3\n",
            "users: {database: postgresql://u:hunter2@db/x, conections: 3}\n",
            "users:\n  database: [postgres://u:hunter2@db/x]\n",
            "users:\n  connections: postgres://u:hunter2@db/x\n",
            "listen: [\"postgres://u:hunter2@db/x\"]\n",
        ] {
            let error = Config::parse(text, "x").unwrap_err();
            let wrong = error.downcast_ref::<Wrong>().unwrap();
            let shown = format!("{error} {error:?} {}", wrong.snippet);
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let config = Config::parse("users: {database: postgres://u:hunter2@db/x}", "x").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_schema_knows_every_key() {
        let schema = serde_json::to_value(Config::json_schema()).unwrap();
        for key in ["listen", "upstreams", "routes", "json", "limits", "cors"] {
            assert!(schema["properties"][key].is_object(), "{key}");
        }
        let needs = &schema["$defs"]["Upstream"]["dependentRequired"]["max_queue"];
        assert_eq!(needs[0], "max_concurrency");
    }
}
