//! The signatures of JSON Web Tokens (RFC 7518 §3), by the library that TLS has
//! its own from: one implementation of each algorithm in the process.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::{hmac, rand, signature as ring_signature};

/// Sees to it that there are algorithms: ours, unless the program has chosen
/// others before.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Those of somebody else do as well.
        let _ = PROVIDER.install_default();
    });
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Sign::new(*algorithm, key)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Verify::new(*algorithm, key)?)),
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| unsupported(),
        rsa_pub_components_from_public_key: |_| unsupported(),
        ec_pub_components_from_private_key: |_, _| unsupported(),
        ed_pub_components_from_private_key: |_, _| unsupported(),
        compute_digest: |_, _| unsupported(),
    },
};

fn unsupported<T>() -> Result<T> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

/// A key is of use only for the algorithms of its family (RFC 8725 §3.1).
fn check(family: AlgorithmFamily, algorithm: Algorithm) -> Result<()> {
    if family.algorithms().contains(&algorithm) {
        return Ok(());
    }
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    Some(match algorithm {
        Algorithm::HS256 => hmac::HMAC_SHA256,
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => return None,
    })
}

struct Verify {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verify {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self> {
        check(key.family(), algorithm)?;
        let key = key.clone();
        Ok(Self { algorithm, key })
    }
}

impl JwtVerifier for Verify {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Verify {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), signature::Error> {
        let wrong = |_| signature::Error::new();
        match self.key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => {
                if let Some(algorithm) = hmac_algorithm(self.algorithm) {
                    let key = hmac::Key::new(algorithm, bytes);
                    // In constant time.
                    return hmac::verify(&key, message, signature).map_err(wrong);
                }
                let algorithm = public_key_algorithm(self.algorithm);
                let algorithm = algorithm.ok_or_else(signature::Error::new)?;
                let key = ring_signature::UnparsedPublicKey::new(algorithm, bytes);
                key.verify(message, signature).map_err(wrong)
            }
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let parameters = rsa_parameters(self.algorithm);
                let parameters = parameters.ok_or_else(signature::Error::new)?;
                let key = ring_signature::RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).map_err(wrong)
            }
        }
    }
}

fn public_key_algorithm(
    algorithm: Algorithm,
) -> Option<&'static dyn ring_signature::VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::ES256 => &ring_signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &ring_signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA => &ring_signature::ED25519,
        other => return rsa_parameters(other).map(|parameters| parameters as _),
    })
}

/// Keys of less than 2,048 bits are refused (RFC 7518 §3.3).
fn rsa_parameters(algorithm: Algorithm) -> Option<&'static ring_signature::RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &ring_signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &ring_signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &ring_signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

struct Sign {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Sign {
    fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self> {
        check(key.family(), algorithm)?;
        let key = key.clone();
        Ok(Self { algorithm, key })
    }

    /// The signature; private keys are DER, PKCS#1 of RSA and PKCS#8 of the
    /// others.
    fn of(&self, message: &[u8]) -> Option<Vec<u8>> {
        let key = self.key.as_bytes();
        if let Some(algorithm) = hmac_algorithm(self.algorithm) {
            let key = hmac::Key::new(algorithm, key);
            return Some(hmac::sign(&key, message).as_ref().to_vec());
        }
        let random = rand::SystemRandom::new();
        let elliptic = |algorithm| {
            let pair = ring_signature::EcdsaKeyPair::from_pkcs8(algorithm, key, &random).ok()?;
            Some(pair.sign(&random, message).ok()?.as_ref().to_vec())
        };
        let padding: &dyn ring_signature::RsaEncoding = match self.algorithm {
            Algorithm::ES256 => return elliptic(&ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => return elliptic(&ring_signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => {
                let pair = ring_signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).ok()?;
                return Some(pair.sign(message).as_ref().to_vec());
            }
            Algorithm::RS256 => &ring_signature::RSA_PKCS1_SHA256,
            Algorithm::RS384 => &ring_signature::RSA_PKCS1_SHA384,
            Algorithm::RS512 => &ring_signature::RSA_PKCS1_SHA512,
            Algorithm::PS256 => &ring_signature::RSA_PSS_SHA256,
            Algorithm::PS384 => &ring_signature::RSA_PSS_SHA384,
            Algorithm::PS512 => &ring_signature::RSA_PSS_SHA512,
            _ => return None,
        };
        let pair = ring_signature::RsaKeyPair::from_der(key).ok()?;
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(padding, &random, message, &mut signature).ok()?;
        Some(signature)
    }
}

impl JwtSigner for Sign {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Signer<Vec<u8>> for Sign {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        self.of(message).ok_or_else(signature::Error::new)
    }
}
