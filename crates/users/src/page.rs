//! Pages of users: how large they are, and the tokens that say where the next
//! one begins. A token names the last user of the page before it, so users that
//! are made or removed meanwhile shift nothing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;

use crate::{error::Invalid, user::UserId};

/// The form of tokens; a first byte that says so lets it change.
const FORM: u8 = 1;

/// How many users a page has at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// The most there can be.
    pub const MAX: i32 = 1000;

    /// What 0 means.
    pub const DEFAULT: i32 = 50;

    /// Reads a size; 0 is [`PageSize::DEFAULT`].
    ///
    /// # Errors
    /// When it is negative or too large.
    pub fn new(size: i32) -> Result<Self, Invalid> {
        let asked = if size == 0 { Self::DEFAULT } else { size };
        match u16::try_from(asked) {
            Ok(asked) if i32::from(asked) <= Self::MAX => Ok(Self(asked)),
            _ => Err(Invalid::field(
                "page_size",
                format!(
                    "page_size must be 1 to {}, or 0 for {}; got {size}",
                    Self::MAX,
                    Self::DEFAULT
                ),
            )),
        }
    }

    pub(crate) fn get(self) -> usize {
        self.0.into()
    }
}

/// What tokens are signed with, so that nobody else makes one.
#[derive(Clone, Debug)]
pub(crate) struct PageKey(hmac::Key);

impl PageKey {
    /// The length of a key in bytes.
    pub(crate) const LENGTH: usize = 32;

    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The token of the page after this user.
    pub(crate) fn token(&self, last: UserId) -> String {
        let mut token = payload(last).to_vec();
        let signature = hmac::sign(&self.0, &token);
        token.extend_from_slice(signature.as_ref());
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// The user that a page begins after; `None` for the first page.
    pub(crate) fn after(&self, token: &str) -> Result<Option<UserId>, Invalid> {
        if token.is_empty() {
            return Ok(None);
        }
        let wrong = || {
            Invalid::field(
                "page_token",
                "page_token is not one that a page of this server came with",
            )
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
        let (payload, signature) = bytes.split_at_checked(5).ok_or_else(wrong)?;
        hmac::verify(&self.0, payload, signature).map_err(|_| wrong())?;
        match *payload {
            [FORM, a, b, c, d] => {
                let id = UserId::new(i32::from_be_bytes([a, b, c, d]));
                id.map(Some).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

fn payload(last: UserId) -> [u8; 5] {
    let [a, b, c, d] = last.get().to_be_bytes();
    [FORM, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> PageKey {
        PageKey::new(&[7; PageKey::LENGTH])
    }

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        assert_eq!(PageSize::new(0).unwrap().get(), 50);
        assert_eq!(PageSize::new(1).unwrap().get(), 1);
        assert_eq!(PageSize::new(1000).unwrap().get(), 1000);
        for bad in [-1, 1001, i32::MAX, i32::MIN] {
            assert_eq!(
                PageSize::new(bad).unwrap_err().to_string(),
                format!("page_size must be 1 to 1000, or 0 for 50; got {bad}")
            );
        }
    }

    #[test]
    fn a_token_is_of_one_server_and_cannot_be_changed() {
        let last = UserId::new(4711).unwrap();
        let token = key().token(last);
        assert_eq!(key().after(&token).unwrap(), Some(last));
        assert_eq!(key().after("").unwrap(), None);
        let other = PageKey::new(&[8; PageKey::LENGTH]);
        assert!(other.after(&token).is_err());
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(key().after(&forged).is_err(), "{forged}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token(text in any::<String>()) {
            let read = key().after(&text);
            prop_assert!(text.is_empty() || read.is_err());
        }
    }
}
