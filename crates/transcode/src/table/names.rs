//! From a name to what it stands for: a small open-addressed table that is
//! built once. The names are those of a contract, so nobody can choose them to
//! collide.

/// Names and the number that each stands for.
#[derive(Debug)]
pub(crate) struct Names {
    /// Positions in `entries`, plus one; zero is free. Twice as many places as
    /// entries or more, a power of two.
    places: Box<[u32]>,
    entries: Vec<(Box<[u8]>, u32)>,
    shift: u32,
}

impl Names {
    /// Of several entries with one name the first counts.
    pub(crate) fn new<'n>(names: impl Iterator<Item = (&'n str, u32)>) -> Self {
        let all: Vec<(&str, u32)> = names.collect();
        let size = (all.len() * 2).next_power_of_two().max(4);
        let mut table = Self {
            places: vec![0; size].into(),
            entries: Vec::with_capacity(all.len()),
            shift: 64 - size.trailing_zeros(),
        };
        for (name, value) in all {
            if let Err(place) = table.find(name.as_bytes()) {
                table.entries.push((name.as_bytes().into(), value));
                table.places[place] = table.entries.len() as u32;
            }
        }
        table
    }

    /// What this name stands for.
    #[inline]
    pub(crate) fn get(&self, name: &[u8]) -> Option<u32> {
        self.find(name).ok()
    }

    /// What the name stands for, or the free place for it.
    #[inline]
    fn find(&self, name: &[u8]) -> Result<u32, usize> {
        let mask = self.places.len() - 1;
        let mut place = (hash(name) >> self.shift) as usize & mask;
        loop {
            match self.places[place] {
                0 => return Err(place),
                position => {
                    let (known, value) = &self.entries[position as usize - 1];
                    if **known == *name {
                        return Ok(*value);
                    }
                }
            }
            place = (place + 1) & mask;
        }
    }
}

/// Of the length and all bytes: names that are made by counting differ in their
/// middle only. The last eight bytes may be counted twice.
#[inline]
fn hash(name: &[u8]) -> u64 {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let length = name.len() as u64;
    let Some(last) = name.last_chunk::<8>() else {
        let word = name
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        return mix(length, word);
    };
    let (words, _) = name.as_chunks::<8>();
    let hash = words
        .iter()
        .fold(length, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    mix(hash, u64::from_le_bytes(*last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        let names: Vec<String> = (0..1000)
            .map(|number| format!("a_common_start_{number}_and_end"))
            .chain((0..50).map(|length| "x".repeat(length)))
            .collect();
        let table = Names::new(names.iter().map(String::as_str).zip(0..));
        for (name, value) in names.iter().zip(0..) {
            assert_eq!(table.get(name.as_bytes()), Some(value), "{name}");
            assert_eq!(table.get(format!("{name}?").as_bytes()), None);
        }
        assert_eq!(Names::new(std::iter::empty()).get(b""), None);
    }

    #[test]
    fn names_that_differ_in_their_middle_are_found_as_fast() {
        let names: Vec<String> = (0..20_000)
            .map(|number| format!("ERROR_CODE_{number:05}_DEPRECATED"))
            .collect();
        let table = Names::new(names.iter().map(String::as_str).zip(0..));
        let steps = |name: &str| {
            let mask = table.places.len() - 1;
            let mut place = (hash(name.as_bytes()) >> table.shift) as usize & mask;
            let mut steps = 1;
            while table.places[place] != 0
                && *table.entries[table.places[place] as usize - 1].0 != *name.as_bytes()
            {
                place = (place + 1) & mask;
                steps += 1;
            }
            steps
        };
        let all: usize = names.iter().map(|name| steps(name)).sum();
        assert!(all < 3 * names.len(), "{all} steps for {}", names.len());
    }

    #[test]
    fn the_first_of_a_name_counts() {
        let table = Names::new([("a", 1), ("a", 2)].into_iter());
        assert_eq!(table.get(b"a"), Some(1));
    }
}
