//! How many bytes an answer of the contract takes, counted while it is put
//! together, so that one that would pass the limit is never held in full. What
//! a limit means to the caller is for those who count.

use prost::length_delimiter_len;

use crate::{
    error::Invalid,
    memory::{Found, Memory, NewMemory},
};

/// The bytes of an answer that may be had, when nobody says otherwise: what a
/// gRPC client takes by default.
pub(crate) const DEFAULT: usize = 4 << 20;

/// A stored item in the answer to a batch: its id, of 36 characters.
pub(crate) const STORED: usize = field(36);

/// `stored_count` at its longest.
pub(crate) const COUNT: usize = 1 + 5;

/// The longest sentence for an item that does not fit the namespace; see the
/// test.
const MISFIT: usize = "Invalid vector dimension: expected 65536, got 65536".len();

/// A field with a number below 16 that holds this many bytes.
const fn field(length: usize) -> usize {
    // `length_delimiter_len` is not for constants; all of these are short.
    assert!(length < 128);
    1 + 1 + length
}

/// A refused item in the answer to a batch, with a sentence of this length. The
/// index counts as the longest there may be.
pub(crate) fn refused(sentence: usize) -> usize {
    const INDEX_AND_CODE: usize = (1 + 5) + (1 + 1);
    long_field(INDEX_AND_CODE + long_field(sentence))
}

/// What an item takes in the answer to its batch at most, whatever becomes of
/// it.
pub(crate) fn item(item: &Result<NewMemory, Invalid>) -> usize {
    match item {
        Ok(memory) if memory.vector.is_some() => STORED.max(refused(MISFIT)),
        Ok(_) => STORED,
        Err(invalid) => refused(invalid.to_string().len()),
    }
}

/// A memory and its score in the answer to a search.
pub(crate) fn found(found: &Found) -> usize {
    long_field(memory(&found.memory)) + size_of::<f32>()
}

/// What an answer to a search takes besides: the head of the packed scores.
pub(crate) const SCORES: usize = 1 + 2;

fn memory(memory: &Memory) -> usize {
    let labels: usize = memory
        .metadata
        .iter()
        .map(|(key, value)| long_field(text(key) + text(value)))
        .sum();
    let vector = match memory.vector.len() {
        0 => 0,
        components => long_field(components * size_of::<f32>()),
    };
    // The time, `2024-01-01T00:00:00.000000Z`, is longer in other millennia.
    STORED + text(&memory.content) + labels + vector + field(27)
}

/// A text, which is left out when it is empty.
fn text(text: &str) -> usize {
    match text.len() {
        0 => 0,
        length => long_field(length),
    }
}

fn long_field(length: usize) -> usize {
    1 + length_delimiter_len(length) + length
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::{
        embedding::{Dimension, Vector},
        memory::{CreatedAt, MemoryId},
        proto,
    };

    #[test]
    fn what_is_found_is_counted_to_the_byte() {
        let mut answer = proto::SearchVectorResponse::default();
        let mut counted = 0;
        for (content, vector) in [
            (String::new(), Vec::new()),
            ("x".repeat(127), vec![1.0; 31]),
            ("x".repeat(128), vec![1.0; 32]),
            ("ü".repeat(40_000), vec![1.0; 65_536]),
        ] {
            let labels = [("", ""), ("k", ""), ("ü", "v"), (content.as_str(), "x")];
            let memory = Memory {
                id: MemoryId::from_bytes([7; 16]),
                metadata: labels.map(|(k, v)| (k.into(), v.into())).into(),
                content,
                vector,
                created_at: CreatedAt::from_microseconds(1_700_000_000_000_010),
            };
            let result = Found { memory, score: 0.5 };
            counted += found(&result);
            answer.memories.push(result.memory.into());
            answer.scores.push(result.score);
        }
        assert_eq!(answer.encoded_len(), counted + 2, "the head is short here");
        assert!(answer.encoded_len() <= counted + SCORES);
    }

    #[test]
    fn no_item_takes_more_than_was_counted() {
        let misfit = Invalid::OtherDimension {
            expected: Dimension::new(Dimension::MAX).unwrap(),
            got: Dimension::MAX,
        };
        assert_eq!(misfit.to_string().len(), MISFIT);
        let refusal = proto::BatchStoreMemoriesResponse {
            failures: vec![proto::BatchStoreFailure {
                index: i32::MAX,
                code: 3,
                message: misfit.to_string(),
            }],
            ..Default::default()
        };
        let with_vector = NewMemory {
            vector: Some(Vector::new(vec![1.0]).unwrap()),
            ..NewMemory::default()
        };
        assert_eq!(refusal.encoded_len(), item(&Ok(with_vector)));
        assert_eq!(refusal.encoded_len(), item(&Err(misfit)));
        let stored = proto::BatchStoreMemoriesResponse {
            ids: vec![MemoryId::from_bytes([7; 16]).to_string()],
            stored_count: i32::MAX,
            failures: Vec::new(),
        };
        assert_eq!(
            stored.encoded_len(),
            item(&Ok(NewMemory::default())) + COUNT
        );
    }
}
