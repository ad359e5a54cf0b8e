//! The straight pass: maps whose entries follow one another, each of a key and
//! a value at most, in this order, and no key twice.
//!
//! Keys are not kept: a hash of each is enough to say that none comes twice.
//! Two keys with one hash end the pass, which costs time and nothing else.

use portolan_schema::Kind;

use super::{Straight, Unusual, Walked, behind_tag, number_at};
use crate::table::FieldEntry;
use crate::wire::payload_at;

impl<'a> Straight<'a> {
    /// The records of a map, of which the first has this tag.
    pub(super) fn map(
        &mut self,
        field: &FieldEntry,
        tag: u32,
        wire: &'a [u8],
        mut at: usize,
    ) -> Walked {
        let entry = field.kind.message().ok_or(Unusual)?;
        let entry = self.values.transcoder.table(entry);
        let (key_field, value_field) = entry.key_and_value().ok_or(Unusual)?;
        let hashes = self.words.begin_list();
        self.values.out.push(b'{');
        loop {
            let (start, end) = payload_at(wire, at).ok_or(Unusual)?;
            self.entry(key_field, value_field, &wire[..end], start)?;
            match behind_tag(tag, wire, end) {
                Some(next) => {
                    self.values.out.push(b',');
                    at = next;
                }
                None => {
                    at = end;
                    break;
                }
            }
        }
        self.values.out.push(b'}');
        if has_twice(self.words.list(hashes)) {
            return Err(Unusual);
        }
        self.words.end_list(hashes);
        Ok(at)
    }

    /// What is left out is its default.
    #[inline(always)]
    fn entry(
        &mut self,
        key_field: &FieldEntry,
        value_field: &FieldEntry,
        wire: &'a [u8],
        mut at: usize,
    ) -> Result<(), Unusual> {
        match behind_tag(key_field.record_tag, wire, at) {
            Some(start) => at = self.map_key(key_field, wire, start)?,
            None => self.default_key(key_field.kind),
        }
        self.values.out.push(b':');
        match behind_tag(value_field.record_tag, wire, at) {
            Some(start) => at = self.value(value_field, wire, start)?,
            None => match value_field.kind.message() {
                Some(id) => self.nested(id, &wire[..at], at)?,
                None => self.values.default_scalar(value_field.kind),
            },
        }
        if at == wire.len() {
            Ok(())
        } else {
            Err(Unusual)
        }
    }

    /// A key, which is always a string in JSON.
    #[inline(always)]
    fn map_key(&mut self, field: &FieldEntry, wire: &'a [u8], at: usize) -> Walked {
        if field.kind == Kind::String {
            let (start, end) = payload_at(wire, at).ok_or(Unusual)?;
            self.words.push(hash(&wire[start..end]));
            self.string(start, end)?;
            return Ok(end);
        }
        let (bits, end) = number_at(field.wire_type, wire, at)?;
        self.number_key(field.kind, bits);
        Ok(end)
    }

    fn default_key(&mut self, kind: Kind) {
        if kind == Kind::String {
            self.words.push(hash(b""));
            self.values.out.put(b"\"\"", 2);
        } else {
            self.number_key(kind, 0);
        }
    }

    fn number_key(&mut self, kind: Kind, bits: u64) {
        // The same key may have other bits where not all of them count.
        self.words.push(match kind {
            Kind::Bool => u64::from(bits != 0),
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 => u64::from(bits as u32),
            _ => bits,
        });
        let is_quoted = matches!(
            kind,
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64
        );
        if is_quoted {
            self.values.number(kind, bits);
        } else {
            self.values.out.push(b'"');
            self.values.number(kind, bits);
            self.values.out.push(b'"');
        }
    }
}

/// Up to this many words are compared pair by pair.
const FEW: usize = 16;

/// Whether a word is there twice. Changes their order.
fn has_twice(words: &mut [u64]) -> bool {
    if words.len() > FEW {
        words.sort_unstable();
        return words.windows(2).any(|pair| pair[0] == pair[1]);
    }
    words
        .iter()
        .enumerate()
        .any(|(index, word)| words[..index].contains(word))
}

/// Of all bytes, and their number.
#[inline(always)]
fn hash(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks();
    let mut state = SEED ^ bytes.len() as u64;
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word));
    }
    // The last eight bytes overlap what is done; fewer are put together.
    let rest = match bytes.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    fold(state ^ rest)
}

/// Both halves of a product.
#[inline(always)]
fn fold(word: u64) -> u64 {
    const FACTOR: u64 = 0xd6e8_feb8_6659_fd93;
    let product = u128::from(word) * u128::from(FACTOR);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_twice_in_short_and_long_lists() {
        for length in 0..100 {
            let mut words: Vec<u64> = (0..length).map(|word| word * 7919 % 101).collect();
            assert!(!has_twice(&mut words.clone()), "{length}");
            if let Some(first) = words.first().copied() {
                words.push(first);
                assert!(has_twice(&mut words), "{length}");
            }
        }
    }

    #[test]
    fn keys_that_differ_a_little_have_other_hashes() {
        let mut hashes: Vec<u64> = (0..100_000)
            .flat_map(|number: u32| {
                [
                    format!("{number}"),
                    format!("key {number:07} of a long common end"),
                    format!("a long common start, and {number}"),
                ]
            })
            .map(|key| hash(key.as_bytes()))
            .chain((0..64).map(|length| hash(&vec![0; length])))
            .collect();
        assert!(!has_twice(&mut hashes));
    }
}
