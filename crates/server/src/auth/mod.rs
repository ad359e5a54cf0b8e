//! Who calls, and what they may: [`Authentication`] is an interceptor that asks
//! every call for a bearer token (RFC 6750), whatever protocol it came by. What
//! tokens there are is a [`Scheme`]'s affair, one file each: static ones
//! ([`TokenFile`]), and JSON Web Tokens with a secret ([`JwtSecret`]) or with
//! public keys ([`Jwks`]).

mod access;
mod file;
mod jwks;
mod jwt;
mod principal;
mod secret;
mod signatures;
mod tokens;
mod verified;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use portolan_gateway::{Code, Status};

use crate::interceptor::{Admission, CallHead, Interceptor, Refusal};
use access::Rule;

pub use access::{Access, PUBLIC};
pub use jwks::{Jwks, KeySource};
pub use jwt::{Claims, DEFAULT_LEEWAY, Flaw, Inspected, inspect, issue};
pub use principal::Principal;
pub use secret::{JwtSecret, read_secret};
pub use tokens::TokenFile;

const MISSING: &str = "Missing or invalid authorization header";
const INVALID: &str = "Invalid token";
const EXPIRED: &str = "Token has expired";

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It is none of this scheme: another one may know it.
    Invalid,
    /// It was valid once.
    Expired,
    /// Nobody can tell at the moment; the sentence says why.
    Unavailable(String),
}

/// A kind of tokens.
#[async_trait]
pub trait Scheme: Send + Sync + 'static {
    /// Whom a token speaks for.
    ///
    /// # Errors
    /// When the token is not to be taken.
    async fn verify(&self, token: &str) -> Result<Principal, Denied>;
}

/// Lets calls pass whose token is valid, each with its [`Principal`] among the
/// extensions, and refuses all others: without a valid token with
/// UNAUTHENTICATED, without a scope that the method asks for with
/// PERMISSION_DENIED, and with UNAVAILABLE while tokens cannot be checked. Over
/// HTTP `www-authenticate` says so too.
///
/// Public methods pass with any token or none; a valid one brings its principal
/// along.
#[derive(Clone)]
pub struct Authentication {
    schemes: Arc<[Arc<dyn Scheme>]>,
    access: Arc<Access>,
}

impl Authentication {
    /// Tokens of no scheme yet: only public methods can be called.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            schemes: Arc::default(),
            access: Arc::new(access),
        }
    }

    /// Takes tokens of this scheme too; the first that takes one decides.
    #[must_use]
    pub fn scheme(self, scheme: impl Scheme) -> Self {
        let there = self.schemes.iter().cloned();
        let one: Arc<dyn Scheme> = Arc::new(scheme);
        Self {
            schemes: there.chain([one]).collect(),
            ..self
        }
    }

    async fn verify(&self, token: &str) -> Result<Principal, Denied> {
        let mut denied = Denied::Invalid;
        for scheme in &*self.schemes {
            match scheme.verify(token).await {
                Ok(principal) => return Ok(principal),
                Err(Denied::Invalid) => {}
                // That it is unknown elsewhere says less.
                Err(reason) => denied = reason,
            }
        }
        Err(denied)
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Authentication")
            .field("schemes", &self.schemes.len())
            .field("access", &self.access)
            .finish()
    }
}

#[async_trait]
impl Interceptor for Authentication {
    async fn intercept(&self, call: &mut CallHead) -> Result<Admission, Refusal> {
        let rule = self.access.of(call.method());
        let token = bearer(call.metadata());
        let is_public = rule == Some(&Rule::Public);
        let principal = match token {
            None if is_public => return Ok(Admission::granted()),
            None => return Err(unauthenticated(MISSING, "Bearer")),
            Some(token) => self.verify(token).await,
        };
        match principal {
            Ok(principal) => {
                if let Some(Rule::Scopes(scopes)) = rule
                    && let Some(refusal) = lacking(&principal, scopes)
                {
                    return Err(refusal);
                }
                call.extensions_mut().insert(principal);
                Ok(Admission::granted())
            }
            Err(_) if is_public => Ok(Admission::granted()),
            Err(Denied::Invalid) => Err(unauthenticated(
                INVALID,
                "Bearer error=\"invalid_token\", error_description=\"Invalid token\"",
            )),
            Err(Denied::Expired) => Err(unauthenticated(
                EXPIRED,
                "Bearer error=\"invalid_token\", error_description=\"Token has expired\"",
            )),
            Err(Denied::Unavailable(reason)) => Err(Status::new(Code::Unavailable, reason).into()),
        }
    }
}

/// The token of the only `authorization` header, whose scheme is written in any
/// case (RFC 9110 §11.1).
fn bearer(metadata: &HeaderMap) -> Option<&str> {
    let mut values = metadata.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_token(token)).then_some(token)
}

/// Whether this can be a bearer token (RFC 6750 §2.1, `b64token`).
fn is_token(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !text.is_empty() && text.bytes().all(known)
}

fn unauthenticated(sentence: &str, challenge: &str) -> Refusal {
    let refusal = Refusal::from(Status::new(Code::Unauthenticated, sentence));
    refusal.with("www-authenticate", challenge)
}

/// What to say of the first scope that the principal does not have, if there is
/// one (RFC 6750 §3.1, `insufficient_scope`).
fn lacking(principal: &Principal, scopes: &[String]) -> Option<Refusal> {
    let missing = scopes.iter().find(|scope| !principal.has_scope(scope))?;
    let sentence = format!("this method needs the scope `{missing}`, which the token lacks");
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{missing}\"");
    let refusal = Refusal::from(Status::new(Code::PermissionDenied, sentence));
    Some(refusal.with("www-authenticate", &challenge))
}

/// Seconds since 1970.
fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_bearer_token_is_found_or_there_is_none() {
        let found = |values: &[&[u8]]| {
            let mut metadata = HeaderMap::new();
            for value in values {
                metadata.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            bearer(&metadata).map(str::to_owned)
        };
        for good in [
            "Bearer a.b-c_d~e+f/1==",
            "bearer a.b-c_d~e+f/1==",
            "BEARER  a.b-c_d~e+f/1== ",
        ] {
            assert_eq!(
                found(&[good.as_bytes()]).unwrap(),
                "a.b-c_d~e+f/1==",
                "{good}"
            );
        }
        for bad in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"Bearer  ",
            b"Bearer ==",
            b"Basic YTpi",
            b"a.b.c",
            b"Bearer a b",
            b"Bearer a,b",
            b"Bearer \xc3\xa9",
            b"Bearera",
        ] {
            assert_eq!(found(&[bad]), None, "{bad:?}");
        }
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[b"Bearer a", b"Bearer a"]), None);
    }
}
