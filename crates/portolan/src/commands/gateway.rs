//! `portolan gateway`: stands in front of gRPC servers and serves what they
//! serve in every protocol.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use portolan_server::Server;

use crate::config::{Balance, Config, Time, Upstream, UpstreamTls, UpstreamUrl};
use crate::flags::{ServerFlags, put};
use crate::front::Front;
use crate::guards::guards;
use crate::listening::{self, Listeners};
use crate::signals::Signals;
use crate::telemetry;

/// Where to listen, unless told otherwise.
const LISTEN: [&str; 1] = ["127.0.0.1:8080"];
/// How long what the upstreams are doing may hold up the end of the process.
const LAST_WORK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portolan gateway --upstream http://127.0.0.1:50051\n  \
    portolan gateway --upstream https://api.internal:443 --descriptors api.binpb\n  \
    portolan gateway --upstream users.v1.*=http://10.0.0.7:50051 --upstream http://10.0.0.8:50051\n  \
    portolan gateway --config portolan.yaml --check")]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerFlags,

    #[command(flatten)]
    upstream: UpstreamFlags,

    #[command(flatten)]
    contracts: ContractFlags,

    /// Say what would be served, route by route, and what is wrong with it;
    /// serve nothing
    #[arg(long)]
    check: bool,

    /// With --check: as JSON
    #[arg(long, requires = "check")]
    json: bool,
}

/// The gRPC servers behind.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Upstreams")]
struct UpstreamFlags {
    /// A gRPC server, such as http://127.0.0.1:50051; with its services before
    /// it when there are several: users.v1.*=http://… May be repeated
    #[arg(long, value_name = "[SERVICES=]URL")]
    upstream: Vec<UpstreamArgument>,

    /// How calls are spread over the addresses of an upstream [default:
    /// round_robin]
    #[arg(long, value_name = "HOW", value_enum)]
    balance: Option<Balance>,

    /// Who signs the upstream's certificate (PEM); by default whom the system
    /// trusts
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,

    /// The certificate that is shown to the upstream (PEM)
    #[arg(long, value_name = "FILE", requires = "upstream_key")]
    upstream_cert: Option<PathBuf>,

    /// The private key of that (PEM)
    #[arg(long, value_name = "FILE", requires = "upstream_cert")]
    upstream_key: Option<PathBuf>,

    /// The name that the upstream's certificate must have
    #[arg(long, value_name = "NAME")]
    upstream_name: Option<String>,

    /// Take any certificate of the upstream: whoever is between can then read
    /// and change everything
    #[arg(long)]
    upstream_insecure: bool,
}

/// Where the contracts come from.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Contracts")]
struct ContractFlags {
    /// A .proto file or a folder of them; without any contract the upstreams
    /// are asked by reflection. May be repeated
    #[arg(long, value_name = "PATH")]
    proto: Vec<PathBuf>,

    /// A folder in which imports are looked for. May be repeated
    #[arg(long, short = 'I', value_name = "FOLDER")]
    include: Vec<PathBuf>,

    /// An encoded descriptor set, or an image of buf. May be repeated
    #[arg(long, value_name = "FILE")]
    descriptors: Vec<PathBuf>,

    /// How often the upstreams are asked again by reflection; with 0 only when
    /// they are connected to anew [default: 30s]
    #[arg(long, value_name = "TIME")]
    refresh: Option<Time>,
}

/// `URL` or `SERVICES=URL`.
#[derive(Clone, Debug)]
struct UpstreamArgument {
    services: Vec<String>,
    url: UpstreamUrl,
}

impl FromStr for UpstreamArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The name of a service has no colon, and every URL has one.
        let (services, url) = match text.split_once('=') {
            Some((services, url)) if !services.contains(':') => (services, url),
            _ => ("", text),
        };
        let services = services.split(',').filter(|name| !name.is_empty());
        Ok(Self {
            services: services.map(str::to_owned).collect(),
            url: url.parse()?,
        })
    }
}

impl Arguments {
    /// The configuration that the command line and the file mean.
    ///
    /// # Errors
    /// When the file cannot be read, or nothing is to stand behind: a file that
    /// is just being written is empty for a moment.
    pub(crate) fn configuration(&self) -> anyhow::Result<Config> {
        let mut config = self.server.configuration()?;
        let flags = self.upstream.clone();
        if !flags.upstream.is_empty() {
            let upstreams = flags.upstream.into_iter().map(|argument| Upstream {
                services: argument.services,
                ..Upstream::at(argument.url)
            });
            config.upstreams = upstreams.collect();
        }
        if config.upstreams.is_empty() {
            anyhow::bail!(
                "there is no upstream to stand in front of; name one with --upstream \
                 http://127.0.0.1:50051, or in the file of --config"
            );
        }
        let tls = UpstreamTls {
            ca: flags.upstream_ca,
            cert: flags.upstream_cert,
            key: flags.upstream_key,
            server_name: flags.upstream_name,
            insecure: flags.upstream_insecure,
        };
        for upstream in &mut config.upstreams {
            put(&mut upstream.balance, flags.balance);
            put_tls(&mut upstream.tls, &tls);
        }
        let flags = &self.contracts;
        let said = |paths: &Vec<PathBuf>| (!paths.is_empty()).then(|| paths.clone());
        put(&mut config.contracts.proto, said(&flags.proto));
        put(&mut config.contracts.include, said(&flags.include));
        put(&mut config.contracts.descriptors, said(&flags.descriptors));
        put(&mut config.contracts.refresh, flags.refresh);
        Ok(config)
    }
}

/// Each flag takes the place of its own key alone; what the file says beside
/// that goes on to hold.
fn put_tls(place: &mut Option<UpstreamTls>, said: &UpstreamTls) {
    if *said == UpstreamTls::default() {
        return;
    }
    let tls = place.get_or_insert_default();
    put(&mut tls.ca, said.ca.clone());
    put(&mut tls.cert, said.cert.clone());
    put(&mut tls.key, said.key.clone());
    put(&mut tls.server_name, said.server_name.clone());
    tls.insecure |= said.insecure;
}

/// Serves until a signal comes, or checks.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = arguments.configuration()?;
    listening::install_logs(&config)?;
    let runtime = super::runtime()?;
    let done = runtime.block_on(async {
        if arguments.check {
            super::check::run(config, arguments.json).await
        } else {
            serve(arguments, config).await
        }
    });
    runtime.shutdown_timeout(LAST_WORK);
    done
}

async fn serve(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let signals = Signals::catch()?;
    let listeners = Listeners::bind(&config, &LISTEN)?;
    let telemetry = telemetry::of(&config)?;
    let opening = async {
        let guards = guards(&config).await?;
        let reload = move || arguments.configuration();
        Front::open(config.clone(), guards, telemetry.clone(), reload).await
    };
    let front = tokio::select! {
        front = opening => front?,
        // An upstream that does not answer may take its time.
        () = signals.first() => return Ok(ExitCode::SUCCESS),
    };
    let mut server = Server::new(front.service())
        .forward_clients()
        .health(front.health())
        .metrics(listening::metrics());
    if let Some(telemetry) = telemetry {
        server = server.telemetry(telemetry);
    }
    listeners.serve(server, &config, &signals).await?;
    front.close().await;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_stand_before_their_upstream() {
        for (text, services, url) in [
            ("http://a:1", vec![], "http://a:1"),
            ("a.S,b.*=http://a:1", vec!["a.S", "b.*"], "http://a:1"),
            ("unix:/run/a=b", vec![], "unix:/run/a=b"),
        ] {
            let argument: UpstreamArgument = text.parse().unwrap();
            assert_eq!(argument.services, services, "{text}");
            assert_eq!(argument.url.0, url, "{text}");
        }
        assert!("a.S=a:1".parse::<UpstreamArgument>().is_err());
    }

    #[test]
    fn flags_complement_what_the_file_says_of_tls() {
        let file = UpstreamTls {
            ca: Some("ca".into()),
            cert: Some("cert".into()),
            key: Some("key".into()),
            ..UpstreamTls::default()
        };
        let name = UpstreamTls {
            server_name: Some("name".into()),
            ..UpstreamTls::default()
        };
        let mut place = Some(file.clone());
        put_tls(&mut place, &name);
        let server_name = name.server_name.clone();
        assert_eq!(
            place,
            Some(UpstreamTls {
                server_name,
                ..file
            })
        );
        let mut place = None;
        put_tls(&mut place, &UpstreamTls::default());
        assert_eq!(place, None);
        put_tls(&mut place, &name);
        assert_eq!(place, Some(name));
    }
}
