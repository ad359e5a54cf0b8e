//! What a client may ask of a search, as types that hold only what the contract
//! allows. The words of a query are in [`crate::words`].

use crate::{error::Invalid, memory::Metadata};

/// How many results a search gives at most: 1 to [`Limit::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u16);

impl Limit {
    /// The largest limit.
    pub const MAX: i32 = 1000;

    /// Reads the contract's form, in which 0 means 10.
    ///
    /// # Errors
    /// When it is negative or over [`Limit::MAX`].
    pub fn new(limit: i32) -> Result<Self, Invalid> {
        match limit {
            0 => Ok(Self::default()),
            1..=Self::MAX => Ok(Self(limit as u16)),
            _ => Err(Invalid::Limit(limit)),
        }
    }

    /// The number of results.
    #[must_use]
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(10)
    }
}

/// The least score of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold(f32);

impl Threshold {
    /// Reads the contract's form, in which 0 means none.
    ///
    /// # Errors
    /// When it is NaN or infinite.
    pub fn new(threshold: f32) -> Result<Option<Self>, Invalid> {
        if !threshold.is_finite() {
            return Err(Invalid::Threshold(threshold));
        }
        Ok((threshold != 0.0).then_some(Self(threshold)))
    }

    /// The score that is still enough.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

/// Metadata that a result must carry: every pair, equal to the byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(Metadata);

impl Filters {
    /// The most pairs a search may have.
    pub const MAX: usize = 64;

    /// Filters by these pairs; none lets every memory through.
    ///
    /// # Errors
    /// When there are more than [`Filters::MAX`].
    pub fn new(pairs: Metadata) -> Result<Self, Invalid> {
        if pairs.len() > Self::MAX {
            return Err(Invalid::Filters(pairs.len()));
        }
        Ok(Self(pairs))
    }

    /// The pairs, ordered by key.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether every memory passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_1_to_1000_and_0_means_10() {
        assert_eq!(Limit::new(0).unwrap().get(), 10);
        assert_eq!(Limit::new(1).unwrap().get(), 1);
        assert_eq!(Limit::new(1000).unwrap().get(), 1000);
        for bad in [-1, 1001, i32::MIN, i32::MAX] {
            assert_eq!(Limit::new(bad), Err(Invalid::Limit(bad)));
        }
    }

    #[test]
    fn thresholds_are_finite_and_0_means_none() {
        assert_eq!(Threshold::new(0.0), Ok(None));
        assert_eq!(Threshold::new(-0.0), Ok(None));
        assert_eq!(Threshold::new(-0.5).unwrap().unwrap().get(), -0.5);
        assert!(Threshold::new(f32::NAN).is_err());
        assert!(Threshold::new(f32::INFINITY).is_err());
    }

    #[test]
    fn filters_are_at_most_64() {
        let pairs = |n: usize| (0..n).map(|i| (i.to_string(), String::new())).collect();
        assert!(Filters::new(pairs(64)).is_ok());
        assert_eq!(Filters::new(pairs(65)), Err(Invalid::Filters(65)));
    }
}
