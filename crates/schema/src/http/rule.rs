//! One binding of a method to an HTTP method and path.

use super::{Place, RuleError, Template};
use crate::descriptor::{HttpPattern, HttpRule as RawRule};

/// Which part of a request message the HTTP body carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// None: what the path does not bind comes from the query.
    None,
    /// The whole message (`body: "*"`).
    Whole,
    /// One field; the rest comes from path and query.
    Field(Box<str>),
}

/// Who made a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The option `google.api.http` in the contract.
    Annotation,
    /// A [`ServiceConfig`](super::ServiceConfig).
    Configuration,
}

/// An HTTP method and path that reach an RPC.
#[derive(Clone, Debug)]
pub struct HttpRule {
    pub(crate) place: Place,
    pub(crate) origin: Origin,
    pub(crate) verb: Box<str>,
    pub(crate) template: Template,
    pub(crate) body: Body,
    pub(crate) response_body: Option<Box<str>>,
}

impl HttpRule {
    /// The HTTP method, in upper case; `*` stands for any.
    #[must_use]
    pub fn http_method(&self) -> &str {
        &self.verb
    }

    /// The path template.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// What the HTTP body carries.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The field of the reply that becomes the HTTP body; the whole reply when absent.
    #[must_use]
    pub fn response_body(&self) -> Option<&str> {
        self.response_body.as_deref()
    }

    /// Where it is written.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Who made it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Reads one binding; those in `additional_bindings` are bindings of their
    /// own.
    pub(crate) fn read(raw: &RawRule, place: Place, origin: Origin) -> Result<Self, RuleError> {
        let (verb, path) = match &raw.pattern {
            Some(HttpPattern::Get(path)) => ("GET", path),
            Some(HttpPattern::Put(path)) => ("PUT", path),
            Some(HttpPattern::Post(path)) => ("POST", path),
            Some(HttpPattern::Delete(path)) => ("DELETE", path),
            Some(HttpPattern::Patch(path)) => ("PATCH", path),
            Some(HttpPattern::Custom(custom)) => (custom.kind.as_str(), &custom.path),
            None => return Err(RuleError::NoPattern),
        };
        if !is_http_method(verb) {
            return Err(RuleError::Method(verb.to_owned()));
        }
        Ok(Self {
            place,
            origin,
            verb: verb.into(),
            template: Template::parse(path)?,
            body: match raw.body.as_str() {
                "" => Body::None,
                "*" => Body::Whole,
                field => Body::Field(field.into()),
            },
            response_body: (!raw.response_body.is_empty())
                .then(|| raw.response_body.as_str().into()),
        })
    }
}

/// Whether this is `*` or a method token in upper case (RFC 9110 §9.1).
fn is_http_method(verb: &str) -> bool {
    verb == "*"
        || (!verb.is_empty()
            && verb
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'-'))
}
