//! The upstreams: a channel to each, and which of them has a service.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Context as _;
use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use portolan_client::{Channel, Endpoint, Policy, Tls};
use portolan_gateway::{Body, Code, Status};
use tower_service::Service;

use crate::config::{self, Balance};
use crate::files;

/// An upstream of the configuration, and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// Its first address, as errors name it.
    pub(crate) name: String,
    /// The services that the configuration gives it.
    pub(crate) services: Vec<String>,
    pub(crate) channel: Channel,
}

impl Upstream {
    pub(crate) fn open(config: &config::Upstream, limits: &config::Limits) -> anyhow::Result<Self> {
        let name = config.url.0.clone();
        let channel =
            channel(config, limits).with_context(|| format!("cannot use the upstream {name}"))?;
        Ok(Self {
            name,
            services: config.services.clone(),
            channel,
        })
    }
}

fn channel(config: &config::Upstream, limits: &config::Limits) -> anyhow::Result<Channel> {
    let endpoints = std::iter::once(&config.url).chain(&config.and);
    let endpoints = endpoints
        .map(|url| {
            let endpoint: Endpoint = url.0.parse()?;
            let tls = endpoint.is_tls() || config.tls.is_some();
            Ok(endpoint.with_tls(tls))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut builder =
        Channel::builder(endpoints).policy(match config.balance.unwrap_or_default() {
            Balance::PickFirst => Policy::PickFirst,
            Balance::RoundRobin => Policy::RoundRobin,
            Balance::LeastRequest => Policy::LeastRequest,
        });
    if let Some(wanted) = &config.tls {
        builder = builder.tls(tls(wanted)?);
    }
    if let Some(timeout) = config.connect_timeout {
        builder = builder.connect_timeout(timeout.0);
    }
    if let Some(timeout) = limits.default_timeout {
        builder = builder.default_timeout(timeout.0);
    }
    Ok(builder.build()?)
}

fn tls(config: &config::UpstreamTls) -> anyhow::Result<Tls> {
    let mut tls = Tls::new();
    if let Some(ca) = &config.ca {
        tls = tls.roots(pem(ca)?);
    }
    match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => tls = tls.identity(pem(cert)?, pem(key)?),
        (None, None) => {}
        _ => anyhow::bail!("a client certificate needs its key; give both cert and key"),
    }
    if let Some(name) = &config.server_name {
        tls = tls.server_name(name.clone());
    }
    if config.insecure {
        tls = tls.dangerously_skip_verification();
    }
    Ok(tls)
}

fn pem(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        let reason = files::reason(&error);
        anyhow::anyhow!("cannot read {}: {reason}", path.display())
    })
}

/// Sends each call to the upstream that has its service.
#[derive(Clone, Debug)]
pub(crate) struct ByService(Arc<Table>);

#[derive(Debug)]
struct Table {
    /// By full name.
    named: HashMap<String, Channel>,
    /// By package with its dot, the longer before the shorter.
    packages: Vec<(String, Channel)>,
    other: Option<Channel>,
}

impl ByService {
    /// A table of upstreams. What the configuration says of an upstream decides;
    /// `listed` says which services it names by reflection. The first that is
    /// given no service gets every call that is nobody's.
    pub(crate) fn new(upstreams: &[Upstream], listed: &HashMap<String, Vec<String>>) -> Self {
        let mut table = Table {
            named: HashMap::new(),
            packages: Vec::new(),
            other: None,
        };
        for upstream in upstreams {
            for service in &upstream.services {
                match service.strip_suffix('*') {
                    Some("") => table.other = Some(upstream.channel.clone()),
                    Some(package) => table
                        .packages
                        .push((package.to_owned(), upstream.channel.clone())),
                    None => {
                        table
                            .named
                            .insert(service.clone(), upstream.channel.clone());
                    }
                }
            }
        }
        for upstream in upstreams
            .iter()
            .filter(|upstream| upstream.services.is_empty())
        {
            for service in listed.get(&upstream.name).into_iter().flatten() {
                table
                    .named
                    .entry(service.clone())
                    .or_insert_with(|| upstream.channel.clone());
            }
            table.other.get_or_insert_with(|| upstream.channel.clone());
        }
        table
            .packages
            .sort_by_key(|(package, _)| std::cmp::Reverse(package.len()));
        Self(Arc::new(table))
    }

    fn find(&self, path: &str) -> Option<&Channel> {
        let service = path.strip_prefix('/')?.split('/').next()?;
        let table = &*self.0;
        let package = || {
            let mut packages = table.packages.iter();
            packages
                .find_map(|(package, channel)| service.starts_with(&**package).then_some(channel))
        };
        table
            .named
            .get(service)
            .or_else(package)
            .or(table.other.as_ref())
    }
}

impl Service<Request<Body>> for ByService {
    type Response = Response<Body>;
    type Error = Status;
    type Future =
        Either<<Channel as Service<Request<Body>>>::Future, Ready<Result<Response<Body>, Status>>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.find(request.uri().path()) {
            Some(channel) => Either::Left(channel.clone().call(request)),
            None => {
                let path = request.uri().path();
                let message = format!("no upstream has the service of {path}");
                Either::Right(ready(Err(Status::new(Code::Unimplemented, message))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(url: &str, services: &[&str]) -> Upstream {
        let mut config = config::Upstream::at(url.parse().unwrap());
        config.services = services.iter().map(ToString::to_string).collect();
        Upstream::open(&config, &config::Limits::default()).unwrap()
    }

    #[tokio::test]
    async fn what_is_said_of_an_upstream_comes_before_what_it_says() {
        let upstreams = [
            upstream("http://a:1", &[]),
            upstream("http://b:1", &["x.S", "y.*"]),
            upstream("http://c:1", &["y.v2.*"]),
        ];
        let listed = HashMap::from([(
            "http://a:1".to_owned(),
            vec!["x.S".to_owned(), "z.S".to_owned()],
        )]);
        let table = ByService::new(&upstreams, &listed);
        for (path, expected) in [
            ("/x.S/M", "http://b:1"),
            ("/y.S/M", "http://b:1"),
            ("/y.v2.S/M", "http://c:1"),
            ("/z.S/M", "http://a:1"),
            ("/other.S/M", "http://a:1"),
        ] {
            let channel = table.find(path).unwrap();
            assert_eq!(
                channel.endpoints().next().unwrap().to_string(),
                expected,
                "{path}"
            );
        }
        let table = ByService::new(&upstreams[1..], &HashMap::new());
        assert!(table.find("/other.S/M").is_none());
    }
}
