//! The flags that every server has. Each says what a key of `portolan.yaml`
//! says, and wins over it.

mod auth;

use std::path::PathBuf;

use clap::Args;

use crate::config::{
    Address, Collector, Config, Cors, Errors, HttpMethod, LogFormat, OtlpProtocol, PageOrigin,
    PrintDefaults, Size, Time, Tls, TrustedProxy,
};

/// Where and how a server is reached.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServerFlags {
    /// The configuration file; flags win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Where to listen; every listener speaks every protocol. May be repeated;
    /// port 0 lets the system choose
    #[arg(long, value_name = "ADDR", help_heading = "Listening")]
    listen: Vec<Address>,

    /// The largest message in either direction [default: 4MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    max_message_size: Option<Size>,

    /// The longest that a call may take when its client names no deadline
    /// [default: for ever]
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    default_timeout: Option<Time>,

    /// How long running calls may take to finish after SIGTERM or SIGINT
    /// [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    drain_timeout: Option<Time>,

    /// The form of the logs on standard error; RUST_LOG chooses which to keep
    /// [default: text]
    #[arg(long, value_name = "FORMAT", value_enum)]
    log_format: Option<LogFormat>,

    #[command(flatten)]
    door: DoorFlags,

    #[command(flatten)]
    auth: auth::AuthFlags,

    #[command(flatten)]
    routes: RouteFlags,

    #[command(flatten)]
    json: JsonFlags,

    #[command(flatten)]
    telemetry: TelemetryFlags,
}

/// What a collector of OpenTelemetry is told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Telemetry")]
struct TelemetryFlags {
    /// Send traces and metrics to this collector by OTLP, such as
    /// http://127.0.0.1:4317
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<Collector>,

    /// How the collector is spoken to [default: http at port 4318, else grpc]
    #[arg(long, value_name = "HOW", value_enum)]
    otlp_protocol: Option<OtlpProtocol>,

    /// The share of traces that is recorded, of those that begin here [default: 1]
    #[arg(long, value_name = "0..1", value_parser = share)]
    trace_ratio: Option<f64>,

    /// The name under which the collector knows this server [default: portolan]
    #[arg(long, value_name = "NAME")]
    service_name: Option<String>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a share from 0 to 1, such as 0.1".to_owned())
}

/// Who is let in, and how.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Listening")]
struct DoorFlags {
    /// Serve by TLS with this certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Ask every client for a certificate signed by one of these (PEM)
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,

    /// An origin whose pages may call, such as https://app.example.com; `*`
    /// for all. May be repeated
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<PageOrigin>,

    /// A proxy in front, or a network of them, that is believed in what
    /// Forwarded and X-Forwarded-For say of its clients. May be repeated
    #[arg(long, value_name = "ADDR")]
    trusted_proxy: Vec<TrustedProxy>,
}

/// How paths lead to RPCs.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Routes")]
struct RouteFlags {
    /// Where named routes (`/path/service/method`) begin; empty for none
    /// [default: /grpc]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,

    /// What stands before every REST route
    #[arg(long, value_name = "PATH")]
    base_path: Option<String>,

    /// The only HTTP methods that automatic and named routes take, such as
    /// GET,POST
    #[arg(long, value_name = "METHODS", value_delimiter = ',')]
    http_methods: Option<Vec<HttpMethod>>,

    /// A google.api.Service file in YAML with HTTP rules, for contracts that
    /// cannot be changed. May be repeated
    #[arg(long, value_name = "FILE")]
    service_config: Vec<PathBuf>,

    /// Do not serve /openapi.json, /openapi.yaml and /docs
    #[arg(long)]
    no_docs: bool,
}

/// How JSON is read and written.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "JSON")]
struct JsonFlags {
    /// Write fields under the names of the contract instead of lowerCamelCase
    #[arg(long)]
    proto_names: bool,

    /// Which fields without a value are written [default: no]
    #[arg(long, value_name = "WHICH", value_enum)]
    print_defaults: Option<PrintDefaults>,

    /// Write enums as numbers instead of names
    #[arg(long)]
    enums_as_numbers: bool,

    /// Indent each level by so many spaces
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=16))]
    indent: Option<u8>,

    /// Pass over fields that the contract does not have instead of refusing them
    #[arg(long)]
    ignore_unknown: bool,

    /// The form of errors on REST routes [default: detail on named routes,
    /// status on others]
    #[arg(long, value_name = "FORM", value_enum)]
    errors: Option<Errors>,
}

impl ServerFlags {
    /// The configuration: what the file says, and over it what the flags say.
    pub(crate) fn configuration(&self) -> anyhow::Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        self.clone().put_onto(&mut config)?;
        Ok(config)
    }

    fn put_onto(self, config: &mut Config) -> anyhow::Result<()> {
        if !self.listen.is_empty() {
            config.listen = Some(self.listen);
        }
        put(&mut config.limits.max_message_size, self.max_message_size);
        put(&mut config.limits.default_timeout, self.default_timeout);
        put(&mut config.drain_timeout, self.drain_timeout);
        put(&mut config.log.format, self.log_format);

        let DoorFlags {
            tls_cert,
            tls_key,
            tls_client_ca,
            ..
        } = self.door.clone();
        put_tls(&mut config.tls, tls_cert.zip(tls_key), tls_client_ca)?;
        if !self.door.cors_origin.is_empty() {
            let cors = config.cors.get_or_insert_with(Cors::default);
            cors.origins = self.door.cors_origin;
        }

        if !self.door.trusted_proxy.is_empty() {
            config.trusted_proxies = Some(self.door.trusted_proxy);
        }

        self.auth.put_onto(config);

        put(&mut config.routes.path, self.routes.path);
        put(&mut config.routes.base_path, self.routes.base_path);
        put(&mut config.routes.http_methods, self.routes.http_methods);
        if !self.routes.service_config.is_empty() {
            config.routes.service_config = self.routes.service_config;
        }
        put(&mut config.docs, self.routes.no_docs.then_some(false));

        put(&mut config.json.proto_names, yes(self.json.proto_names));
        put(&mut config.json.print_defaults, self.json.print_defaults);
        put(
            &mut config.json.enums_as_numbers,
            yes(self.json.enums_as_numbers),
        );
        put(&mut config.json.indent, self.json.indent);
        put(
            &mut config.json.ignore_unknown,
            yes(self.json.ignore_unknown),
        );
        put(&mut config.errors, self.json.errors);

        let flags = self.telemetry;
        put(&mut config.telemetry.endpoint, flags.otlp_endpoint);
        put(&mut config.telemetry.protocol, flags.otlp_protocol);
        put(&mut config.telemetry.trace_ratio, flags.trace_ratio);
        put(&mut config.telemetry.service_name, flags.service_name);
        Ok(())
    }
}

/// Each flag takes the place of its own key alone: another certificate still
/// asks clients for theirs when the file does. clap sees to it that certificate
/// and key come together.
fn put_tls(
    place: &mut Option<Tls>,
    identity: Option<(PathBuf, PathBuf)>,
    client_ca: Option<PathBuf>,
) -> anyhow::Result<()> {
    match (place.as_mut(), identity) {
        (Some(tls), Some((cert, key))) => (tls.cert, tls.key) = (cert, key),
        (None, Some((cert, key))) => {
            *place = Some(Tls {
                cert,
                key,
                client_ca: None,
            });
        }
        (_, None) => {}
    }
    match place {
        Some(tls) => put(&mut tls.client_ca, client_ca),
        None if client_ca.is_some() => anyhow::bail!(
            "--tls-client-ca needs a certificate to serve by TLS with; give --tls-cert and \
             --tls-key, or tls in the file of --config"
        ),
        None => {}
    }
    Ok(())
}

/// What a flag says, if it says anything, takes the place of what was there.
pub(crate) fn put<T>(place: &mut Option<T>, said: Option<T>) {
    if said.is_some() {
        *place = said;
    }
}

/// A flag without a value says yes or nothing.
pub(crate) fn yes(given: bool) -> Option<bool> {
    given.then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(cert: &str, client_ca: Option<&str>) -> Tls {
        Tls {
            cert: cert.into(),
            key: "key".into(),
            client_ca: client_ca.map(PathBuf::from),
        }
    }

    #[test]
    fn a_certificate_of_the_command_line_leaves_the_files_client_ca() {
        let identity = || Some(("new".into(), "key".into()));
        let ca = |name: &str| Some(PathBuf::from(name));
        for (file, identity, client_ca, expected) in [
            (None, None, None, None),
            (None, identity(), None, Some(tls("new", None))),
            (None, identity(), ca("flag"), Some(tls("new", Some("flag")))),
            (
                Some(tls("old", Some("file"))),
                identity(),
                None,
                Some(tls("new", Some("file"))),
            ),
            (
                Some(tls("old", None)),
                None,
                ca("flag"),
                Some(tls("old", Some("flag"))),
            ),
            (
                Some(tls("old", Some("file"))),
                None,
                ca("flag"),
                Some(tls("old", Some("flag"))),
            ),
        ] {
            let mut place = file;
            put_tls(&mut place, identity, client_ca).unwrap();
            assert_eq!(place, expected);
        }
        let error = put_tls(&mut None, None, ca("flag")).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("--tls-client-ca needs a "), "{error}");
    }
}
