//! JSON Web Tokens that are signed with a secret (HS256), which is in a file.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio_util::task::AbortOnDropHandle;

use super::file::{self, LOOK_EVERY};
use super::jwt::{Claims, Key, algorithm_of, verify_with};
use super::verified::Verified;
use super::{Denied, Principal, Scheme, now, signatures};
use crate::Error;

const WHAT: &str = "secret";
/// A key of HS256 has as many bits as its hash (RFC 7518 §3.2).
const SHORTEST: usize = 32;

/// JSON Web Tokens that are signed by HS256 with the secret in a file, which is
/// read again when it changes.
pub struct JwtSecret {
    shared: Arc<Shared>,
    claims: Claims,
    _following: AbortOnDropHandle<()>,
}

struct Shared {
    key: RwLock<Arc<Key>>,
    verified: Verified,
}

impl JwtSecret {
    /// Reads the secret, within a runtime of tokio.
    ///
    /// # Errors
    /// As [`read_secret`].
    pub fn open(path: impl AsRef<Path>, claims: Claims) -> Result<Self, Error> {
        Self::open_and_look(path, claims, LOOK_EVERY)
    }

    /// The same with another time between looks at the file than 10 seconds.
    ///
    /// # Errors
    /// As [`read_secret`].
    pub fn open_and_look(
        path: impl AsRef<Path>,
        claims: Claims,
        every: Duration,
    ) -> Result<Self, Error> {
        signatures::install();
        let path = path.as_ref().to_owned();
        let text = file::read(WHAT, &path)?;
        let shared = Arc::new(Shared {
            key: RwLock::new(key(&text, &path)?),
            verified: Verified::new(),
        });
        let place = Arc::clone(&shared);
        let named = path.clone();
        let following = file::follow(WHAT, path, text, every, move |text| {
            let key = key(text, &named)?;
            *place.key.write().unwrap_or_else(PoisonError::into_inner) = key;
            place.verified.change_keys();
            Ok(())
        });
        Ok(Self {
            shared,
            claims,
            _following: AbortOnDropHandle::new(tokio::spawn(following)),
        })
    }
}

impl fmt::Debug for JwtSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("JwtSecret");
        debug.field("claims", &self.claims).finish_non_exhaustive()
    }
}

#[async_trait]
impl Scheme for JwtSecret {
    async fn verify(&self, token: &str) -> Result<Principal, Denied> {
        let Shared { key, verified } = &*self.shared;
        let now = now();
        if let Some(principal) = verified.find(token, now) {
            return Ok(principal);
        }
        let keys = verified.keys();
        let (algorithm, _) = algorithm_of(token).ok_or(Denied::Invalid)?;
        let key = Arc::clone(&key.read().unwrap_or_else(PoisonError::into_inner));
        let (principal, until) = verify_with(token, algorithm, &key, &self.claims)?;
        verified.insert(token, &principal, until, keys);
        Ok(principal)
    }
}

fn key(text: &str, path: &Path) -> Result<Arc<Key>, Error> {
    let secret = usable(text, path)?;
    Ok(Arc::new(Key {
        algorithms: vec![Algorithm::HS256],
        key: DecodingKey::from_secret(secret.as_bytes()),
    }))
}

/// Reads the secret in a file, without the line break at its end.
///
/// # Errors
/// When the file cannot be read, or the secret is shorter than 32 bytes: such
/// can be guessed from any token that it has signed.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, Error> {
    let text = file::read(WHAT, path)?;
    Ok(usable(&text, path)?.as_bytes().to_vec())
}

fn usable<'t>(text: &'t str, path: &Path) -> Result<&'t str, Error> {
    let secret = text.strip_suffix('\n').unwrap_or(text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.len() < SHORTEST {
        return Err(Error::AuthUnusable {
            what: WHAT,
            place: path.display().to_string(),
            reason: format!(
                "it has {} bytes, and HS256 needs {SHORTEST} at least (RFC 7518 §3.2); make one \
                 with `openssl rand -base64 32`",
                secret.len()
            ),
        });
    }
    Ok(secret)
}
