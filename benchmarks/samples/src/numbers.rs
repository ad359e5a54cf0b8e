//! Pseudo-random numbers and words: from a seed, so that every run and every
//! contender sees the same, and nothing has to be fetched.

/// Syllables that words are made of.
const SYLLABLES: [&str; 16] = [
    "an", "be", "cor", "da", "el", "fi", "gra", "ho", "in", "ka", "lo", "mer", "no", "por", "ta",
    "vi",
];

/// SplitMix64: small, and good enough for samples.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number from 0 to 1 with all the digits that a double has.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A word of two to four syllables.
    pub(crate) fn word(&mut self) -> String {
        let syllables = 2 + self.below(3);
        (0..syllables).map(|_| self.pick(&SYLLABLES)).collect()
    }

    /// As many words, parted by spaces.
    pub(crate) fn words(&mut self, count: usize) -> String {
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }
}
