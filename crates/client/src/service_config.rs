//! gRPC's service config (gRPC, "Service Config in gRPC"; A6, "gRPC Retry
//! Design"): per method how long a call may take, whether it waits for a server,
//! and whether and how it is tried again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use portolan_rpc::Code;
use serde::Deserialize;

use crate::Policy;

/// What a service config says.
///
/// ```
/// use portolan_client::ServiceConfig;
///
/// let config = ServiceConfig::from_json(
///     r#"{
///         "methodConfig": [{
///             "name": [{"service": "shop.v1.Shop"}],
///             "timeout": "2s",
///             "retryPolicy": {
///                 "maxAttempts": 3,
///                 "initialBackoff": "0.05s",
///                 "maxBackoff": "1s",
///                 "backoffMultiplier": 2,
///                 "retryableStatusCodes": ["UNAVAILABLE"]
///             }
///         }],
///         "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
///     }"#,
/// )?;
/// # Ok::<(), portolan_client::InvalidServiceConfig>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServiceConfig {
    /// By `/service/method`, by `/service/`, and for all others by nothing.
    methods: HashMap<Box<str>, Arc<MethodConfig>>,
    pub(crate) throttling: Option<Throttling>,
    pub(crate) policy: Option<Policy>,
    pub(crate) health_service: Option<String>,
}

/// What holds for a method.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MethodConfig {
    pub(crate) timeout: Option<Duration>,
    pub(crate) wait_for_ready: Option<bool>,
    pub(crate) retry: Option<RetryPolicy>,
}

/// When and how often a call is tried again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RetryPolicy {
    pub(crate) max_attempts: u32,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) multiplier: f64,
    codes: Vec<Code>,
}

/// How many retries there may be beside calls that go well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Throttling {
    pub(crate) max_tokens: f64,
    pub(crate) ratio: f64,
}

/// Why a service config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidServiceConfig {
    /// It is no JSON, or not of the right shape.
    #[error("the service config cannot be read: {0}")]
    Shape(#[from] serde_json::Error),
    /// A value cannot be.
    #[error("the service config has {place}: {problem}")]
    Value {
        /// Where.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

impl ServiceConfig {
    /// How it wants calls to be spread, if it says so.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        self.policy
    }

    /// Reads a service config.
    ///
    /// # Errors
    /// When it is no JSON, or a value is none that gRPC allows.
    pub fn from_json(text: &str) -> Result<Self, InvalidServiceConfig> {
        let written: Written = serde_json::from_str(text)?;
        let mut config = Self {
            policy: written.policy(),
            ..Self::default()
        };
        for (at, method) in written.method_config.into_iter().enumerate() {
            let place = format!("methodConfig[{at}]");
            let names = method.name.clone();
            let settled = Arc::new(method.settle(&place)?);
            for name in names {
                let key = name.key().map_err(|problem| invalid(&place, problem))?;
                if config.methods.contains_key(key.as_str()) {
                    let problem = format!("the name `{key}` comes a second time");
                    return Err(invalid(&place, problem));
                }
                config.methods.insert(key.into(), Arc::clone(&settled));
            }
        }
        config.throttling = written
            .retry_throttling
            .map(WrittenThrottling::settle)
            .transpose()?;
        config.health_service = written
            .health_check_config
            .map(|health| health.service_name);
        Ok(config)
    }

    /// What holds for the method with this path.
    pub(crate) fn method(&self, path: &str) -> Option<&Arc<MethodConfig>> {
        if self.methods.is_empty() {
            return None;
        }
        let service = path.rfind('/').map_or("", |at| &path[..=at]);
        self.methods
            .get(path)
            .or_else(|| self.methods.get(service))
            .or_else(|| self.methods.get(""))
    }
}

impl RetryPolicy {
    pub(crate) fn retries(&self, code: Code) -> bool {
        self.codes.contains(&code)
    }

    /// The pause before a retry, the first of which is number one; `chance` is
    /// in 0 to 1 (A6, "Exponential Backoff").
    pub(crate) fn pause(&self, retry: u32, chance: f64) -> Duration {
        let power = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_backoff.as_secs_f64() * self.multiplier.powi(power);
        let bounded = grown.min(self.max_backoff.as_secs_f64());
        Duration::try_from_secs_f64(bounded * chance).unwrap_or(self.max_backoff)
    }
}

/// The most attempts that gRPC makes, whatever is asked for.
const MOST_ATTEMPTS: u32 = 5;

/// The JSON. What it has beyond this is for others.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    method_config: Vec<WrittenMethod>,
    retry_throttling: Option<WrittenThrottling>,
    load_balancing_policy: Option<String>,
    load_balancing_config: Vec<HashMap<String, serde_json::Value>>,
    health_check_config: Option<WrittenHealth>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WrittenMethod {
    name: Vec<WrittenName>,
    timeout: Option<String>,
    wait_for_ready: Option<bool>,
    retry_policy: Option<WrittenRetry>,
}

#[derive(Clone, Deserialize, Default)]
#[serde(default)]
struct WrittenName {
    service: String,
    method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRetry {
    max_attempts: f64,
    initial_backoff: String,
    max_backoff: String,
    backoff_multiplier: f64,
    retryable_status_codes: Vec<WrittenCode>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenCode {
    Number(i32),
    Name(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenThrottling {
    max_tokens: f64,
    token_ratio: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenHealth {
    #[serde(default)]
    service_name: String,
}

impl Written {
    /// The first policy of the list that we have, or the older form's.
    fn policy(&self) -> Option<Policy> {
        let known = |name: &str| match name.to_ascii_lowercase().as_str() {
            "pick_first" => Some(Policy::PickFirst),
            "round_robin" => Some(Policy::RoundRobin),
            "least_request" | "least_request_experimental" => Some(Policy::LeastRequest),
            _ => None,
        };
        let list = self.load_balancing_config.iter().flat_map(HashMap::keys);
        list.map(String::as_str)
            .chain(self.load_balancing_policy.as_deref())
            .find_map(known)
    }
}

impl WrittenName {
    fn key(&self) -> Result<String, &'static str> {
        match (self.service.as_str(), self.method.as_str()) {
            ("", "") => Ok(String::new()),
            ("", _) => Err("a name has a method and no service"),
            (service, method) => Ok(format!("/{service}/{method}")),
        }
    }
}

impl WrittenMethod {
    fn settle(self, place: &str) -> Result<MethodConfig, InvalidServiceConfig> {
        let timeout = self
            .timeout
            .as_deref()
            .map(|text| duration(text).ok_or(text));
        let timeout = timeout.transpose().map_err(|text| {
            invalid(
                place,
                format!("the timeout `{text}` is no duration such as `1.5s`"),
            )
        })?;
        Ok(MethodConfig {
            timeout,
            wait_for_ready: self.wait_for_ready,
            retry: self
                .retry_policy
                .map(|retry| retry.settle(place))
                .transpose()?,
        })
    }
}

impl WrittenRetry {
    fn settle(self, place: &str) -> Result<RetryPolicy, InvalidServiceConfig> {
        let place = format!("{place}.retryPolicy");
        let pause = |name: &str, text: &str| {
            duration(text)
                .filter(|pause| !pause.is_zero())
                .ok_or_else(|| {
                    let problem =
                        format!("{name} `{text}` is no duration above zero such as `0.1s`");
                    invalid(&place, problem)
                })
        };
        let initial_backoff = pause("initialBackoff", &self.initial_backoff)?;
        let max_backoff = pause("maxBackoff", &self.max_backoff)?;
        if self.max_attempts < 2.0 || self.max_attempts.fract() != 0.0 {
            return Err(invalid(&place, "maxAttempts is no whole number above one"));
        }
        if !(self.backoff_multiplier > 0.0 && self.backoff_multiplier.is_finite()) {
            return Err(invalid(&place, "backoffMultiplier is not above zero"));
        }
        let mut codes = Vec::new();
        for code in &self.retryable_status_codes {
            let known = code.settle().filter(|code| *code != Code::Ok);
            codes.push(known.ok_or_else(|| {
                let problem = format!("`{code}` is no status code that a call can fail with");
                invalid(&place, problem)
            })?);
        }
        if codes.is_empty() {
            return Err(invalid(&place, "retryableStatusCodes is empty"));
        }
        Ok(RetryPolicy {
            max_attempts: (self.max_attempts as u32).min(MOST_ATTEMPTS),
            initial_backoff,
            max_backoff,
            multiplier: self.backoff_multiplier,
            codes,
        })
    }
}

impl WrittenCode {
    fn settle(&self) -> Option<Code> {
        (0..=16).map(Code::from_number).find(|code| match self {
            Self::Number(number) => *number == *code as i32,
            Self::Name(name) => name.eq_ignore_ascii_case(code.name()),
        })
    }
}

impl std::fmt::Display for WrittenCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Name(name) => name.fmt(formatter),
        }
    }
}

impl WrittenThrottling {
    fn settle(self) -> Result<Throttling, InvalidServiceConfig> {
        if !(self.max_tokens > 0.0 && self.max_tokens <= 1000.0) {
            let problem = "maxTokens is not above 0 and up to 1000";
            return Err(invalid("retryThrottling", problem));
        }
        if self.token_ratio.is_nan() || self.token_ratio <= 0.0 {
            return Err(invalid("retryThrottling", "tokenRatio is not above zero"));
        }
        Ok(Throttling {
            max_tokens: self.max_tokens,
            // Three digits count (A6, "Throttling Retry Attempts").
            ratio: (self.token_ratio * 1000.0).floor() / 1000.0,
        })
    }
}

/// A duration as JSON has it: seconds with up to nine digits, and an `s`.
fn duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let plain = !number.is_empty()
        && number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = plain.then(|| number.parse().ok()).flatten()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn invalid(place: &str, problem: impl Into<String>) -> InvalidServiceConfig {
    InvalidServiceConfig::Value {
        place: place.to_owned(),
        problem: problem.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: &str = r#"{"maxAttempts": 9, "initialBackoff": "0.1s", "maxBackoff": "0.3s",
        "backoffMultiplier": 2, "retryableStatusCodes": ["unavailable", 10]}"#;

    #[test]
    fn the_closest_name_holds() {
        let text = r#"{"methodConfig": [
            {"name": [{"service": "a.A", "method": "M"}], "timeout": "1s"},
            {"name": [{"service": "a.A"}], "timeout": "2.5s", "waitForReady": true},
            {"name": [{}], "timeout": "3s"}
        ], "somethingElse": 1}"#;
        let config = ServiceConfig::from_json(text).unwrap();
        for (path, millis, waits) in [
            ("/a.A/M", 1000, None),
            ("/a.A/N", 2500, Some(true)),
            ("/b.A/M", 3000, None),
        ] {
            let method = config.method(path).unwrap();
            assert_eq!(method.timeout, Some(Duration::from_millis(millis)));
            assert_eq!(method.wait_for_ready, waits);
        }
        assert!(ServiceConfig::default().method("/a.A/M").is_none());
    }

    #[test]
    fn a_retry_policy_is_read() {
        let text = format!(
            r#"{{"methodConfig": [{{"name": [{{}}], "retryPolicy": {RETRY}}}],
                "retryThrottling": {{"maxTokens": 10, "tokenRatio": 0.12345}},
                "loadBalancingConfig": [{{"grpclb": {{}}}}, {{"round_robin": {{}}}}],
                "healthCheckConfig": {{"serviceName": "a.A"}}}}"#
        );
        let config = ServiceConfig::from_json(&text).unwrap();
        let retry = config.method("/x/y").unwrap().retry.as_ref().unwrap();
        assert_eq!(retry.max_attempts, 5, "gRPC makes no more");
        assert!(retry.retries(Code::Unavailable) && retry.retries(Code::Aborted));
        assert!(!retry.retries(Code::Internal));
        for (number, millis) in [(1, 100), (2, 200), (3, 300), (u32::MAX, 300)] {
            assert_eq!(retry.pause(number, 1.0), Duration::from_millis(millis));
            assert_eq!(retry.pause(number, 0.0), Duration::ZERO);
        }
        assert_eq!(config.throttling.unwrap().ratio, 0.123);
        assert_eq!(config.policy, Some(Policy::RoundRobin));
        assert_eq!(config.health_service.as_deref(), Some("a.A"));
    }

    #[test]
    fn what_cannot_be_says_where() {
        let retry = |from: &str, to: &str| {
            let retry = RETRY.replacen(from, to, 1);
            format!(r#"{{"methodConfig": [{{"name": [{{}}], "retryPolicy": {retry}}}]}}"#)
        };
        for (text, error) in [
            ("1".to_owned(), "cannot be read"),
            (retry("9", "1"), "methodConfig[0].retryPolicy: maxAttempts"),
            (retry("9", "2.5"), "maxAttempts"),
            (retry("0.1s", "0s"), "initialBackoff `0s`"),
            (retry("0.3s", "-1s"), "maxBackoff `-1s`"),
            (retry(": 2", ": 0"), "backoffMultiplier"),
            (retry("unavailable", "OK"), "`OK` is no status code"),
            (retry("10", "99"), "`99` is no status code"),
            (retry("\"unavailable\", 10", ""), "is empty"),
            (
                r#"{"methodConfig": [{"name": [{"method": "M"}]}]}"#.to_owned(),
                "no service",
            ),
            (
                r#"{"methodConfig": [{"name": [{}]}, {"name": [{}]}]}"#.to_owned(),
                "methodConfig[1]: the name `` comes a second time",
            ),
            (
                r#"{"methodConfig": [{"name": [{}], "timeout": "1"}]}"#.to_owned(),
                "the timeout `1`",
            ),
            (
                r#"{"retryThrottling": {"maxTokens": 0, "tokenRatio": 1}}"#.to_owned(),
                "maxTokens",
            ),
        ] {
            let told = ServiceConfig::from_json(&text).unwrap_err().to_string();
            assert!(told.contains(error), "{told}");
        }
    }
}
