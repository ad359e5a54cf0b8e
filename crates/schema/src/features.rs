//! The features of a file, message or field: what proto2 and proto3 fix and
//! the editions let each element choose (protobuf.dev, "Feature Settings for
//! Editions").

use crate::descriptor::FeatureSet;
use crate::file::FileDescriptor;

/// `Edition.EDITION_2023`; an edition below it is a syntax in disguise.
const EDITION_2023: i32 = 1000;
const EDITION_PROTO3: i32 = 999;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Explicit,
    Implicit,
    Required,
}

/// The features in force for one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) presence: Presence,
    pub(crate) closed_enums: bool,
    pub(crate) packed: bool,
    pub(crate) utf8: bool,
    pub(crate) delimited: bool,
}

impl Features {
    /// The defaults of the file's syntax or edition, with the file's own choices.
    pub(crate) fn of_file(file: &FileDescriptor<'_>) -> Self {
        let proto3 = match (file.syntax, file.edition) {
            (Some("proto3"), _) => true,
            (_, Some(edition)) => edition == EDITION_PROTO3,
            _ => false,
        };
        let editions = file.syntax == Some("editions")
            || file.edition.is_some_and(|edition| edition >= EDITION_2023);
        let defaults = Self {
            presence: if proto3 {
                Presence::Implicit
            } else {
                Presence::Explicit
            },
            closed_enums: !proto3 && !editions,
            packed: proto3 || editions,
            utf8: proto3 || editions,
            delimited: false,
        };
        let chosen = file
            .options
            .as_ref()
            .and_then(|options| options.features.as_ref());
        defaults.with(chosen)
    }

    /// These features with the choices that an inner element makes.
    pub(crate) fn with(mut self, chosen: Option<&FeatureSet>) -> Self {
        let Some(chosen) = chosen else { return self };
        match chosen.field_presence {
            Some(1) => self.presence = Presence::Explicit,
            Some(2) => self.presence = Presence::Implicit,
            Some(3) => self.presence = Presence::Required,
            _ => {}
        }
        match chosen.enum_type {
            Some(1) => self.closed_enums = false,
            Some(2) => self.closed_enums = true,
            _ => {}
        }
        match chosen.repeated_field_encoding {
            Some(1) => self.packed = true,
            Some(2) => self.packed = false,
            _ => {}
        }
        match chosen.utf8_validation {
            Some(2) => self.utf8 = true,
            Some(3) => self.utf8 = false,
            _ => {}
        }
        match chosen.message_encoding {
            Some(1) => self.delimited = false,
            Some(2) => self.delimited = true,
            _ => {}
        }
        self
    }
}
