//! Where a rule is written, for whoever has to change it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::descriptor::SourceCodeInfo;

/// A place in a file that a person wrote: `users.proto:12:5`, or the file alone
/// where descriptors carry no source information.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    file: Arc<str>,
    /// Line and column, from 1.
    at: Option<(u32, u32)>,
}

impl Place {
    pub(crate) fn new(file: &Arc<str>, at: Option<(u32, u32)>) -> Self {
        Self {
            file: Arc::clone(file),
            at,
        }
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.at.map(|(line, _)| line)
    }

    /// The column, from 1.
    #[must_use]
    pub fn column(&self) -> Option<u32> {
        self.at.map(|(_, column)| column)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        match self.at {
            Some((line, column)) => write!(formatter, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// Where the `google.api.http` options of one file are.
pub(crate) struct Annotations {
    file: Arc<str>,
    /// By the positions of service and method.
    at: HashMap<(i32, i32), Found>,
}

#[derive(Clone, Copy)]
struct Found {
    at: (u32, u32),
    /// Whether it is the option itself, and not the method around it.
    exact: bool,
}

impl Annotations {
    pub(crate) fn of(file: &str, info: Option<&SourceCodeInfo>) -> Self {
        let mut at: HashMap<(i32, i32), Found> = HashMap::new();
        for location in info.map_or(&[][..], |info| &info.location) {
            // descriptor.proto: `service` = 6, `method` = 2, `options` = 4.
            let (service, method, exact) = match *location.path {
                [6, service, 2, method] => (service, method, false),
                [6, service, 2, method, 4, 72_295_728, ..] => (service, method, true),
                _ => continue,
            };
            let [line, column, ..] = *location.span else {
                continue;
            };
            let number = |zero_based: i32| u32::try_from(zero_based).unwrap_or(0).saturating_add(1);
            let found = Found {
                at: (number(line), number(column)),
                exact,
            };
            let known = at.entry((service, method)).or_insert(found);
            if exact && !known.exact {
                *known = found;
            }
        }
        Self {
            file: file.into(),
            at,
        }
    }

    /// The place of the option of a method, or else of the method.
    pub(crate) fn place(&self, service: i32, method: i32) -> Place {
        let found = self.at.get(&(service, method));
        Place::new(&self.file, found.map(|found| found.at))
    }
}
