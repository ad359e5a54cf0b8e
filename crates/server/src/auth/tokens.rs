//! Static tokens: a file with one a line, each with a name and its scopes.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::ConstantTimeEq;
use tokio_util::task::AbortOnDropHandle;

use super::file::{self, LOOK_EVERY};
use super::{Denied, Principal, Scheme, is_token};
use crate::Error;

const WHAT: &str = "tokens";

/// Static bearer tokens from a file, read again when it changes.
///
/// A line is a token, a name, and scopes, with blanks between; `#` begins a
/// comment:
///
/// ```text
/// # token                 name       scopes
/// c2VjcmV0LW9mLWFsaWNl    alice      users.read users.write
/// c2VjcmV0LW9mLXByb2Jl    prober
/// ```
pub struct TokenFile {
    tokens: Arc<RwLock<Arc<Tokens>>>,
    _following: AbortOnDropHandle<()>,
}

impl TokenFile {
    /// Reads a file, within a runtime of tokio.
    ///
    /// # Errors
    /// When it cannot be read, or a line is wrong.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_and_look(path, LOOK_EVERY)
    }

    /// The same with another time between looks at the file than 10 seconds.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_and_look(path: impl AsRef<Path>, every: Duration) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let text = file::read(WHAT, &path)?;
        let tokens = Tokens::parse(&text, &path)?;
        let tokens = Arc::new(RwLock::new(Arc::new(tokens)));
        let place = Arc::clone(&tokens);
        let named = path.clone();
        let following = file::follow(WHAT, path, text, every, move |text| {
            let tokens = Arc::new(Tokens::parse(text, &named)?);
            *place.write().unwrap_or_else(PoisonError::into_inner) = tokens;
            Ok(())
        });
        Ok(Self {
            tokens,
            _following: AbortOnDropHandle::new(tokio::spawn(following)),
        })
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenFile").finish_non_exhaustive()
    }
}

#[async_trait]
impl Scheme for TokenFile {
    async fn verify(&self, token: &str) -> Result<Principal, Denied> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        tokens.find(token).ok_or(Denied::Invalid)
    }
}

type Digest = [u8; SHA256_OUTPUT_LEN];

/// The tokens by a part of their digests, which tells nothing of them: neither
/// the memory nor the time of a look-up gives a token away.
struct Tokens(HashMap<[u8; 8], Vec<(Digest, Principal)>>);

impl Tokens {
    fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut tokens = Self(HashMap::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(token) = words.next() else {
                continue;
            };
            // A token is not for anybody's eyes.
            let wrong = |reason: &str| Error::AuthUnusable {
                what: WHAT,
                place: format!("{}:{number}", path.display()),
                reason: reason.to_owned(),
            };
            let name = words.next();
            let name = name.ok_or_else(|| wrong("a token needs a name behind it"))?;
            if !is_token(token) {
                return Err(wrong(
                    "a token has letters, digits and -._~+/ only, as a header takes it",
                ));
            }
            let principal = Principal::new("token", name, words.map(str::to_owned));
            if tokens.find(token).is_some() {
                return Err(wrong("the same token stands further up already"));
            }
            tokens.insert(token, principal);
        }
        Ok(tokens)
    }

    fn insert(&mut self, token: &str, principal: Principal) {
        let (part, whole) = digests(token);
        self.0.entry(part).or_default().push((whole, principal));
    }

    fn find(&self, token: &str) -> Option<Principal> {
        let (part, whole) = digests(token);
        let mut alike = self.0.get(&part)?.iter();
        let found = alike.find(|(known, _)| bool::from(known.ct_eq(&whole)));
        found.map(|(_, principal)| principal.clone())
    }
}

fn digests(token: &str) -> ([u8; 8], Digest) {
    let mut whole = Digest::default();
    whole.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    let mut part = [0; 8];
    part.copy_from_slice(&whole[..8]);
    (part, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Tokens, Error> {
        Tokens::parse(text, Path::new("tokens"))
    }

    #[test]
    fn a_line_is_a_token_with_name_and_scopes() {
        let text = "# all\n\n  abc  alice users.read\tusers.write # hers\nxyz== prober\n";
        let tokens = parse(text).unwrap();
        let alice = tokens.find("abc").unwrap();
        assert_eq!(alice.subject(), "alice");
        assert_eq!(alice.scopes(), ["users.read", "users.write"]);
        assert_eq!(alice.scheme(), "token");
        assert!(tokens.find("xyz==").unwrap().scopes().is_empty());
        for other in ["", "ab", "abcd", "xyz", "ABC", "alice"] {
            assert!(tokens.find(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_token() {
        for (text, expected) in [
            ("a one\nsecret\n", "tokens:2: a token needs a name"),
            ("sec:ret one", "tokens:1: a token has letters"),
            ("secret one\n\nsecret two", "tokens:3: the same token"),
        ] {
            let error = parse(text).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("sec"), "{error}");
        }
    }
}
