//! The upstreams: a channel to each, and which of them has a service.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use portolan_client::{
    CallLimit, Channel, Endpoint, OutlierDetection, Policy, ServiceConfig, Tls, Upstreams,
};

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
    pub(crate) fn open(config: &config::Upstream) -> anyhow::Result<Self> {
        let name = config.url.0.clone();
        let channel = channel(config).with_context(|| format!("cannot use the upstream {name}"))?;
        Ok(Self {
            name,
            services: config.services.clone(),
            channel,
        })
    }
}

fn channel(config: &config::Upstream) -> anyhow::Result<Channel> {
    let endpoints = std::iter::once(&config.url).chain(&config.and);
    let endpoints = endpoints
        .map(|url| {
            let endpoint: Endpoint = url.0.parse()?;
            let tls = endpoint.is_tls() || config.tls.is_some();
            Ok(endpoint.with_tls(tls))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let service_config = config.service_config.as_deref().map(read_service_config);
    let service_config = service_config.transpose()?;
    let policy = policy(config.balance, service_config.as_ref());
    let mut builder = Channel::builder(endpoints).policy(policy);
    if let Some(wanted) = &config.tls {
        builder = builder.tls(tls(wanted)?);
    }
    if let Some(timeout) = config.connect_timeout {
        builder = builder.connect_timeout(timeout.0);
    }
    if let Some(service) = &config.health_check {
        builder = builder.health_check(service.clone());
    }
    if let Some(outliers) = &config.outliers {
        builder = builder.outlier_detection(OutlierDetection {
            consecutive_failures: outliers.consecutive_failures,
            base_ejection: outliers.ejection_time.0,
            max_ejected_percent: outliers.max_ejection_percent.into(),
            ..OutlierDetection::default()
        });
    }
    if let Some(calls) = config.max_concurrency {
        let queued = config.max_queue.unwrap_or(0);
        builder = builder.call_limit(CallLimit { calls, queued });
    }
    if let Some(config) = service_config {
        builder = builder.service_config(config);
    }
    Ok(builder.build()?)
}

fn read_service_config(path: &Path) -> anyhow::Result<ServiceConfig> {
    let text = files::read_text("service config", path)?;
    ServiceConfig::from_json(&text).with_context(|| format!("cannot use {}", path.display()))
}

/// What the configuration says, else what the service config says.
fn policy(balance: Option<Balance>, service_config: Option<&ServiceConfig>) -> Policy {
    let said = service_config.and_then(ServiceConfig::policy);
    match (balance, said) {
        (None, Some(policy)) => policy,
        (balance, _) => match balance.unwrap_or_default() {
            Balance::PickFirst => Policy::PickFirst,
            Balance::RoundRobin => Policy::RoundRobin,
            Balance::LeastRequest => Policy::LeastRequest,
        },
    }
}

fn tls(config: &config::UpstreamTls) -> anyhow::Result<Tls> {
    let mut tls = Tls::new();
    if let Some(ca) = &config.ca {
        tls = tls.roots(files::read("certificates", ca)?);
    }
    match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => {
            let cert = files::read("certificate", cert)?;
            tls = tls.identity(cert, files::read("key", key)?);
        }
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

/// Which upstream has a service. What the configuration says of an upstream
/// decides; else those that name it by reflection, the first of them; else the
/// first that is given no service has all that is nobody's.
pub(crate) struct Directory<'a>(HashMap<&'a str, &'a Upstream>);

impl<'a> Directory<'a> {
    /// `listed` has what upstreams named by reflection, the first before the
    /// last.
    pub(crate) fn new(upstreams: &'a [Upstream], listed: &'a [(String, Vec<String>)]) -> Self {
        let unsaid = || upstreams.iter().filter(|one| one.services.is_empty());
        let mut said = HashMap::new();
        for upstream in upstreams {
            for service in &upstream.services {
                let name = service.trim_end_matches('*').trim_end_matches('.');
                said.insert(name, upstream);
            }
        }
        let mut directory = Self(said);
        let mut named = HashMap::new();
        for (name, services) in listed {
            if let Some(upstream) = unsaid().find(|one| one.name == *name) {
                for service in services {
                    if directory.owner(service).is_none() {
                        named.entry(service.as_str()).or_insert(upstream);
                    }
                }
            }
        }
        directory.0.extend(named);
        if let Some(first) = unsaid().next() {
            directory.0.entry("").or_insert(first);
        }
        directory
    }

    /// The name of the upstream that has a service.
    pub(crate) fn owner(&self, service: &str) -> Option<&str> {
        let mut name = service;
        loop {
            if let Some(upstream) = self.0.get(name) {
                return Some(&upstream.name);
            }
            if name.is_empty() {
                return None;
            }
            name = name.rfind('.').map_or("", |at| &name[..at]);
        }
    }

    /// The way of each call.
    pub(crate) fn channels(&self) -> Upstreams {
        let routes = self.0.iter();
        routes.fold(Upstreams::new(), |table, (service, upstream)| {
            table.route(service, upstream.channel.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(url: &str, services: &[&str]) -> Upstream {
        let mut config = config::Upstream::at(url.parse().unwrap());
        config.services = services.iter().map(ToString::to_string).collect();
        Upstream::open(&config).unwrap()
    }

    #[test]
    fn a_service_config_spreads_calls_unless_the_configuration_does() {
        let config = r#"{"loadBalancingConfig": [{"pick_first": {}}]}"#;
        let config = ServiceConfig::from_json(config).unwrap();
        let silent = ServiceConfig::from_json("{}").unwrap();
        for (balance, config, expected) in [
            (None, None, Policy::RoundRobin),
            (None, Some(&silent), Policy::RoundRobin),
            (None, Some(&config), Policy::PickFirst),
            (
                Some(Balance::LeastRequest),
                Some(&config),
                Policy::LeastRequest,
            ),
        ] {
            assert_eq!(policy(balance, config), expected);
        }
    }

    #[tokio::test]
    async fn what_is_said_of_an_upstream_comes_before_what_it_says() {
        let upstreams = [
            upstream("http://a:1", &[]),
            upstream("http://b:1", &["x.S", "y.*"]),
            upstream("http://c:1", &["y.v2.*"]),
            upstream("http://d:1", &[]),
        ];
        let listed = |name: &str, services: &[&str]| {
            let services = services.iter().map(ToString::to_string);
            (name.to_owned(), services.collect())
        };
        let listed = [
            listed("http://a:1", &["x.S", "y.S", "z.S"]),
            listed("http://d:1", &["w.S", "z.S"]),
            listed("http://c:1", &["v.S"]),
        ];
        let directory = Directory::new(&upstreams, &listed);
        let routes = directory.channels();
        for (service, expected) in [
            ("x.S", "http://b:1"),
            ("y.S", "http://b:1"),
            ("y.v2.S", "http://c:1"),
            ("z.S", "http://a:1"),
            ("w.S", "http://d:1"),
            ("v.S", "http://a:1"),
            ("other.S", "http://a:1"),
        ] {
            let channel = routes.server(service).unwrap();
            let endpoint = channel.endpoints().next().unwrap().to_string();
            assert_eq!(endpoint, expected, "{service}");
            assert_eq!(directory.owner(service), Some(expected), "{service}");
        }
        let directory = Directory::new(&upstreams[1..3], &[]);
        assert!(directory.channels().server("other.S").is_none());
        assert_eq!(directory.owner("other.S"), None);
    }
}
