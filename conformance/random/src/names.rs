//! Names as people and machines write them.

use crate::Random;

/// The name of the field with this index in its message, in one of many styles.
/// No two indices give names that are equal, also not as JSON spells them.
pub(crate) fn field(random: &mut Random, index: usize) -> String {
    match random.below(9) {
        0 => format!("plain{index}"),
        1 => format!("snake_case_{index}"),
        2 => format!("camelCase{index}"),
        3 => format!("_leading{index}"),
        4 => format!("trailing{index}_"),
        5 => format!("double__underscore{index}"),
        6 => format!("UPPER_{index}"),
        7 => format!("d_{index}_2d"),
        _ => format!("Capital{index}_x"),
    }
}

/// A name for JSON that the contract chooses itself.
pub(crate) fn json(random: &mut Random, index: usize) -> String {
    match random.below(7) {
        0 => format!("@id{index}"),
        1 => format!("with space {index}"),
        2 => format!("naïve{index}"),
        3 => format!("quo\"te{index}"),
        4 => format!("back\\slash/{index}"),
        5 => format!("a.b{index}"),
        _ => format!("{index}"),
    }
}

/// What JSON makes of a name when the contract says nothing: an underscore goes
/// and capitalises what follows (descriptor.proto, `json_name`).
pub(crate) fn lower_camel(name: &str) -> String {
    let mut out = String::new();
    let mut capital = false;
    for character in name.chars() {
        if character == '_' {
            capital = true;
        } else if std::mem::take(&mut capital) {
            out.push(character.to_ascii_uppercase());
        } else {
            out.push(character);
        }
    }
    out
}

/// The name of the entry type of a map, as every compiler makes it.
pub(crate) fn map_entry(field: &str) -> String {
    let camel = lower_camel(field);
    let mut characters = camel.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first
        .into_iter()
        .chain(characters)
        .chain("Entry".chars())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_json_as_the_specification_has_it() {
        assert_eq!(lower_camel("snake_case_1"), "snakeCase1");
        assert_eq!(lower_camel("_leading1"), "Leading1");
        assert_eq!(lower_camel("double__underscore"), "doubleUnderscore");
        assert_eq!(lower_camel("trailing1_"), "trailing1");
        assert_eq!(map_entry("string_keys"), "StringKeysEntry");
    }

    #[test]
    fn names_are_unique_in_both_spellings() {
        for seed in 0..2000 {
            let mut random = Random(seed);
            let mut seen = std::collections::HashSet::new();
            for index in 0..30 {
                let name = field(&mut random, index);
                let loose = name.replace('_', "").to_lowercase();
                assert!(seen.insert(loose), "{name}");
            }
        }
    }
}
