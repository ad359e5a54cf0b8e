//! From the configuration, and where that is silent from the environment that
//! OpenTelemetry knows, to telemetry.

use anyhow::Context;
use percent_encoding::percent_decode_str;
use portolan_telemetry::{Protocol, Sampler, Settings, Telemetry};

use crate::config::{self, Collector, Config, OtlpProtocol};
use crate::files;

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

/// The telemetry of a server; nothing when nobody names a collector.
pub(crate) fn of(config: &Config) -> anyhow::Result<Option<Telemetry>> {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let settings = settings(&config.telemetry, environment)?;
    let telemetry = settings.map(Telemetry::new).transpose();
    telemetry.context("cannot send telemetry")
}

/// What the two mean together (OpenTelemetry, "Environment Variable
/// Specification").
fn settings(
    config: &config::Telemetry,
    environment: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<Settings>> {
    let disabled = environment("OTEL_SDK_DISABLED");
    if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let said = |name: &str| environment(name).map(|value| (name.to_owned(), value));
    let endpoint = match &config.endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None => said("OTEL_EXPORTER_OTLP_ENDPOINT").map(parse).transpose()?,
    };
    let Some(Collector(endpoint)) = endpoint else {
        return Ok(None);
    };
    let mut settings = Settings::new(endpoint);
    env!("CARGO_PKG_VERSION").clone_into(&mut settings.service_version);
    let protocol = match config.protocol {
        Some(protocol) => Some(protocol),
        None => said("OTEL_EXPORTER_OTLP_PROTOCOL")
            .map(protocol)
            .transpose()?,
    };
    match protocol {
        Some(OtlpProtocol::Grpc) => settings.protocol = Protocol::Grpc,
        Some(OtlpProtocol::Http) => settings.protocol = Protocol::Http,
        None => {}
    }
    settings.headers = config.headers.clone();
    if let Some((variable, list)) = said("OTEL_EXPORTER_OTLP_HEADERS") {
        for (name, value) in pairs(&variable, &list)? {
            let (name, value) = config::header(&name, &value)
                .with_context(|| format!("{variable} has a header that is none"))?;
            settings.headers.entry(name).or_insert(value);
        }
    }
    let name = config.service_name.clone();
    if let Some(name) = name.or_else(|| environment("OTEL_SERVICE_NAME")) {
        settings.service_name = name;
    }
    settings.attributes = config.attributes.clone().into_iter().collect();
    if let Some((variable, list)) = said("OTEL_RESOURCE_ATTRIBUTES") {
        for (key, value) in pairs(&variable, &list)? {
            // The service has a variable of its own, and the file comes first.
            if key != "service.name" && !config.attributes.contains_key(&key) {
                settings.attributes.push((key, value));
            }
        }
    }
    settings.sampler = sampler(config, &environment)?;
    settings.traces = config.traces.unwrap_or(true);
    settings.metrics = config.metrics.unwrap_or(true);
    if let Some(time) = config.metrics_interval {
        settings.metrics_interval = time.0;
    }
    if let Some(time) = config.timeout {
        settings.timeout = time.0;
    }
    if let Some(spans) = config.max_queue {
        settings.queue = usize::try_from(spans).unwrap_or(usize::MAX);
    }
    if let Some(ca) = &config.ca {
        settings.tls = settings.tls.roots(files::read("CA certificates", ca)?);
    }
    match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => {
            let cert = files::read("certificate", cert)?;
            settings.tls = settings.tls.identity(cert, files::read("key", key)?);
        }
        (None, None) => {}
        _ => anyhow::bail!(
            "the certificate that is shown to the collector needs its key; give both cert and key"
        ),
    }
    Ok(Some(settings))
}

fn sampler(
    config: &config::Telemetry,
    environment: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Sampler> {
    let (mut ratio, mut ignores) = (1.0, false);
    if let Some(name) = environment(SAMPLER) {
        let (heeding, kind) = match name.strip_prefix("parentbased_") {
            Some(kind) => (true, kind),
            None => (false, name.as_str()),
        };
        ignores = !heeding;
        ratio = match kind {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => match environment(SAMPLER_ARG) {
                None => 1.0,
                Some(text) => text.parse().ok().with_context(|| {
                    format!("{SAMPLER_ARG}: `{text}` is no share; set one from 0 to 1, such as 0.1")
                })?,
            },
            _ => anyhow::bail!(
                "{SAMPLER}: `{name}` is not known; set always_on, always_off or traceidratio, \
                 with parentbased_ before it to heed callers"
            ),
        };
    }
    let ratio = config.trace_ratio.unwrap_or(ratio);
    let sampler = Sampler::ratio(ratio).with_context(|| {
        format!("{SAMPLER_ARG}: {ratio} is no share; set one from 0 to 1, such as 0.1")
    })?;
    Ok(if config.ignore_parents.unwrap_or(ignores) {
        sampler.ignoring_parents()
    } else {
        sampler
    })
}

fn parse((variable, value): (String, String)) -> anyhow::Result<Collector> {
    value
        .parse()
        .map_err(|reason| anyhow::anyhow!("{variable}: {reason}"))
}

fn protocol((variable, value): (String, String)) -> anyhow::Result<OtlpProtocol> {
    match value.as_str() {
        "grpc" => Ok(OtlpProtocol::Grpc),
        "http/protobuf" => Ok(OtlpProtocol::Http),
        other => anyhow::bail!("{variable}: `{other}` is not spoken; set grpc or http/protobuf"),
    }
}

/// `a=1,b=2`, with values in percent-encoding (W3C Baggage). What is wrong is not
/// repeated: it may be a secret.
fn pairs(variable: &str, list: &str) -> anyhow::Result<Vec<(String, String)>> {
    let items = list
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let pair = |item: &str| {
        let (key, value) = item.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned()))
    };
    let pairs: Option<Vec<_>> = items.map(pair).collect();
    pairs.with_context(|| format!("{variable} is no list; write a=1,b=2"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of_environment(pairs: &[(&str, &str)]) -> anyhow::Result<Option<Settings>> {
        of_both(&config::Telemetry::default(), pairs)
    }

    fn of_both(
        config: &config::Telemetry,
        pairs: &[(&str, &str)],
    ) -> anyhow::Result<Option<Settings>> {
        let pairs: BTreeMap<_, _> = pairs.iter().copied().collect();
        let said = |name: &str| pairs.get(name).filter(|value| !value.is_empty());
        settings(config, |name| said(name).map(ToString::to_string))
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318");

    #[test]
    fn the_environment_is_enough() {
        assert!(of_environment(&[]).unwrap().is_none());
        let disabled = [ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")];
        assert!(of_environment(&disabled).unwrap().is_none());
        let settings = of_environment(&[
            ENDPOINT,
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20x, b=2",
            ),
            ("OTEL_SERVICE_NAME", "orders"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,a=b"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.protocol, Protocol::Http);
        assert_eq!(settings.headers["authorization"], "Bearer x");
        assert_eq!(settings.service_name, "orders");
        assert_eq!(settings.attributes, [("a".to_owned(), "b".to_owned())]);
        assert!(!format!("{settings:?}").contains("Bearer"));
    }

    #[test]
    fn the_sampler_is_what_either_says() {
        let all = Sampler::all();
        let share = |ratio| Sampler::ratio(ratio).unwrap();
        let ratio = |ratio| config::Telemetry {
            trace_ratio: Some(ratio),
            ..config::Telemetry::default()
        };
        let silent = config::Telemetry::default();
        for (config, name, argument, expected) in [
            (&silent, "", "", all),
            (&silent, "parentbased_always_on", "", all),
            (&silent, "always_on", "", all.ignoring_parents()),
            (&silent, "always_off", "", share(0.0).ignoring_parents()),
            (&silent, "parentbased_traceidratio", "0.25", share(0.25)),
            (
                &silent,
                "traceidratio",
                "0.25",
                share(0.25).ignoring_parents(),
            ),
            (&silent, "", "0.25", all),
            (&ratio(0.5), "parentbased_traceidratio", "0.25", share(0.5)),
        ] {
            let settings = of_both(
                config,
                &[ENDPOINT, (SAMPLER, name), (SAMPLER_ARG, argument)],
            );
            let settings = settings.unwrap().unwrap();
            assert_eq!(settings.sampler, expected, "{name} {argument}");
        }
        for (name, argument) in [
            ("jaeger_remote", ""),
            ("traceidratio", "x"),
            ("traceidratio", "1.5"),
            ("traceidratio", "NaN"),
        ] {
            let pairs = [ENDPOINT, (SAMPLER, name), (SAMPLER_ARG, argument)];
            let error = of_environment(&pairs).unwrap_err().to_string();
            assert!(error.starts_with(SAMPLER), "{error}");
        }
    }

    #[test]
    fn the_configuration_comes_first() {
        let config = config::Telemetry {
            endpoint: Some("http://b:4317".parse().unwrap()),
            protocol: Some(OtlpProtocol::Grpc),
            service_name: Some("mine".to_owned()),
            attributes: BTreeMap::from([("a".to_owned(), "c".to_owned())]),
            ..config::Telemetry::default()
        };
        let settings = of_both(
            &config,
            &[
                ENDPOINT,
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
                ("OTEL_SERVICE_NAME", "orders"),
                ("OTEL_RESOURCE_ATTRIBUTES", "a=b"),
            ],
        );
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.endpoint, "http://b:4317");
        assert_eq!(settings.protocol, Protocol::Grpc);
        assert_eq!(settings.service_name, "mine");
        assert_eq!(settings.attributes, [("a".to_owned(), "c".to_owned())]);
    }

    #[test]
    fn what_the_environment_has_wrong_is_told_without_secrets() {
        for (variable, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "a:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%00"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff"),
        ] {
            let error = of_environment(&[ENDPOINT, (variable, value)]).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with(variable), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
