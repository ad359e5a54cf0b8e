//! One path of a `google.protobuf.FieldMask`: `lowerCamelCase` in JSON,
//! `snake_case` on the wire. Only paths that survive both ways are taken.

/// Appends the path as the wire has it.
pub(crate) fn to_snake(path: &[u8], out: &mut Vec<u8>) -> Option<()> {
    for byte in path {
        match *byte {
            b'_' => return None,
            byte @ b'A'..=b'Z' => out.extend_from_slice(&[b'_', byte.to_ascii_lowercase()]),
            byte => out.push(byte),
        }
    }
    Some(())
}

/// The path as JSON has it, where commas part one path from the next.
pub(crate) fn to_camel(path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let mut camel = String::with_capacity(path.len());
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            'A'..='Z' | ',' => return None,
            '_' => camel.push(
                characters
                    .next()
                    .filter(char::is_ascii_lowercase)?
                    .to_ascii_uppercase(),
            ),
            _ => camel.push(character),
        }
    }
    Some(camel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_change_their_case() {
        let mut out = Vec::new();
        to_snake(b"userName.firstPart", &mut out).unwrap();
        assert_eq!(out, b"user_name.first_part");
        assert_eq!(
            to_camel("user_name.first_part").as_deref(),
            Some("userName.firstPart")
        );
    }

    #[test]
    fn paths_that_would_not_come_back_are_refused() {
        assert!(to_snake(b"a_b", &mut Vec::new()).is_none());
        for path in ["aB", "a_3", "a__b", "a_", "", "a,b"] {
            assert_eq!(to_camel(path), None, "{path}");
        }
    }
}
