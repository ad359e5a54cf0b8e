//! JSON spread over lines, for people: what the passes wrote without white
//! space, with a line for every member and element.

use std::cell::Cell;

use crate::raw::{Input, Level, find_special};

/// Room that was needed once is kept up to this many bytes.
const KEPT: usize = 1 << 20;

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends room for JSON without white space and appends it to `out` with lines,
/// each level with `width` more spaces in front.
pub(super) fn spread_over<E>(
    out: &mut Vec<u8>,
    width: u8,
    level: Level,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let mut json = ROOM.take();
    json.clear();
    let result = write(&mut json);
    if result.is_ok() {
        spread(&json, out, usize::from(width), level);
    }
    json.clear();
    json.shrink_to(KEPT);
    ROOM.set(json);
    result
}

fn spread(json: &[u8], out: &mut Vec<u8>, width: usize, level: Level) {
    let input = Input::new(json);
    let mut indent = 0;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                at = string_end(&input, at, level);
                out.extend_from_slice(&json[start..at]);
            }
            b'{' | b'[' => {
                out.push(*byte);
                // An empty one stays on its line.
                if let Some(end @ (b'}' | b']')) = json.get(at) {
                    out.push(*end);
                    at += 1;
                } else {
                    indent += width;
                    line(out, indent);
                }
            }
            b'}' | b']' => {
                indent -= width;
                line(out, indent);
                out.push(*byte);
            }
            b',' => {
                out.push(b',');
                line(out, indent);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(*byte),
        }
    }
}

/// Behind the quote that ends the string whose content begins at `at`.
fn string_end(json: &Input<'_>, mut at: usize, level: Level) -> usize {
    loop {
        let (stop, _) = find_special(json, at, level);
        match json.bytes().get(stop) {
            Some(b'"') => return stop + 1,
            // Whatever is escaped has no quote behind its first byte.
            Some(_) => at = (stop + 2).min(json.bytes().len()),
            None => return json.bytes().len(),
        }
    }
}

fn line(out: &mut Vec<u8>, indent: usize) {
    out.push(b'\n');
    out.resize(out.len() + indent, b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_have_lines() {
        for (json, wanted) in [
            ("{}", "{}"),
            ("[[],{}]", "[\n  [],\n  {}\n]"),
            (
                r#"{"a":1,"b":[true,null]}"#,
                "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ]\n}",
            ),
            (r#""{\"a\":[1,2]}\\""#, r#""{\"a\":[1,2]}\\""#),
            (r#"["\"",""]"#, "[\n  \"\\\"\",\n  \"\"\n]"),
        ] {
            let mut out = Vec::new();
            spread(json.as_bytes(), &mut out, 2, Level::detect());
            assert_eq!(String::from_utf8(out).expect("UTF-8"), wanted);
        }
    }
}
