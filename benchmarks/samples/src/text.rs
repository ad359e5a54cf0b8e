//! Writes the JSON of the samples, compact and as ProtoJSON has it. It is no
//! implementation under test, so that none is its own judge.

use std::fmt::{Display, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A JSON text under construction.
#[derive(Default)]
pub(crate) struct Text(String);

impl Text {
    /// A text that is one object.
    pub(crate) fn object(members: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut text = Self::default();
        text.braces(members);
        text.0.into_bytes()
    }

    /// Writes a key; what is written next is its value.
    pub(crate) fn key(&mut self, name: &str) -> &mut Self {
        self.comma();
        self.quoted(name);
        self.0.push(':');
        self
    }

    pub(crate) fn braces(&mut self, members: impl FnOnce(&mut Self)) {
        self.0.push('{');
        members(self);
        self.0.push('}');
    }

    /// A list, with a piece of work per element that writes it.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut element: impl FnMut(&mut Self, T),
    ) {
        self.0.push('[');
        for item in items {
            self.comma();
            element(self, item);
        }
        self.0.push(']');
    }

    /// A number as it stands: what Rust writes for floats is the shortest text
    /// that reads back as the same.
    pub(crate) fn number(&mut self, number: impl Display) {
        let _ = write!(self.0, "{number}");
    }

    /// A number of 64 bits, which ProtoJSON quotes.
    pub(crate) fn long(&mut self, number: impl Display) {
        let _ = write!(self.0, "\"{number}\"");
    }

    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        self.quoted(&STANDARD.encode(bytes));
    }

    pub(crate) fn quoted(&mut self, text: &str) {
        self.0.push('"');
        for character in text.chars() {
            match character {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\t' => self.0.push_str("\\t"),
                control if control < ' ' => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(control));
                }
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }

    /// A comma, unless this is the first in its brackets or follows a key.
    fn comma(&mut self) {
        if !self.0.ends_with(['{', '[', ':']) {
            self.0.push(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compact_json() {
        let text = Text::object(|text| {
            text.key("a").quoted("x\"\\\n\u{1}é");
            text.key("b").list([1, 2], Text::number);
            text.key("c").braces(|text| text.key("d").long(-7));
            text.key("e")
                .list([[1_u8]], |text, bytes| text.base64(&bytes));
        });
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"a":"x\"\\\n\u0001é","b":[1,2],"c":{"d":"-7"},"e":["AQ=="]}"#
        );
    }
}
