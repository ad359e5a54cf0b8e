//! JSON Web Tokens (RFC 7519), whatever they are signed with: how one is read,
//! verified, made, and looked at.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value};

use super::{Denied, Principal, now, signatures};

/// By how much clocks may differ, unless told otherwise.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
/// More would make nonsense of an expiry.
const MOST_LEEWAY: Duration = Duration::from_secs(24 * 3600);

/// Which claims a token has to have beside `exp`, without which none is taken.
#[derive(Clone, Debug)]
pub struct Claims {
    issuer: Option<String>,
    audience: Vec<String>,
    leeway: Duration,
}

impl Default for Claims {
    /// Anybody's tokens for anybody, with a leeway of 30 seconds.
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            leeway: DEFAULT_LEEWAY,
        }
    }
}

impl Claims {
    /// Only tokens of this issuer (`iss`).
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Only tokens for this audience, or another that was named before (`aud`).
    /// Without any, tokens for others are taken too.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.push(audience.into());
        self
    }

    /// By how much clocks may differ, for `exp`, `nbf` and `iat`; 30 seconds by
    /// default, a day at most.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(MOST_LEEWAY);
        self
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        let mut required = vec!["exp"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if self.audience.is_empty() {
            validation.validate_aud = false;
        } else {
            validation.set_audience(&self.audience);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

/// A key, and the algorithms that it is for: never those that a token names
/// alone (RFC 8725 §3.1).
pub(super) struct Key {
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// The algorithm and the key's name that a token says of itself; `None` when it
/// is no token that could be verified, such as one without a signature.
pub(super) fn algorithm_of(token: &str) -> Option<(Algorithm, Option<String>)> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    // Extensions that must be understood: there are none that are (RFC 7515
    // §4.1.11).
    if says_critical(token) {
        return None;
    }
    Some((header.alg, header.kid))
}

fn says_critical(token: &str) -> bool {
    part(token, 0).is_some_and(|header| header.contains_key("crit"))
}

/// A part of a token, which is a JSON object.
fn part(token: &str, index: usize) -> Option<Map<String, Value>> {
    let part = token.split('.').nth(index)?;
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Whom a token speaks for, and the first second at which it does no more.
pub(super) fn verify_with(
    token: &str,
    algorithm: Algorithm,
    key: &Key,
    expected: &Claims,
) -> Result<(Principal, u64), Denied> {
    let claims = checked(token, algorithm, key, expected).map_err(|flaw| match flaw {
        Flaw::Expired => Denied::Expired,
        _ => Denied::Invalid,
    })?;
    let until = until(&claims, expected).unwrap_or_default();
    Ok((Principal::from_claims("jwt", claims), until))
}

/// The first second at which a token with these claims is not valid any more:
/// that of its expiry itself (RFC 7519 §4.1.4).
fn until(claims: &Map<String, Value>, expected: &Claims) -> Option<u64> {
    let expiry = claims.get("exp").and_then(seconds)?;
    Some(expiry.saturating_add(expected.leeway.as_secs()))
}

fn checked(
    token: &str,
    algorithm: Algorithm,
    key: &Key,
    expected: &Claims,
) -> Result<Map<String, Value>, Flaw> {
    if !key.algorithms.contains(&algorithm) {
        return Err(Flaw::Algorithm);
    }
    let validation = expected.validation(algorithm);
    let read = jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &validation);
    let claims = read.map_err(|error| Flaw::of(error.kind()))?.claims;
    if until(&claims, expected).is_none_or(|until| until <= now()) {
        return Err(Flaw::Expired);
    }
    // Not asked for by RFC 7519, but a token of tomorrow is a clock or a
    // forger at fault.
    let latest = now().saturating_add(expected.leeway.as_secs());
    match claims.get("iat").map(seconds) {
        None => Ok(claims),
        Some(Some(issued)) if issued <= latest => Ok(claims),
        Some(_) => Err(Flaw::NotYet),
    }
}

/// A `NumericDate`, which may have a fraction (RFC 7519 §2).
fn seconds(value: &Value) -> Option<u64> {
    let exact = value.as_u64();
    exact.or_else(|| {
        let fraction = value.as_f64()?;
        // Rounded as the expiry is.
        (0.0..1e15)
            .contains(&fraction)
            .then(|| fraction.round() as u64)
    })
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It is no JSON Web Token.
    Form,
    /// It is not signed, or by an algorithm that the key is not for.
    Algorithm,
    /// It was signed with another key, or changed afterwards.
    Signature,
    /// A claim is missing that has to be there.
    MissingClaim,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It is another issuer's.
    Issuer,
    /// It is for somebody else.
    Audience,
}

impl Flaw {
    fn of(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidSignature | ErrorKind::Base64(_) => Self::Signature,
            ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Self::Algorithm,
            ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
                Self::MissingClaim
            }
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::NotYet,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            _ => Self::Form,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Form => "it is no JSON Web Token",
            Self::Algorithm => "it is not signed by HS256",
            Self::Signature => "it was signed with another secret, or changed afterwards",
            Self::MissingClaim => "a claim is missing or not of its type",
            Self::Expired => "its time is over",
            Self::NotYet => "its time has not come yet",
            Self::Issuer => "it is another issuer's",
            Self::Audience => "it is for another audience",
        })
    }
}

/// Makes a token with these claims, signed by HS256; `None` when it cannot be
/// written.
#[must_use]
pub fn issue(secret: &[u8], claims: &Map<String, Value>) -> Option<String> {
    signatures::install();
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).ok()
}

/// What a token says, whether it is true or not.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
    /// What is wrong with it, if something is that could be seen.
    pub flaw: Option<Flaw>,
}

/// Looks at a token: with a secret its signature is verified, by HS256, and
/// without one its times are looked at only.
///
/// # Errors
/// [`Flaw::Form`] when it is no token.
pub fn inspect(token: &str, secret: Option<&[u8]>, expected: &Claims) -> Result<Inspected, Flaw> {
    signatures::install();
    let (Some(header), Some(claims), 3) =
        (part(token, 0), part(token, 1), token.split('.').count())
    else {
        return Err(Flaw::Form);
    };
    let flaw = match secret {
        Some(secret) => {
            let key = Key {
                algorithms: vec![Algorithm::HS256],
                key: DecodingKey::from_secret(secret),
            };
            match algorithm_of(token) {
                None => Some(Flaw::Algorithm),
                Some((algorithm, _)) => checked(token, algorithm, &key, expected).err(),
            }
        }
        None => flaw_of_times(&claims, expected),
    };
    Ok(Inspected {
        header,
        claims,
        flaw,
    })
}

fn flaw_of_times(claims: &Map<String, Value>, expected: &Claims) -> Option<Flaw> {
    let now = now();
    let latest = now.saturating_add(expected.leeway.as_secs());
    let Some(until) = until(claims, expected) else {
        return Some(Flaw::MissingClaim);
    };
    let begins = ["nbf", "iat"].map(|name| claims.get(name).and_then(seconds));
    if until <= now {
        Some(Flaw::Expired)
    } else if begins.into_iter().flatten().any(|begin| begin > latest) {
        Some(Flaw::NotYet)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn claims(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(claims) => claims,
            other => panic!("{other}"),
        }
    }

    fn flaw(value: Value, expected: &Claims) -> Option<Flaw> {
        let token = issue(SECRET, &claims(value)).unwrap();
        inspect(&token, Some(SECRET), expected).unwrap().flaw
    }

    #[test]
    fn every_claim_is_held_to_what_is_expected() {
        let now = now();
        let plain = Claims::default();
        let strict = Claims::default().issuer("us").audience("a").audience("b");
        for (value, expected, found) in [
            (json!({"exp": now + 60}), &plain, None),
            (json!({"exp": now as f64 + 60.5}), &plain, None),
            (json!({"exp": now - 20}), &plain, None),
            (json!({"exp": now - 40}), &plain, Some(Flaw::Expired)),
            (json!({"exp": now - 30}), &plain, Some(Flaw::Expired)),
            (json!({"exp": 0}), &plain, Some(Flaw::Expired)),
            (json!({}), &plain, Some(Flaw::MissingClaim)),
            (json!({"exp": null}), &plain, Some(Flaw::MissingClaim)),
            (json!({"exp": "never"}), &plain, Some(Flaw::MissingClaim)),
            (json!({"exp": -1}), &plain, Some(Flaw::MissingClaim)),
            (json!({"exp": now + 60, "nbf": now + 20}), &plain, None),
            (
                json!({"exp": now + 60, "nbf": now + 50}),
                &plain,
                Some(Flaw::NotYet),
            ),
            (
                json!({"exp": now + 60, "nbf": "x"}),
                &plain,
                Some(Flaw::MissingClaim),
            ),
            (json!({"exp": now + 60, "iat": now + 20}), &plain, None),
            (
                json!({"exp": now + 60, "iat": now + 50}),
                &plain,
                Some(Flaw::NotYet),
            ),
            (
                json!({"exp": now + 60, "iat": {}}),
                &plain,
                Some(Flaw::NotYet),
            ),
            (
                json!({"exp": now + 60, "aud": "x", "iss": "x"}),
                &plain,
                None,
            ),
            (
                json!({"exp": now + 60, "aud": "b", "iss": "us"}),
                &strict,
                None,
            ),
            (
                json!({"exp": now + 60, "aud": ["x", "a"], "iss": "us"}),
                &strict,
                None,
            ),
            (
                json!({"exp": now + 60, "aud": "x", "iss": "us"}),
                &strict,
                Some(Flaw::Audience),
            ),
            (
                json!({"exp": now + 60, "aud": [], "iss": "us"}),
                &strict,
                Some(Flaw::Audience),
            ),
            (
                json!({"exp": now + 60, "aud": "a", "iss": "x"}),
                &strict,
                Some(Flaw::Issuer),
            ),
            (
                json!({"exp": now + 60, "aud": "a"}),
                &strict,
                Some(Flaw::MissingClaim),
            ),
            (
                json!({"exp": now + 60, "iss": "us"}),
                &strict,
                Some(Flaw::MissingClaim),
            ),
        ] {
            let text = value.to_string();
            assert_eq!(flaw(value, expected), found, "{text}");
        }
    }

    #[test]
    fn what_is_not_signed_by_the_key_is_not_taken() {
        let now = now();
        let good = issue(SECRET, &claims(json!({"exp": now + 60}))).unwrap();
        let [_, body, signature] = good.split('.').collect::<Vec<_>>()[..] else {
            panic!("{good}");
        };
        let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let flaw = |token: &str| inspect(token, Some(SECRET), &Claims::default());
        for (token, expected) in [
            (
                format!("{}.{body}.", header(r#"{"alg":"none"}"#)),
                Flaw::Algorithm,
            ),
            (
                format!("{}.{body}.{signature}", header(r#"{"alg":"NONE"}"#)),
                Flaw::Algorithm,
            ),
            (
                format!("{}.{body}.{signature}", header(r#"{"alg":"HS384"}"#)),
                Flaw::Algorithm,
            ),
            (
                format!("{}.{body}.{signature}", header(r#"{"alg":"RS256"}"#)),
                Flaw::Algorithm,
            ),
            (
                format!(
                    "{}.{body}.{signature}",
                    header(r#"{"alg":"HS256","crit":["b64"]}"#)
                ),
                Flaw::Algorithm,
            ),
            (
                format!("{}.{body}.{signature}", header(r#"{"alg":"HS256" }"#)),
                Flaw::Signature,
            ),
            (good.replace(signature, ""), Flaw::Signature),
            (good.replace(signature, "AAAA"), Flaw::Signature),
            (good.replace(signature, "!"), Flaw::Signature),
        ] {
            assert_eq!(flaw(&token).unwrap().flaw, Some(expected), "{token}");
        }
        for none in [
            "",
            "a",
            "a.b",
            "a.b.c",
            &format!("{good}.x"),
            "..",
            "e30.e30",
        ] {
            assert_eq!(flaw(none).err(), Some(Flaw::Form), "{none}");
        }
        let other = inspect(&good, Some(&[7; 32]), &Claims::default()).unwrap();
        assert_eq!(other.flaw, Some(Flaw::Signature));
    }

    #[test]
    fn without_a_secret_only_times_are_looked_at() {
        let now = now();
        for (value, expected) in [
            (json!({"exp": now + 60}), None),
            (json!({"exp": now - 60}), Some(Flaw::Expired)),
            (
                json!({"exp": now + 60, "nbf": now + 60}),
                Some(Flaw::NotYet),
            ),
            (json!({}), Some(Flaw::MissingClaim)),
        ] {
            let token = issue(&[7; 32], &claims(value)).unwrap();
            let inspected = inspect(&token, None, &Claims::default()).unwrap();
            assert_eq!(inspected.flaw, expected);
        }
    }
}
