//! Embeddings and how two of them are compared, as types that hold only what
//! can be compared. Many of them together are [`crate::vector`].

use std::{fmt, num::NonZeroU32, str::FromStr};

use crate::error::Invalid;

/// An embedding: one component at least, all finite, and not all zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector(Vec<f32>);

impl Vector {
    /// Checks the components.
    ///
    /// # Errors
    /// When there are none or too many, one is NaN or infinite, or all are
    /// zero and so have no direction.
    pub fn new(components: Vec<f32>) -> Result<Self, Invalid> {
        Dimension::new(components.len())?;
        if let Some(index) = components.iter().position(|x| !x.is_finite()) {
            return Err(Invalid::NotFinite {
                index,
                value: components[index],
            });
        }
        if components.iter().all(|x| *x == 0.0) {
            return Err(Invalid::AllZero {
                last: components.len() - 1,
            });
        }
        Ok(Self(components))
    }

    /// The components, as they were given.
    #[must_use]
    pub fn components(&self) -> &[f32] {
        &self.0
    }

    /// How many components there are.
    #[must_use]
    pub fn dimension(&self) -> Dimension {
        Dimension(NonZeroU32::new(self.0.len() as u32).expect("checked when it was made"))
    }

    pub(crate) fn into_components(self) -> Vec<f32> {
        self.0
    }
}

/// How many components the vectors of a namespace have: 1 to
/// [`Dimension::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimension(NonZeroU32);

impl Dimension {
    /// The largest dimension. Embeddings have a few thousand components at
    /// most; beyond this somebody has mistaken something for a vector.
    pub const MAX: usize = 65_536;

    /// A dimension of that many components.
    ///
    /// # Errors
    /// When it is 0 or over [`Dimension::MAX`].
    pub fn new(components: usize) -> Result<Self, Invalid> {
        u32::try_from(components)
            .ok()
            .filter(|_| components <= Self::MAX)
            .and_then(NonZeroU32::new)
            .map(Self)
            .ok_or(Invalid::Dimension { got: components })
    }

    /// How many components that is.
    #[must_use]
    pub fn components(self) -> usize {
        self.0.get() as usize
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How two vectors are compared. A higher score is always better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// The cosine of the angle between them, from -1 to 1.
    #[default]
    Cosine,
    /// Their dot product.
    Dot,
    /// Their Euclidean distance, negated: 0 for equal vectors.
    L2,
}

impl FromStr for Metric {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "cosine" => Ok(Self::Cosine),
            "dot" => Ok(Self::Dot),
            "l2" => Ok(Self::L2),
            _ => Err(Invalid::Metric(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_without_a_direction_are_refused() {
        let message = |components: Vec<f32>| Vector::new(components).unwrap_err().to_string();
        assert_eq!(
            message(vec![1.0, f32::NAN]),
            "vector component 1 is NaN; components must be finite numbers"
        );
        assert_eq!(
            message(vec![f32::NEG_INFINITY]),
            "vector component 0 is -inf; components must be finite numbers"
        );
        assert_eq!(
            message(vec![0.0, -0.0]),
            "vector components 0 to 1 are all zero; at least one must differ from zero"
        );
        assert_eq!(
            message(Vec::new()),
            "a vector has 1 to 65536 components; this one has 0"
        );
        assert!(Vector::new(vec![1.0; Dimension::MAX]).is_ok());
        assert!(Vector::new(vec![1.0; Dimension::MAX + 1]).is_err());
    }
}
