//! Contracts of several servers as one, declaration by declaration.
//!
//! Servers that know nothing of each other have files of one name with different
//! contents, and the same declarations in files of different names. So nothing
//! is decided by files: what several declare alike is taken once, from the
//! first; a service that needs a type which another has otherwise is left out.
//! Files whose name is taken get another, and imports are written anew, so that
//! the union is a contract that other programs can read.

mod emit;
mod file;
mod shape;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use prost::DecodeError;

use self::file::{Declaration, File};
use self::shape::Shape;
use super::contracts::is_own;
use super::source::Part;

/// Unites sets, the first before the last; gives one for each. A service is
/// taken from a set only if that `owns` it, by the set's origin and the
/// service's name. What is left out is told to `complain`.
///
/// # Errors
/// When one is no descriptor set.
pub(super) fn unite(
    members: &[&Part],
    owns: impl Fn(&str, &str) -> bool,
    mut complain: impl FnMut(String),
) -> Result<Vec<Arc<[u8]>>, DecodeError> {
    let mut books = members
        .iter()
        .map(|part| Book::read(part))
        .collect::<Result<Vec<_>, _>>()?;
    let mut said = HashMap::new();
    // First what is called: what nothing refers to does not push it out.
    for book in &mut books {
        for entry in book.entries(|declaration| {
            declaration.is_service()
                && !is_own(&declaration.name)
                && owns(book.origin, &declaration.name)
        }) {
            if let Err(Contradiction { name, other }) = book.want(entry, &mut said) {
                complain(format!(
                    "the service {} of {} is left out: {name} is not the same in {other}",
                    book.entries[entry].declaration.name, book.origin
                ));
            }
        }
    }
    // A message that nothing refers to can be inside a google.protobuf.Any.
    for book in &mut books {
        for entry in
            book.entries(|declaration| !declaration.is_service() || is_own(&declaration.name))
        {
            // What cannot be had is missed by nobody who calls.
            let _ = book.want(entry, &mut said);
        }
    }
    Ok(emit::emit(&books))
}

/// The names of the files in a set; none when it is no descriptor set.
pub(super) fn names(set: &[u8]) -> Vec<String> {
    let files = file::read(set).unwrap_or_default();
    files.into_iter().map(|file| file.name).collect()
}

/// A member, opened.
struct Book<'a> {
    origin: &'a str,
    set: &'a Arc<[u8]>,
    files: Vec<File>,
    file_by_name: HashMap<String, usize>,
    /// File by file.
    entries: Vec<Entry>,
    /// Which of the entries each file has.
    ranges: Vec<Range<usize>>,
    by_name: HashMap<String, usize>,
}

struct Entry {
    /// Which of the files has it.
    file: usize,
    declaration: Declaration,
    /// Whether it is part of the union.
    wanted: bool,
}

/// What is declared by whom.
type Said<'a> = HashMap<String, (&'a str, Shape)>;

struct Contradiction {
    name: String,
    /// Where it is otherwise.
    other: String,
}

impl<'a> Book<'a> {
    fn read((origin, set): &'a Part) -> Result<Self, DecodeError> {
        let files = file::read(set)?;
        let mut entries = Vec::new();
        let mut ranges = Vec::new();
        for (at, file) in files.iter().enumerate() {
            let first = entries.len();
            let declarations = file.declarations()?.into_iter();
            entries.extend(declarations.map(|declaration| Entry {
                file: at,
                declaration,
                wanted: false,
            }));
            ranges.push(first..entries.len());
        }
        let names = files.iter().enumerate();
        let file_by_name = names.map(|(at, file)| (file.name.clone(), at)).collect();
        let names = entries.iter().enumerate();
        let by_name = names.map(|(at, entry)| (entry.declaration.name.clone(), at));
        Ok(Self {
            origin,
            set,
            by_name: by_name.collect(),
            file_by_name,
            files,
            entries,
            ranges,
        })
    }

    /// What a file declares.
    fn entries_of(&self, file: usize) -> &[Entry] {
        &self.entries[self.ranges[file].clone()]
    }

    /// The declarations of a kind.
    fn entries(&self, of_kind: impl Fn(&Declaration) -> bool) -> Vec<usize> {
        let entries = self.entries.iter().enumerate();
        let entries = entries.filter(|(_, entry)| of_kind(&entry.declaration));
        entries.map(|(at, _)| at).collect()
    }

    /// Makes a declaration part of the union, with all that it refers to, if
    /// nobody has said otherwise of any of it.
    fn want(&mut self, entry: usize, said: &mut Said<'a>) -> Result<(), Contradiction> {
        // What is wanted already brought along what it refers to.
        if self.entries[entry].wanted {
            return Ok(());
        }
        let mut seen = vec![entry];
        let mut is_seen = HashSet::from([entry]);
        let mut next = 0;
        while let Some(&at) = seen.get(next) {
            next += 1;
            let Declaration { name, shape, .. } = &self.entries[at].declaration;
            match said.get(name) {
                Some((other, theirs)) if theirs != shape => {
                    return Err(Contradiction {
                        name: name.clone(),
                        other: (*other).to_owned(),
                    });
                }
                _ => {}
            }
            for reference in shape.body.references() {
                let found = self.declaring(reference);
                if let Some(found) = found
                    && !self.entries[found].wanted
                    && is_seen.insert(found)
                {
                    seen.push(found);
                }
            }
        }
        for at in seen {
            let entry = &mut self.entries[at];
            entry.wanted = true;
            let Declaration { name, shape, .. } = &entry.declaration;
            if !said.contains_key(name) {
                said.insert(name.clone(), (self.origin, shape.clone()));
            }
        }
        Ok(())
    }

    /// The declaration that has a type, `.package.Message.Nested`, in it.
    fn declaring(&self, reference: &str) -> Option<usize> {
        let mut name = reference.trim_start_matches('.');
        loop {
            if let Some(at) = self.by_name.get(name) {
                return Some(*at);
            }
            name = name.rsplit_once('.')?.0;
        }
    }
}
