//! Which methods are for everybody, and which ask for scopes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::Error;

/// The services that everybody may call unless told otherwise.
pub const PUBLIC: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// What it takes to call a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Nothing.
    Public,
    /// A principal with all of these scopes.
    Scopes(Box<[String]>),
}

/// Which methods are for everybody, and which ask for scopes; all others ask for
/// a principal and nothing else.
///
/// A pattern is an RPC (`shop.v1.Orders/Get`), a service (`shop.v1.Orders`), a
/// package with all below it (`shop.*`), or `*`. Of several that match, the
/// narrowest alone decides.
///
/// ```
/// use portolan_server::auth::Access;
///
/// # fn main() -> Result<(), portolan_server::Error> {
/// let access = Access::default()
///     .require("shop.v1.Orders", ["orders.read"])?
///     .require("shop.v1.Orders/Delete", ["orders.write"])?
///     .public("shop.v1.Catalogue/*")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Access {
    /// By `/service/method`, `/service/`, `package.` and nothing.
    rules: HashMap<String, Rule, foldhash::fast::RandomState>,
}

impl Default for Access {
    /// Health checks and reflection are for everybody.
    fn default() -> Self {
        let rules = PUBLIC.map(|service| (format!("/{service}/"), Rule::Public));
        Self {
            rules: rules.into_iter().collect(),
        }
    }
}

impl Access {
    /// Nothing is for everybody, not even health checks and reflection.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            rules: HashMap::default(),
        }
    }

    /// Lets everybody call what matches.
    ///
    /// # Errors
    /// When the pattern is none, or scopes are asked for it already.
    pub fn public(self, pattern: &str) -> Result<Self, Error> {
        self.rule(pattern, Rule::Public)
    }

    /// Asks for all of these scopes, beside those that were asked for before
    /// with the same pattern.
    ///
    /// # Errors
    /// When the pattern is none, or is for everybody.
    pub fn require<N: Into<String>>(
        self,
        pattern: &str,
        scopes: impl IntoIterator<Item = N>,
    ) -> Result<Self, Error> {
        let scopes = scopes.into_iter().map(Into::into).collect();
        self.rule(pattern, Rule::Scopes(scopes))
    }

    fn rule(mut self, pattern: &str, rule: Rule) -> Result<Self, Error> {
        let wrong = |reason| Error::AccessPattern {
            pattern: pattern.to_owned(),
            reason,
        };
        let key = key(pattern).ok_or_else(|| {
            wrong("write `*`, `package.*`, `package.Service` or `package.Service/Method`")
        })?;
        match self.rules.entry(key) {
            Entry::Vacant(place) => {
                place.insert(rule);
            }
            Entry::Occupied(mut place) => match (place.get_mut(), rule) {
                (Rule::Public, Rule::Public) => {}
                (Rule::Scopes(there), Rule::Scopes(more)) => {
                    let all = there.iter().cloned().chain(more);
                    *there = all.collect();
                }
                _ => {
                    return Err(wrong(
                        "it cannot be for everybody and ask for scopes; choose one",
                    ));
                }
            },
        }
        Ok(self)
    }

    /// What it takes to call the method of this path; `None` for a principal of
    /// any kind.
    pub(super) fn of(&self, path: &str) -> Option<&Rule> {
        if self.rules.is_empty() {
            return None;
        }
        let service = path.rfind('/').map_or(path, |slash| &path[..=slash]);
        let exact = [path, service].into_iter();
        let package = service.trim_matches('/');
        let dots = package.rmatch_indices('.').map(|(dot, _)| &package[..=dot]);
        let mut keys = exact.chain(dots).chain([""]);
        keys.find_map(|key| self.rules.get(key))
    }
}

/// The key of a pattern; `None` when it is none.
fn key(pattern: &str) -> Option<String> {
    if pattern == "*" {
        return Some(String::new());
    }
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
    if let Some(package) = pattern.strip_suffix(".*") {
        return is_name(package).then(|| format!("{package}."));
    }
    let (service, method) = pattern.split_once('/').unwrap_or((pattern, "*"));
    let valid = is_name(service) && (method == "*" || (is_name(method) && !method.contains('.')));
    let method = if method == "*" { "" } else { method };
    valid.then(|| format!("/{service}/{method}"))
}

/// Identifiers between dots.
fn is_name(name: &str) -> bool {
    name.split('.').all(|part| {
        let mut bytes = part.bytes();
        let first = bytes.next();
        first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(access: &Access, path: &str) -> Option<Vec<String>> {
        match access.of(path) {
            Some(Rule::Scopes(scopes)) => Some(scopes.to_vec()),
            _ => None,
        }
    }

    #[test]
    fn the_narrowest_pattern_decides() {
        let access = Access::default()
            .require("*", ["any"])
            .and_then(|access| access.require("shop.*", ["shop"]))
            .and_then(|access| access.require("shop.v1.*", ["v1"]))
            .and_then(|access| access.require("shop.v1.Orders", ["orders"]))
            .and_then(|access| access.require("/shop.v1.Orders/Delete", ["delete"]))
            .and_then(|access| access.require("shop.v1.Orders/Delete", ["more"]))
            .and_then(|access| access.public("shop.v1.Orders/Ping"))
            .unwrap();
        for (path, expected) in [
            ("/other.S/M", vec!["any"]),
            ("/S/M", vec!["any"]),
            ("/shopping.S/M", vec!["any"]),
            ("/shop.v2.S/M", vec!["shop"]),
            ("/shop.S/M", vec!["shop"]),
            ("/shop.v1.S/M", vec!["v1"]),
            ("/shop.v1.Orders/Get", vec!["orders"]),
            ("/shop.v1.Orders/Delete", vec!["delete", "more"]),
            ("nothing", vec!["any"]),
            ("", vec!["any"]),
            ("/", vec!["any"]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(scopes(&access, path), Some(expected), "{path}");
        }
        assert_eq!(access.of("/shop.v1.Orders/Ping"), Some(&Rule::Public));
        assert_eq!(
            access.of("/grpc.health.v1.Health/Check"),
            Some(&Rule::Public)
        );
    }

    #[test]
    fn without_patterns_a_principal_is_enough() {
        assert_eq!(Access::closed().of("/grpc.health.v1.Health/Check"), None);
        assert_eq!(Access::default().of("/a.B/C"), None);
        assert_eq!(Access::default().of("/grpc.health.v1.Healthy/Check"), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in [
            "", "/", "a.", ".a", "a/b/c", "a b", "a.*.c", "*.a", "a/", "1a", "a/b.c",
        ] {
            let error = Access::closed().public(pattern).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{pattern}` is no pattern")),
                "{error}"
            );
        }
        let both = Access::default().require("grpc.health.v1.Health/*", ["a"]);
        let error = both.unwrap_err().to_string();
        assert!(error.ends_with("choose one"), "{error}");
    }
}
