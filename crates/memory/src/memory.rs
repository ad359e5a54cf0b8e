//! What a memory is, and what a client may ask about memories, as types that
//! can only hold what the contract allows. Words have their own file,
//! [`crate::words`]; nothing here knows a store or a protocol.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU32,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use jiff::Timestamp;
use uuid::Uuid;

use crate::error::Invalid;

/// Free labels of a memory.
pub type Metadata = BTreeMap<String, String>;

/// A stored memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Its name, made when it was stored.
    pub id: MemoryId,
    /// The text.
    pub content: String,
    /// Free labels.
    pub metadata: Metadata,
    /// The embedding as it was given, or empty.
    pub vector: Vec<f32>,
    /// When it was stored.
    pub created_at: CreatedAt,
}

/// A memory to store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewMemory {
    /// The text.
    pub content: String,
    /// Free labels.
    pub metadata: Metadata,
    /// The embedding, if it has one. Without it, searches by vector do not
    /// find the memory.
    pub vector: Option<Vector>,
}

impl NewMemory {
    /// About how many bytes this takes, in memory as on disk.
    #[must_use]
    pub fn size(&self) -> usize {
        let labels: usize = self
            .metadata
            .iter()
            .map(|(key, value)| key.len() + value.len() + 64)
            .sum();
        let vector = self.vector.as_ref().map_or(0, |v| v.components().len());
        self.content.len() + labels + vector * size_of::<f32>() + 128
    }
}

/// A memory that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The memory.
    pub memory: Memory,
    /// How well it fits; higher is better.
    pub score: f32,
}

/// The id of a memory, a `UUIDv7`: ids rise in the order of storing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryId(Uuid);

impl MemoryId {
    /// Reads an id; `None` for text that no memory can have as its id.
    ///
    /// # Errors
    /// When the text is empty.
    pub fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        if text.is_empty() {
            return Err(Invalid::EmptyId);
        }
        // The parser also takes forms that we never write: braces, `urn:`.
        let id = Uuid::try_parse(text).ok().map(Self);
        Ok(id.filter(|id| id.to_string() == text))
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    pub(crate) fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for MemoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// When a memory was stored, to the microsecond. Shown as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CreatedAt(Timestamp);

impl CreatedAt {
    /// The time that many microseconds after 1970 began; clamped to the years
    /// that RFC 3339 can show.
    #[must_use]
    pub fn from_microseconds(microseconds: i64) -> Self {
        Self(
            Timestamp::from_microsecond(microseconds).unwrap_or(if microseconds < 0 {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            }),
        )
    }

    /// Microseconds since 1970 began.
    #[must_use]
    pub fn microseconds(self) -> i64 {
        self.0.as_microsecond()
    }
}

impl fmt::Display for CreatedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

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

/// The state of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Memories stored.
    pub memories: u64,
    /// Memories with a vector.
    pub vectors: u64,
    /// The dimension, once it is fixed.
    pub dimension: Option<Dimension>,
    /// Bytes that the store takes on disk, all namespaces together.
    pub disk_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_in_the_form_they_are_written() {
        let text = "0193a5b1-7c3e-7abc-8def-0123456789ab";
        let id = MemoryId::parse(text).unwrap().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(MemoryId::parse(""), Err(Invalid::EmptyId));
        for unknown in ["x", &text.to_uppercase(), &text.replace('-', ""), "{}"] {
            assert_eq!(MemoryId::parse(unknown), Ok(None), "{unknown}");
        }
    }

    #[test]
    fn times_have_microseconds_and_a_z() {
        let time = CreatedAt::from_microseconds(1_700_000_000_000_010);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.000010Z");
        assert_eq!(
            CreatedAt::from_microseconds(0).to_string(),
            "1970-01-01T00:00:00.000000Z"
        );
        assert!(CreatedAt::from_microseconds(i64::MAX).to_string().len() > 20);
    }

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

    #[test]
    fn filters_are_at_most_64() {
        let pairs = |n: usize| (0..n).map(|i| (i.to_string(), String::new())).collect();
        assert!(Filters::new(pairs(64)).is_ok());
        assert_eq!(Filters::new(pairs(65)), Err(Invalid::Filters(65)));
    }
}
