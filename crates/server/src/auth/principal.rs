//! Who calls: what a verified token says.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Who a verified token speaks for. Handlers find it in `request.extensions()`;
/// clones share it.
///
/// ```
/// use portolan_server::auth::Principal;
///
/// fn may_read(request: &tonic::Request<()>) -> bool {
///     let principal = request.extensions().get::<Principal>();
///     principal.is_some_and(|principal| principal.has_scope("users.read"))
/// }
/// ```
#[derive(Clone)]
pub struct Principal(Arc<Inner>);

struct Inner {
    scheme: &'static str,
    subject: String,
    user_id: Option<String>,
    scopes: Vec<String>,
    claims: Map<String, Value>,
}

impl Principal {
    /// A principal of a scheme of this name, with these scopes.
    #[must_use]
    pub fn new(
        scheme: &'static str,
        subject: impl Into<String>,
        scopes: impl IntoIterator<Item = String>,
    ) -> Self {
        Self(Arc::new(Inner {
            scheme,
            subject: subject.into(),
            user_id: None,
            scopes: scopes.into_iter().collect(),
            claims: Map::new(),
        }))
    }

    /// The principal of the claims of a token (RFC 7519 §4). Scopes are those of
    /// `scope` (RFC 8693 §4.2), `scopes` and `scp`, as a list or as words.
    #[must_use]
    pub fn from_claims(scheme: &'static str, claims: Map<String, Value>) -> Self {
        let user_id = claims.get("user_id").and_then(text);
        let subject = claims.get("sub").and_then(text);
        let scopes = ["scope", "scopes", "scp"].map(|name| claims.get(name));
        let mut scopes: Vec<String> = scopes.into_iter().flatten().flat_map(words).collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(Arc::new(Inner {
            scheme,
            subject: subject.or_else(|| user_id.clone()).unwrap_or_default(),
            user_id,
            scopes,
            claims,
        }))
    }

    /// How the principal was recognised: `token` or `jwt`, or the name of a
    /// scheme of one's own.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.0.scheme
    }

    /// The name: of a static token in its file, or the claim `sub`, or else
    /// `user_id`. Empty when a token has neither.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The claim `user_id`, or else the subject.
    #[must_use]
    pub fn user_id(&self) -> &str {
        self.0.user_id.as_deref().unwrap_or(&self.0.subject)
    }

    /// What the principal may do.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Whether the principal has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|has| has == scope)
    }

    /// All claims of a JSON Web Token; none of a static one.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.claims
    }
}

impl fmt::Debug for Principal {
    /// Claims may be anything, so they are left out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Principal")
            .field("scheme", &self.scheme())
            .field("subject", &self.subject())
            .field("scopes", &self.scopes())
            .finish_non_exhaustive()
    }
}

/// Names are text, and some write numbers.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Value::Array(list) => list.iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: Value) -> Principal {
        let Value::Object(claims) = claims else {
            panic!("no object");
        };
        Principal::from_claims("jwt", claims)
    }

    #[test]
    fn claims_name_the_caller() {
        for (claims, subject, user_id) in [
            (json!({"sub": "a"}), "a", "a"),
            (json!({"user_id": "u"}), "u", "u"),
            (json!({"user_id": 7}), "7", "7"),
            (json!({"sub": "a", "user_id": "u"}), "a", "u"),
            (json!({"sub": {}}), "", ""),
            (json!({}), "", ""),
        ] {
            let principal = of(claims);
            assert_eq!(
                (principal.subject(), principal.user_id()),
                (subject, user_id)
            );
        }
    }

    #[test]
    fn scopes_come_in_every_form() {
        let claims = json!({"scope": "b  a", "scopes": ["c", 1], "scp": "a"});
        assert_eq!(of(claims).scopes(), ["1", "a", "b", "c"]);
        assert!(of(json!({"scope": "users.read"})).has_scope("users.read"));
        assert!(!of(json!({"scope": "users.read"})).has_scope("users"));
        assert!(of(json!({"scope": null, "scp": {}})).scopes().is_empty());
    }
}
