//! One path of a `google.protobuf.FieldMask`: `lowerCamelCase` in JSON,
//! `snake_case` on the wire. Only paths that survive both ways are taken.

/// Appends the path as the wire has it.
pub(crate) fn to_snake(path: &str, out: &mut Vec<u8>) -> Option<()> {
    for byte in path.bytes() {
        match byte {
            b'_' => return None,
            b'A'..=b'Z' => out.extend_from_slice(&[b'_', byte.to_ascii_lowercase()]),
            _ => out.push(byte),
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
