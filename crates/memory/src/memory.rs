//! What a memory is: its parts, its id, its time. Nothing here knows a store or
//! a protocol.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    embedding::{Dimension, Vector},
    error::Invalid,
};

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
}
