//! From wire bytes to JSON: brackets, commas and, where they are asked for,
//! lines. Nothing here knows of messages.

use super::Writer;

impl Writer<'_> {
    /// Opens an object or a list.
    pub(super) fn begin(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.indent += usize::from(self.options.indent.unwrap_or(0));
    }

    /// Closes it.
    pub(super) fn end(&mut self, bracket: u8, empty: bool) {
        self.indent -= usize::from(self.options.indent.unwrap_or(0));
        if !empty {
            self.line();
        }
        self.out.push(bracket);
    }

    /// What stands in front of an element or a member.
    pub(super) fn element(&mut self, first: &mut bool) {
        if !std::mem::replace(first, false) {
            self.out.push(b',');
        }
        self.line();
    }

    /// The key of a member, which ends with its colon.
    pub(super) fn key(&mut self, key: &str, first: &mut bool) {
        self.element(first);
        self.out.extend_from_slice(key.as_bytes());
        if self.options.indent.is_some() {
            self.out.push(b' ');
        }
    }

    /// What parts a key from its value.
    pub(super) fn colon(&mut self) {
        self.out.push(b':');
        if self.options.indent.is_some() {
            self.out.push(b' ');
        }
    }

    fn line(&mut self) {
        if self.options.indent.is_some() {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + self.indent, b' ');
        }
    }
}
