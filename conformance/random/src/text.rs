//! JSON texts changed a little: mostly still JSON, and often still messages,
//! with the values that mappings to JSON disagree about.

use std::ops::Range;

use crate::Random;

/// What may stand where another value stood.
const VALUES: [&str; 68] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "1.0",
    "1.5",
    "1e2",
    "1E+2",
    "100e-2",
    "1e-1",
    "0.1e1",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "3.4028235e38",
    "3.5e38",
    "1e309",
    "-1e309",
    "1e-400",
    "\"\"",
    "\"0\"",
    "\"1\"",
    "\"-1\"",
    "\"1.0\"",
    "\"1e2\"",
    "\"1.5\"",
    "\" 1\"",
    "\"1 \"",
    "\"+1\"",
    "\"01\"",
    "\"0x1\"",
    "\"NaN\"",
    "\"-NaN\"",
    "\"nan\"",
    "\"Infinity\"",
    "\"-Infinity\"",
    "\"inf\"",
    "\"18446744073709551615\"",
    "\"true\"",
    "\"null\"",
    "\"é\\u00e9\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"YQ\"",
    "\"YQ==\"",
    "\"YR==\"",
    "\"_-8\"",
    "\"1970-01-01T00:00:00Z\"",
    "\"1970-01-01T00:00:00.1+01:00\"",
    "\"1s\"",
    "\"-0.5s\"",
    "\"a.b,cD\"",
    "{}",
    "[]",
    "[null]",
    "[1]",
    "{\"a\":1}",
];

/// Keys that may stand where another key stood.
const KEYS: [&str; 8] = [
    "\"unknown\"",
    "\"\"",
    "\"1\"",
    "\"-1\"",
    "\"01\"",
    "\"true\"",
    "\"value\"",
    "\"@type\"",
];

/// A text with one to three changes.
#[must_use]
pub fn mutate(random: &mut Random, json: &str) -> Vec<u8> {
    let mut text = json.to_owned();
    for _ in 0..1 + random.below(3) {
        let tokens = tokens(&text);
        if tokens.is_empty() {
            break;
        }
        let token = tokens[random.below(tokens.len())].clone();
        let is_key = text[token.end..].starts_with(':');
        let replacement = match random.below(12) {
            // One token becomes another of the same text.
            0 | 1 => text[tokens[random.below(tokens.len())].clone()].to_owned(),
            2 => {
                let mut bytes = text.into_bytes();
                change_bytes(random, &mut bytes);
                return bytes;
            }
            3 if is_key => {
                // The member comes twice.
                let copy = format!("{}:{},", &text[token.clone()], random.pick(&VALUES));
                text.insert_str(token.start, &copy);
                continue;
            }
            4 if is_key => {
                remove_member(&mut text, &tokens, &token);
                continue;
            }
            5 => {
                let spaces = random.pick(&[" ", "\n\t", "\r\n  "]);
                text.insert_str(token.start, spaces);
                continue;
            }
            _ if is_key => random.pick(&KEYS).to_owned(),
            _ => random.pick(&VALUES).to_owned(),
        };
        text.replace_range(token, &replacement);
    }
    text.into_bytes()
}

/// Removes the member with this key, if its value is one token.
fn remove_member(text: &mut String, tokens: &[Range<usize>], key: &Range<usize>) {
    let Some(value) = tokens.iter().find(|token| token.start == key.end + 1) else {
        return;
    };
    let (mut start, mut end) = (key.start, value.end);
    if text[end..].starts_with(',') {
        end += 1;
    } else if text[..start].ends_with(',') {
        start -= 1;
    }
    text.replace_range(start..end, "");
}

/// Changes, adds or removes a byte, anywhere.
fn change_bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    const ALPHABET: &[u8] = b"{}[]\",:\\0123456789.eE+-untrfalse_Z \n\xff\x1f";
    let at = random.below(bytes.len());
    let byte = random.pick(ALPHABET);
    match random.below(3) {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        _ => drop(bytes.remove(at)),
    }
}

/// Where the strings, numbers and words of a JSON text are.
fn tokens(json: &str) -> Vec<Range<usize>> {
    let bytes = json.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at += 1;
        match bytes[start] {
            b'"' => {
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                found.push(start..at);
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                found.push(start..at);
            }
            _ => {}
        }
    }
    found.retain(|token| json.is_char_boundary(token.start) && json.is_char_boundary(token.end));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_text() {
        let json = r#"{"a\"":[-1.5,true,"é"]}"#;
        let found: Vec<&str> = tokens(json).into_iter().map(|token| &json[token]).collect();
        assert_eq!(found, [r#""a\"""#, "-1.5", "true", r#""é""#]);
        assert_eq!(tokens("\"abc\\").len(), 1);
    }

    #[test]
    fn members_are_removed() {
        let removed = |json: &str, key: usize| {
            let mut text = json.to_owned();
            let tokens = tokens(json);
            remove_member(&mut text, &tokens, &tokens[key]);
            text
        };
        assert_eq!(removed(r#"{"a":1,"b":2}"#, 0), r#"{"b":2}"#);
        assert_eq!(removed(r#"{"a":1,"b":2}"#, 2), r#"{"a":1}"#);
        assert_eq!(removed(r#"{"a":{}}"#, 0), r#"{"a":{}}"#);
    }

    #[test]
    fn texts_change() {
        let mut random = Random(1);
        let json = r#"{"a":1,"b":{"c":[null,"d"]}}"#;
        let changed = (0..100).filter(|_| mutate(&mut random, json) != json.as_bytes());
        assert!(changed.count() > 80);
    }
}
