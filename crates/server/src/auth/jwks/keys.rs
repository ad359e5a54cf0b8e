//! A set of public keys (RFC 7517 §5), and which of them may have signed a
//! token.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::WHAT;
use crate::Error;
use crate::auth::jwt::Key;

/// The most keys of a set; a token without the name of one is tried with each.
const MOST: usize = 64;

/// Keys for verifying signatures. Sets are equal that were read from the same
/// keys.
pub(super) struct Keys {
    keys: Vec<(Option<String>, Key)>,
    source: Vec<Value>,
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a set. Keys of other kinds, or for other ends, are passed over
    /// (RFC 7517 §5), and secrets too: a set is public.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::AuthUnusable {
            what: WHAT,
            place: place.to_owned(),
            reason,
        };
        let set: Set = serde_json::from_str(text)
            .map_err(|error| wrong(format!("they are no JSON Web Key Set: {error}")))?;
        let number = set.keys.len();
        if number > MOST {
            return Err(wrong(format!(
                "there are {number} of them, more than {MOST}"
            )));
        }
        let keys: Vec<_> = set.keys.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err(wrong(format!(
                "none of the {number} can verify a token: RSA of 2,048 bits, P-256, P-384 and \
                 Ed25519 do"
            )));
        }
        Ok(Self {
            keys,
            source: set.keys,
        })
    }

    /// The keys that may have signed by this algorithm: those of that name, or
    /// all when the token names none.
    pub(super) fn candidates(
        &self,
        algorithm: Algorithm,
        name: Option<&str>,
    ) -> impl Iterator<Item = &Key> {
        let named =
            move |known: &Option<String>| name.is_none_or(|name| known.as_deref() == Some(name));
        let keys = self.keys.iter();
        keys.filter(move |(known, key)| named(known) && key.algorithms.contains(&algorithm))
            .map(|(_, key)| key)
    }
}

/// A key with its name; `None` when it cannot be used.
fn key(value: &Value) -> Option<(Option<String>, Key)> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let common = &jwk.common;
    let for_signatures = common.public_key_use.as_ref();
    if for_signatures.is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let operations = common.key_operations.as_ref();
    if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
        return None;
    }
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms().to_vec(),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDSA]
        }
        _ => return None,
    };
    if let Some(only) = common.key_algorithm {
        let only = Algorithm::try_from(only).ok()?;
        algorithms.retain(|algorithm| *algorithm == only);
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let name = common.key_id.clone();
    (!algorithms.is_empty()).then_some((name, Key { algorithms, key }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<Keys, String> {
        Keys::parse(&value.to_string(), "here").map_err(|error| error.to_string())
    }

    fn rsa(more: &Value) -> Value {
        let mut key = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r"});
        for (name, value) in more.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    #[test]
    fn keys_are_for_the_algorithms_of_their_kind() {
        let set = json!({"keys": [
            rsa(&json!({})),
            rsa(&json!({"kid": "only", "alg": "PS384"})),
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "e"},
            {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "o"},
        ]});
        let keys = parse(&set).unwrap();
        let count = |algorithm, name| keys.candidates(algorithm, name).count();
        assert_eq!(count(Algorithm::RS256, Some("r")), 1);
        assert_eq!(count(Algorithm::PS384, None), 2);
        assert_eq!(count(Algorithm::RS256, Some("only")), 0);
        assert_eq!(count(Algorithm::ES256, Some("e")), 1);
        assert_eq!(count(Algorithm::ES384, Some("e")), 0);
        assert_eq!(count(Algorithm::EdDSA, None), 1);
        assert_eq!(count(Algorithm::RS256, Some("nobody")), 0);
        // The classic: the public key as the secret of an HMAC.
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(count(algorithm, None), 0);
        }
    }

    #[test]
    fn what_is_not_for_verifying_is_passed_over() {
        let useless = [
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "s"}),
            json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
            json!({"kty": "new", "x": 1}),
            json!({"kty": "RSA"}),
            json!(1),
            rsa(&json!({"use": "enc"})),
            rsa(&json!({"key_ops": ["sign"]})),
            rsa(&json!({"alg": "ES256"})),
            rsa(&json!({"alg": "RSA-OAEP"})),
        ];
        for key in &useless {
            let error = parse(&json!({"keys": [key]})).err();
            assert!(error.unwrap().contains("none of the 1 can verify"), "{key}");
        }
        let mut mixed = useless.to_vec();
        mixed.push(rsa(&json!({"use": "sig", "key_ops": ["verify"]})));
        assert_eq!(parse(&json!({"keys": mixed})).unwrap().keys.len(), 1);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in ["", "[]", "{}", "{\"keys\":1}", "<html>"] {
            let error = Keys::parse(text, "here").err().unwrap().to_string();
            assert!(error.contains("no JSON Web Key Set"), "{text}: {error}");
        }
        let many = vec![rsa(&json!({})); MOST + 1];
        assert!(
            parse(&json!({"keys": many}))
                .err()
                .unwrap()
                .contains("more than 64")
        );
    }
}
