//! The names that clients choose: of namespaces and of batches.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use crate::error::Invalid;

/// The part of the store that a call works in. No call sees the memories of
/// another namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// The longest name.
    pub const MAX_LENGTH: usize = 64;

    /// The namespace of this name: 1 to [`Namespace::MAX_LENGTH`] of lower-case
    /// letters, digits, `.`, `_` and `-`.
    ///
    /// # Errors
    /// For any other name.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        let known =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > Self::MAX_LENGTH || !name.bytes().all(known) {
            return Err(Invalid::Namespace);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    /// The namespace of calls that name none, `default`.
    fn default() -> Self {
        static DEFAULT: LazyLock<Namespace> = LazyLock::new(|| Namespace("default".into()));
        DEFAULT.clone()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The client's name for a batch, by which it can be sent again after it broke
/// off: 1 to [`BatchId::MAX_LENGTH`] visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchId(String);

impl BatchId {
    /// The longest id.
    pub const MAX_LENGTH: usize = 128;

    /// Checks the name.
    ///
    /// # Errors
    /// When it is empty, too long or not visible ASCII.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        if name.is_empty()
            || name.len() > Self::MAX_LENGTH
            || !name.bytes().all(|c| c.is_ascii_graphic())
        {
            return Err(Invalid::BatchId);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["default", "a", "team-1.notes_x", &"x".repeat(64)] {
            assert!(Namespace::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a b", "a/b", "ü", "a\0", &"x".repeat(65)] {
            assert_eq!(Namespace::new(bad), Err(Invalid::Namespace), "{bad}");
        }
        for good in ["1", "import/2024:x", &"x".repeat(128)] {
            assert!(BatchId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ü", "\n", &"x".repeat(129)] {
            assert_eq!(BatchId::new(bad), Err(Invalid::BatchId), "{bad}");
        }
    }
}
