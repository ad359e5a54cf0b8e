//! The careful pass: brackets, commas and, where they are asked for,
//! lines. Nothing here knows of messages.

use super::Careful;
use crate::table::FieldEntry;

impl Careful<'_> {
    /// Opens an object or a list.
    pub(super) fn begin(&mut self, bracket: u8) {
        self.values.out.push(bracket);
        self.indent += usize::from(self.values.options.indent.unwrap_or(0));
    }

    /// Closes it.
    pub(super) fn end(&mut self, bracket: u8, empty: bool) {
        self.indent -= usize::from(self.values.options.indent.unwrap_or(0));
        if !empty {
            self.line();
        }
        self.values.out.push(bracket);
    }

    /// What stands in front of an element or a member.
    pub(super) fn element(&mut self, first: &mut bool) {
        if !std::mem::replace(first, false) {
            self.values.out.push(b',');
        }
        self.line();
    }

    /// The key of a member, which ends with its colon.
    pub(super) fn key(&mut self, key: &[u8], first: &mut bool) {
        self.element(first);
        self.values.out.extend(key);
        if self.values.options.indent.is_some() {
            self.values.out.push(b' ');
        }
    }

    /// The key of a field.
    pub(super) fn key_of(&mut self, field: &FieldEntry, first: &mut bool) {
        let key = field.key(self.values.options.proto_names);
        self.key(key.without_comma(), first);
    }

    /// What parts a key from its value.
    pub(super) fn colon(&mut self) {
        self.values.out.push(b':');
        if self.values.options.indent.is_some() {
            self.values.out.push(b' ');
        }
    }

    fn line(&mut self) {
        if self.values.options.indent.is_some() {
            self.values.out.push(b'\n');
            let indent = self.indent;
            self.values
                .out
                .with_vec(|out| out.resize(out.len() + indent, b' '));
        }
    }
}
