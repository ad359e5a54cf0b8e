//! Writes the union: each declaration in the set that has it first, in a file
//! that no earlier one has the name of, with the imports that this takes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use prost::Message;

use super::file::{File, Set};
use super::{Book, Entry};

/// A file: the number of its book, and of it in the book.
type Place = (usize, usize);

/// What is written where.
struct Plan<'a> {
    books: &'a [Book<'a>],
    /// The file that has a declaration first. All that want one are alike, so
    /// that imports lead to the same book or to earlier ones and never around.
    homes: HashMap<&'a str, Place>,
    /// What files are called that are written.
    names: HashMap<Place, String>,
}

/// A set for each book.
pub(super) fn emit(books: &[Book<'_>]) -> Vec<Arc<[u8]>> {
    let mut homes = HashMap::new();
    for (number, book) in books.iter().enumerate() {
        for entry in book.entries.iter().filter(|entry| entry.wanted) {
            let name = entry.declaration.name.as_str();
            homes.entry(name).or_insert((number, entry.file));
        }
    }
    let mut plan = Plan {
        books,
        homes,
        names: HashMap::new(),
    };
    let mut taken = HashSet::new();
    let sets = books.iter().enumerate();
    sets.map(|(number, book)| {
        let files = || 0..book.files.len();
        let written: Vec<bool> = files()
            .map(|at| plan.written((number, at)).next().is_some())
            .collect();
        let unchanged = files().all(|at| {
            plan.written((number, at)).count() == book.entries_of(at).len()
                && !taken.contains(&book.files[at].name)
        });
        for (at, file) in book.files.iter().enumerate() {
            if unchanged || written[at] {
                let name = free(&file.name, &taken);
                taken.insert(name.clone());
                plan.names.insert((number, at), name);
            }
        }
        if unchanged {
            return Arc::clone(book.set);
        }
        let files = files().filter(|at| written[*at]);
        let file = files.map(|at| plan.file((number, at))).collect();
        Set { file }.encode_to_vec().into()
    })
    .collect()
}

/// The name, or the first of `name.2.proto`, `name.3.proto` and so on that no
/// file has.
fn free(name: &str, taken: &HashSet<String>) -> String {
    if !taken.contains(name) {
        return name.to_owned();
    }
    let (stem, end) = match name.strip_suffix(".proto") {
        Some(stem) => (stem, ".proto"),
        None => (name, ""),
    };
    let mut number = 2_u64;
    loop {
        let name = format!("{stem}.{number}{end}");
        if !taken.contains(&name) {
            return name;
        }
        number += 1;
    }
}

impl Plan<'_> {
    /// The declarations that are written in this file.
    fn written(&self, place: Place) -> impl Iterator<Item = &Entry> {
        let entries = self.books[place.0].entries_of(place.1).iter();
        entries.filter(move |entry| {
            let home = self.homes.get(entry.declaration.name.as_str());
            entry.wanted && home == Some(&place)
        })
    }

    fn file(&self, place: Place) -> File {
        let (number, at) = place;
        let before = &self.books[number].files[at];
        let mut file = before.clone();
        let mine: Vec<_> = self
            .written(place)
            .map(|entry| &entry.declaration)
            .collect();
        if mine.len() < self.books[number].entries_of(at).len() {
            file.keep(mine);
        }
        file.name.clone_from(&self.names[&place]);
        file.dependency.clear();
        file.public_dependency.clear();
        file.weak_dependency.clear();
        let mut known = HashSet::from([file.name.clone()]);
        for (index, import) in before.dependency.iter().enumerate() {
            let index = i32::try_from(index).unwrap_or(i32::MAX);
            let public = before.public_dependency.contains(&index);
            let mut targets = Vec::new();
            self.targets(number, import, &mut HashSet::new(), &mut targets);
            for target in targets {
                if known.insert(target.clone()) {
                    let index = i32::try_from(file.dependency.len()).unwrap_or(i32::MAX);
                    file.public_dependency.extend(public.then_some(index));
                    file.dependency.push(target);
                }
            }
        }
        // What was in this file and is in another now.
        for target in self.elsewhere(place) {
            if known.insert(target.clone()) {
                file.dependency.push(target);
            }
        }
        file
    }

    /// The files that have what an import of a book's file stands for.
    fn targets<'a>(
        &'a self,
        number: usize,
        import: &'a str,
        seen: &mut HashSet<&'a str>,
        found: &mut Vec<String>,
    ) {
        if !seen.insert(import) {
            return;
        }
        let Book {
            files,
            file_by_name,
            ..
        } = &self.books[number];
        let Some(&at) = file_by_name.get(import) else {
            // Nobody has it, and nobody misses it: it had to do with options.
            found.push(import.to_owned());
            return;
        };
        found.extend(self.elsewhere((number, at)));
        if let Some(name) = self.names.get(&(number, at)) {
            found.push(name.clone());
            return;
        }
        for index in &files[at].public_dependency {
            let index = usize::try_from(*index).ok();
            if let Some(import) = index.and_then(|index| files[at].dependency.get(index)) {
                self.targets(number, import, seen, found);
            }
        }
    }

    /// The files of earlier sets that have what this one has too.
    fn elsewhere(&self, place: Place) -> impl Iterator<Item = String> {
        let entries = self.books[place.0].entries_of(place.1).iter();
        entries
            .filter(|entry| entry.wanted)
            .filter_map(move |entry| {
                let home = self.homes.get(entry.declaration.name.as_str())?;
                (*home != place).then(|| self.names.get(home).cloned())?
            })
    }
}
