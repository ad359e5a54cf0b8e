//! What is stored and searched: made from a seed, so that every run and every
//! peer sees the same, and nothing has to be fetched.

use std::collections::BTreeMap;

use portolan_memory::proto::StoreMemoryRequest;

/// Components of a vector; what common sentence models give.
pub(crate) const DIMENSION: usize = 384;

/// Words of a text.
const WORDS: usize = 16;

/// Where the queries begin: no memory is made from a seed like this.
const QUERIES: u64 = 1 << 40;

/// A memory as a client sends it: about 140 characters, two labels, a vector.
pub(crate) fn memory(seed: u64) -> StoreMemoryRequest {
    let mut numbers = Numbers::new(seed);
    let words: Vec<String> = (0..WORDS)
        .map(|_| format!("word{}", numbers.next() % 5_000))
        .collect();
    let metadata = BTreeMap::from([
        ("type".to_owned(), "note".to_owned()),
        ("user".to_owned(), format!("user{}", numbers.next() % 100)),
    ]);
    StoreMemoryRequest {
        content: words.join(" "),
        metadata,
        vector: vector(seed),
    }
}

/// A vector of length 1, in a direction of its own.
pub(crate) fn vector(seed: u64) -> Vec<f32> {
    let mut numbers = Numbers::new(!seed);
    let mut vector: Vec<f32> = (0..DIMENSION).map(|_| numbers.component()).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for component in &mut vector {
        *component /= length;
    }
    vector
}

/// A vector to search with.
pub(crate) fn query(seed: u64) -> Vec<f32> {
    vector(QUERIES + seed)
}

/// SplitMix64: small, and good enough for samples.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from -1 to 1.
    fn component(&mut self) -> f32 {
        // 24 bits, which a float holds exactly.
        (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_the_same_every_time_and_differ_by_seed() {
        assert_eq!(memory(7), memory(7));
        assert_ne!(memory(7).vector, memory(8).vector);
        assert_ne!(memory(7).content, memory(8).content);
        assert_ne!(query(7), vector(7));
    }

    #[test]
    fn vectors_have_length_one() {
        let length: f32 = vector(3).iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
}
