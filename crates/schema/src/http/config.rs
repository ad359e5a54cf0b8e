//! HTTP rules that are written beside a contract and not in it: the `http` part
//! of a service configuration, the YAML form of `google.api.Service`
//! (googleapis, `google/api/http.proto`, "Using gRPC API Service Configuration").

use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Place, RuleError};
use crate::descriptor::{CustomHttpPattern, HttpPattern, HttpRule as RawRule};

/// The rules of a service configuration, read but not yet held against a
/// contract; see [`Schema::with_service_config`](crate::Schema::with_service_config).
///
/// ```
/// use portolan_schema::http::ServiceConfig;
///
/// let config = ServiceConfig::parse(
///     "rules.yaml",
///     "http:\n  rules:\n  - selector: users.v1.Users.Get\n    get: /v1/users/{id}\n",
/// )?;
/// assert_eq!(config.len(), 1);
/// # Ok::<(), portolan_schema::http::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    pub(crate) rules: Vec<ConfigRule>,
    pub(crate) fully_decode_reserved_expansion: Option<bool>,
}

/// A rule with its selector, and with its bindings, the main one first.
#[derive(Clone, Debug)]
pub(crate) struct ConfigRule {
    pub(crate) selector: String,
    pub(crate) place: Place,
    pub(crate) bindings: Vec<(Result<RawRule, RuleError>, Place)>,
}

/// Why a file is no service configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    /// The file, and the line and column where it went wrong.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
}

impl ServiceConfig {
    /// Reads YAML, or JSON, which is YAML. `file` is its name, for errors.
    /// What a service configuration has besides `http` is passed over; what
    /// `http` and its rules cannot have is not. Whether paths and fields are
    /// right is seen when the rules are put into a contract.
    ///
    /// # Errors
    /// When the text is not YAML, has no `http`, or has there what is no rule.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let file = Arc::from(file);
        let error = |error: &serde_saphyr::Error| ConfigError {
            place: error
                .location()
                .map_or_else(|| Place::new(&file, None), |at| place(&file, at)),
            problem: sentence(error),
        };
        let parsed: Option<File> = serde_saphyr::from_str(text).map_err(|e| error(&e))?;
        let Some(http) = parsed.and_then(|file| file.http) else {
            return Err(ConfigError {
                place: Place::new(&file, None),
                problem: "there is no `http` with `rules` in it".to_owned(),
            });
        };
        let rules = http.rules.unwrap_or_default().into_iter();
        Ok(Self {
            rules: rules.map(|rule| ConfigRule::of(&file, rule)).collect(),
            fully_decode_reserved_expansion: http.fully_decode_reserved_expansion,
        })
    }

    /// How many rules there are, additional bindings not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// What is wrong, without the place and the lines around it.
fn sentence(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.lines().next().unwrap_or_default();
    // The place stands in front already.
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

fn place(file: &Arc<str>, location: serde_saphyr::Location) -> Place {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let at = (number(location.line()), number(location.column()));
    Place::new(file, (at.0 > 0).then_some(at))
}

/// `google.api.Service`, as far as it matters here.
#[derive(Deserialize)]
struct File {
    http: Option<Http>,
}

/// `google.api.Http`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    rules: Option<Vec<Spanned<Rule>>>,
    #[serde(alias = "fullyDecodeReservedExpansion")]
    fully_decode_reserved_expansion: Option<bool>,
}

/// `google.api.HttpRule`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    selector: Option<String>,
    get: Option<String>,
    put: Option<String>,
    post: Option<String>,
    delete: Option<String>,
    patch: Option<String>,
    custom: Option<Custom>,
    body: Option<String>,
    #[serde(alias = "responseBody")]
    response_body: Option<String>,
    #[serde(alias = "additionalBindings")]
    additional_bindings: Option<Vec<Spanned<Rule>>>,
}

/// `google.api.CustomHttpPattern`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Custom {
    kind: String,
    path: String,
}

impl ConfigRule {
    fn of(file: &Arc<str>, rule: Spanned<Rule>) -> Self {
        let place = place(file, rule.referenced);
        let mut rule = rule.value;
        let additional = rule.additional_bindings.take().unwrap_or_default();
        let selector = rule.selector.take().unwrap_or_default();
        let mut bindings = vec![(rule.raw(), place.clone())];
        for binding in additional {
            let place = self::place(file, binding.referenced);
            let raw = match &binding.value.additional_bindings {
                Some(_) => Err(RuleError::Nested),
                None => binding.value.raw(),
            };
            bindings.push((raw, place));
        }
        Self {
            selector,
            place,
            bindings,
        }
    }
}

impl Rule {
    /// The rule as it would be in a descriptor, without its bindings.
    fn raw(self) -> Result<RawRule, RuleError> {
        let patterns = [
            ("get", self.get.map(HttpPattern::Get)),
            ("put", self.put.map(HttpPattern::Put)),
            ("post", self.post.map(HttpPattern::Post)),
            ("delete", self.delete.map(HttpPattern::Delete)),
            ("patch", self.patch.map(HttpPattern::Patch)),
            (
                "custom",
                self.custom.map(|Custom { kind, path }| {
                    HttpPattern::Custom(CustomHttpPattern { kind, path })
                }),
            ),
        ];
        let mut set = patterns
            .into_iter()
            .filter_map(|(key, pattern)| Some((key, pattern?)));
        let first = set.next();
        if let (Some((first, _)), Some((second, _))) = (&first, set.next()) {
            return Err(RuleError::TwoPatterns { first, second });
        }
        Ok(RawRule {
            pattern: first.map(|(_, pattern)| pattern),
            body: self.body.unwrap_or_default(),
            response_body: self.response_body.unwrap_or_default(),
            additional_bindings: Vec::new(),
        })
    }
}
