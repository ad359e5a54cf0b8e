//! The section of the file about who may call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use portolan_server::auth::{Access, Claims, KeySource, PUBLIC};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{Time, ranges};

/// Who may call. With tokens, a secret or keys every call needs a bearer token
/// that one of them knows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    /// A file with static tokens: on each line a token, a name, and scopes.
    pub(crate) tokens: Option<PathBuf>,
    /// A file with the secret that JSON Web Tokens are signed with, by HS256.
    pub(crate) jwt_secret_file: Option<PathBuf>,
    /// A file or a URL with the public keys of JSON Web Tokens, as a JSON Web
    /// Key Set.
    pub(crate) jwks: Option<Keys>,
    /// The only issuer whose JSON Web Tokens are taken.
    pub(crate) issuer: Option<String>,
    /// For whom JSON Web Tokens have to be: one of these.
    pub(crate) audience: Vec<String>,
    /// By how much clocks may differ; 30s by default.
    pub(crate) leeway: Option<Time>,
    /// What everybody may call: `package.Service/Method`, `package.Service`,
    /// `package.*` or `*`. Health checks and reflection by default, which a list
    /// takes the place of.
    pub(crate) public: Option<Vec<String>>,
    /// Which scopes a token needs to call what matches; of several patterns the
    /// narrowest decides.
    pub(crate) scopes: BTreeMap<String, Vec<String>>,
}

impl Auth {
    /// Reads the section, and refuses patterns that are none.
    pub(super) fn checked<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        let auth = Option::<Self>::deserialize(deserializer)?;
        if let Some(auth) = &auth {
            auth.access().map_err(D::Error::custom)?;
        }
        Ok(auth)
    }

    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let keys = self.jwks.iter_mut().filter_map(|keys| match &mut keys.0 {
            KeySource::File(path) => Some(path),
            KeySource::Url(_) => None,
        });
        [&mut self.tokens, &mut self.jwt_secret_file]
            .into_iter()
            .flatten()
            .chain(keys)
    }

    /// Whether JSON Web Tokens are taken.
    pub(crate) fn takes_jwt(&self) -> bool {
        self.jwt_secret_file.is_some() || self.jwks.is_some()
    }

    /// Which methods are for whom.
    ///
    /// # Errors
    /// When a pattern is none, or is for everybody and asks for scopes.
    pub(crate) fn access(&self) -> Result<Access, portolan_server::Error> {
        let mut access = match &self.public {
            None => Access::default(),
            Some(patterns) => {
                let mut patterns = patterns.iter();
                patterns.try_fold(Access::closed(), |access, pattern| access.public(pattern))?
            }
        };
        for (pattern, scopes) in &self.scopes {
            access = access.require(pattern, scopes.iter().map(String::as_str))?;
        }
        Ok(access)
    }

    /// The services that everybody may call, as far as they are named whole.
    pub(crate) fn public_services(&self) -> Vec<String> {
        match &self.public {
            None => PUBLIC.map(str::to_owned).to_vec(),
            Some(patterns) => {
                let names = patterns.iter().map(|pattern| {
                    let name = pattern.strip_prefix('/').unwrap_or(pattern);
                    name.strip_suffix("/*").unwrap_or(name)
                });
                let whole = names.filter(|name| !name.contains(['/', '*']));
                whole.map(str::to_owned).collect()
            }
        }
    }

    /// What JSON Web Tokens have to say.
    pub(crate) fn claims(&self) -> Claims {
        let mut claims = Claims::default();
        if let Some(issuer) = &self.issuer {
            claims = claims.issuer(issuer);
        }
        for audience in &self.audience {
            claims = claims.audience(audience);
        }
        match self.leeway {
            Some(leeway) => claims.leeway(leeway.0),
            None => claims,
        }
    }
}

/// Where public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys(pub(crate) KeySource);

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error: portolan_server::Error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Keys {
    fn schema_name() -> Cow<'static, str> {
        "Keys".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": ["https://id.example.com/jwks.json"]})
    }
}

/// How often each caller may call.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    /// How many calls a second are earned.
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "ranges::one")]
    pub(crate) per_second: u32,
    /// How many calls may come at once after a rest; as many as a second earns
    /// by default.
    #[schemars(range(min = 1))]
    #[serde(default, deserialize_with = "ranges::some")]
    pub(crate) burst: Option<u32>,
    /// Whose calls are counted together.
    #[serde(default)]
    pub(crate) per: Per,
}

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Per {
    /// Those of who the token speaks for; of callers without one, as `client`.
    #[default]
    Principal,
    /// Those of an address.
    Client,
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Auth, String> {
        let config = Config::parse(&format!("auth: {text}"), "x");
        let config = config.map_err(|error| error.to_string())?;
        Ok(config.auth.unwrap_or_default())
    }

    #[test]
    fn public_services_are_those_that_are_named_whole() {
        let auth = parse("{tokens: t}").unwrap();
        assert_eq!(auth.public_services(), PUBLIC);
        let auth = parse("{public: [a.S, /a.T/*, a.U/M, b.*, \"*\"]}").unwrap();
        assert_eq!(auth.public_services(), ["a.S", "a.T"]);
        assert!(parse("{public: []}").unwrap().public_services().is_empty());
    }

    #[test]
    fn what_cannot_work_is_told_with_its_place() {
        for (text, part) in [
            ("{public: [a b]}", "`a b` is no pattern"),
            ("{public: [a.S], scopes: {a.S: [x]}}", "choose one"),
            ("{jwks: ftp://a/b}", "a URL that begins with https://"),
            ("{token: a}", "unknown field `token`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.starts_with("x:1:") && error.contains(part),
                "{text}\n{error}"
            );
        }
    }
}
