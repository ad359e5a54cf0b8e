//! The careful pass: brackets and commas. Nothing here knows of messages.

use super::Careful;
use crate::table::FieldEntry;

impl Careful<'_> {
    /// What stands in front of an element or a member.
    pub(super) fn element(&mut self, first: &mut bool) {
        if !std::mem::replace(first, false) {
            self.values.out.push(b',');
        }
    }

    /// The key of a member, which ends with its colon.
    pub(super) fn key(&mut self, key: &[u8], first: &mut bool) {
        self.element(first);
        self.values.out.extend(key);
    }

    /// The key of a field.
    pub(super) fn key_of(&mut self, field: &FieldEntry, first: &mut bool) {
        let key = field.key(self.values.options.proto_names);
        self.key(key.without_comma(), first);
    }
}
