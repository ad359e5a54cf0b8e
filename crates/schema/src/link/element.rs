//! Where a contract is wrong: the file and the full name that an error gives.

use super::join;
use crate::Error;

/// Something that a file declares. Its full name is put together only when an
/// error needs it: a large contract has a hundred thousand fields.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    file: &'a str,
    parent: &'a str,
    name: &'a str,
}

impl<'a> Element<'a> {
    /// What has this name inside a package, message or service.
    pub(super) fn new(file: &'a str, parent: &'a str, name: &'a str) -> Self {
        Self { file, parent, name }
    }

    /// Its name with those of its package and of the messages around it.
    pub(super) fn full_name(self) -> String {
        join(self.parent, self.name)
    }

    /// It is wrong in itself.
    #[cold]
    pub(super) fn invalid(self, problem: &str) -> Error {
        Error::Invalid {
            file: self.file.to_owned(),
            element: self.full_name(),
            problem: problem.to_owned(),
        }
    }

    /// It refers to a type that is not there.
    #[cold]
    pub(super) fn unknown_type(self, type_name: &str) -> Error {
        Error::UnknownType {
            file: self.file.to_owned(),
            referrer: self.full_name(),
            name: type_name.trim_start_matches('.').to_owned(),
        }
    }
}
