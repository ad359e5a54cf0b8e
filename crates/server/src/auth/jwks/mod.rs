//! JSON Web Tokens that are verified with public keys (RFC 7517): from a file,
//! read again when it changes, or from a URL, asked again in time and when a
//! token names a key that is not known.

mod fetch;
mod keys;
mod renewal;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use tokio_util::task::AbortOnDropHandle;

use super::file::{self, LOOK_EVERY};
use super::jwt::{Claims, algorithm_of, verify_with};
use super::verified::Verified;
use super::{Denied, Principal, Scheme, now, signatures};
use crate::Error;
use keys::Keys;
use renewal::{Attempts, Renewal};

const WHAT: &str = "keys";
/// How long a URL is asked again after, when its answer does not say.
const REFRESH: Duration = Duration::from_secs(600);
/// A URL is asked no more often than that, whatever tokens there are.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a call, or a start, waits for keys that are being asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file with a JSON Web Key Set.
    File(PathBuf),
    /// At a URL, by `http` or `https`.
    Url(Uri),
}

impl FromStr for KeySource {
    type Err = Error;

    /// What has `://` in it is a URL, anything else a path.
    fn from_str(text: &str) -> Result<Self, Error> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        if fetch::has_credentials(text) {
            return Err(Error::AuthUnusable {
                what: WHAT,
                place: "a URL with a name or a password".to_owned(),
                reason: "nobody is asked for keys in somebody's name; leave it out".to_owned(),
            });
        }
        let uri = text.parse::<Uri>().ok().filter(fetch::is_fetched);
        uri.map(Self::Url).ok_or_else(|| Error::AuthUnusable {
            what: WHAT,
            place: text.to_owned(),
            reason: "write a path, or a URL that begins with https:// or http://".to_owned(),
        })
    }
}

/// JSON Web Tokens that are signed by RSA, ECDSA or `EdDSA`, and verified with the
/// public keys of a file or a URL.
pub struct Jwks {
    shared: Arc<Shared>,
    claims: Claims,
    /// Asks a URL before it is due.
    attempts: Option<Attempts>,
    _following: AbortOnDropHandle<()>,
}

struct Shared {
    keys: RwLock<Option<Arc<Keys>>>,
    verified: Verified,
}

impl Shared {
    fn keys(&self) -> Option<Arc<Keys>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    fn take(&self, keys: Keys) {
        let mut place = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if place.as_deref() != Some(&keys) {
            *place = Some(Arc::new(keys));
            self.verified.change_keys();
        }
    }
}

/// How often keys are asked for; each has a default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    refresh: Duration,
    pause: Duration,
    look: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            refresh: REFRESH,
            pause: PAUSE,
            look: LOOK_EVERY,
        }
    }
}

impl Jwks {
    /// Reads the keys, within a runtime of tokio. A URL that does not answer in
    /// five seconds is asked further, and calls get UNAVAILABLE until it does.
    ///
    /// # Errors
    /// When a file cannot be read, or has no key that can be used.
    pub async fn open(source: KeySource, claims: Claims) -> Result<Self, Error> {
        Self::open_at(source, claims, Pace::default()).await
    }

    /// The same with other times: after which a URL is asked again whose answer
    /// does not say (10 minutes), between two questions at the least (10
    /// seconds), and between looks at a file (10 seconds).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_and_ask(
        source: KeySource,
        claims: Claims,
        refresh: Duration,
        pause: Duration,
    ) -> Result<Self, Error> {
        let look = pause;
        Self::open_at(
            source,
            claims,
            Pace {
                refresh,
                pause,
                look,
            },
        )
        .await
    }

    async fn open_at(source: KeySource, claims: Claims, pace: Pace) -> Result<Self, Error> {
        signatures::install();
        let shared = Arc::new(Shared {
            keys: RwLock::new(None),
            verified: Verified::new(),
        });
        let place = Arc::clone(&shared);
        let (attempts, following) = match source {
            KeySource::File(path) => {
                let text = file::read(WHAT, &path)?;
                let named = path.display().to_string();
                shared.take(Keys::parse(&text, &named)?);
                let take = move |text: &str| {
                    place.take(Keys::parse(text, &named)?);
                    Ok(())
                };
                let following = file::follow(WHAT, path, text, pace.look, take);
                (None, AbortOnDropHandle::new(tokio::spawn(following)))
            }
            KeySource::Url(url) => {
                if fetch::is_plain_and_far(&url) {
                    tracing::warn!(
                        url = fetch::shown(&url),
                        "keys come without TLS, and whoever is between can put others in their \
                         place; use https"
                    );
                }
                let (renewal, attempts) = Renewal::new(url, pace.refresh, pace.pause, place);
                (
                    Some(attempts),
                    AbortOnDropHandle::new(tokio::spawn(renewal.run())),
                )
            }
        };
        if let Some(attempts) = &attempts {
            attempts.first(PATIENCE).await;
        }
        Ok(Self {
            shared,
            claims,
            attempts,
            _following: following,
        })
    }

    /// Whom a token speaks for, with the keys that are known now.
    fn verify_now(&self, token: &str) -> Result<Found, Denied> {
        let (algorithm, name) = algorithm_of(token).ok_or(Denied::Invalid)?;
        let verified = self.shared.verified.keys();
        let Some(keys) = self.shared.keys() else {
            return Ok(Found::NoKeys);
        };
        let mut candidates = keys.candidates(algorithm, name.as_deref()).peekable();
        if candidates.peek().is_none() {
            return Ok(Found::UnknownKey);
        }
        let mut denied = Denied::Invalid;
        for key in candidates {
            match verify_with(token, algorithm, key, &self.claims) {
                Ok((principal, until)) => {
                    let memory = &self.shared.verified;
                    memory.insert(token, &principal, until, verified);
                    return Ok(Found::Principal(principal));
                }
                Err(Denied::Invalid) => {}
                Err(reason) => denied = reason,
            }
        }
        Err(denied)
    }
}

enum Found {
    Principal(Principal),
    /// None is known that could have signed the token.
    UnknownKey,
    NoKeys,
}

impl fmt::Debug for Jwks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Jwks");
        debug.field("claims", &self.claims).finish_non_exhaustive()
    }
}

#[async_trait]
impl Scheme for Jwks {
    async fn verify(&self, token: &str) -> Result<Principal, Denied> {
        if let Some(principal) = self.shared.verified.find(token, now()) {
            return Ok(principal);
        }
        let mut found = self.verify_now(token)?;
        if !matches!(found, Found::Principal(_))
            && let Some(attempts) = &self.attempts
            && attempts.ask(PATIENCE).await
        {
            found = self.verify_now(token)?;
        }
        match found {
            Found::Principal(principal) => Ok(principal),
            Found::UnknownKey => Err(Denied::Invalid),
            Found::NoKeys => Err(Denied::Unavailable(
                "the keys that tokens are checked with are not known yet; try again soon"
                    .to_owned(),
            )),
        }
    }
}
