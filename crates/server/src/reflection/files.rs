//! The files of descriptor sets, found by what is in them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use prost::bytes::Bytes;
use prost::{DecodeError, Message};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

/// A descriptor set whose files are left encoded.
#[derive(Clone, PartialEq, Message)]
struct EncodedFiles {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// Files, encoded as they came, and indexes into them.
#[derive(Debug, Default)]
pub(super) struct Files {
    encoded: Vec<Bytes>,
    imports: Vec<Vec<String>>,
    by_name: HashMap<String, usize>,
    by_symbol: HashMap<String, usize>,
    /// By extended type, then by number.
    extensions: BTreeMap<String, BTreeMap<i32, usize>>,
    services: BTreeSet<String>,
}

impl Files {
    /// Reads the files; one that comes again, by its name, is passed over.
    pub(super) fn read<'a>(sets: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DecodeError> {
        let mut files = Self::default();
        for set in sets {
            for encoded in EncodedFiles::decode(set)?.file {
                let file = FileDescriptorProto::decode(encoded.clone())?;
                if !files.by_name.contains_key(file.name()) {
                    files.add(encoded, file);
                }
            }
        }
        Ok(files)
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn with_symbol(&self, symbol: &str) -> Option<usize> {
        self.by_symbol.get(symbol).copied()
    }

    pub(super) fn with_extension(&self, extended: &str, number: i32) -> Option<usize> {
        self.extensions.get(extended)?.get(&number).copied()
    }

    /// The numbers of the extensions of a type; none for a type that nobody
    /// extends, `None` for one that is not there.
    pub(super) fn extension_numbers(&self, extended: &str) -> Option<Vec<i32>> {
        match self.extensions.get(extended) {
            Some(numbers) => Some(numbers.keys().copied().collect()),
            None => self.by_symbol.contains_key(extended).then(Vec::new),
        }
    }

    /// The full names of all services.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// A file, and of what it imports the files that were not sent yet.
    pub(super) fn with_imports<'a>(
        &'a self,
        file: usize,
        sent: &mut HashSet<usize>,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        sent.insert(file);
        let mut wanted = vec![file];
        let mut at = 0;
        while let Some(file) = wanted.get(at).copied() {
            at += 1;
            let imports = self.imports[file]
                .iter()
                .filter_map(|name| self.named(name));
            wanted.extend(
                imports
                    .filter(|import| sent.insert(*import))
                    .collect::<Vec<usize>>(),
            );
        }
        wanted.into_iter().map(|file| &*self.encoded[file])
    }

    fn add(&mut self, encoded: Bytes, file: FileDescriptorProto) {
        let index = self.encoded.len();
        let package = file.package().to_owned();
        self.encoded.push(encoded);
        self.by_name.insert(file.name().to_owned(), index);
        for service in &file.service {
            let name = join(&package, service.name());
            for method in &service.method {
                self.symbol(join(&name, method.name()), index);
            }
            self.services.insert(name.clone());
            self.symbol(name, index);
        }
        for message in &file.message_type {
            self.message(&package, message, index);
        }
        for enumeration in &file.enum_type {
            self.enumeration(&package, enumeration, index);
        }
        for extension in &file.extension {
            self.extension(&package, extension, index);
        }
        self.imports.push(file.dependency);
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto, file: usize) {
        let name = join(scope, message.name());
        for field in &message.field {
            self.symbol(join(&name, field.name()), file);
        }
        for oneof in &message.oneof_decl {
            self.symbol(join(&name, oneof.name()), file);
        }
        for nested in &message.nested_type {
            self.message(&name, nested, file);
        }
        for nested in &message.enum_type {
            self.enumeration(&name, nested, file);
        }
        for extension in &message.extension {
            self.extension(&name, extension, file);
        }
        self.symbol(name, file);
    }

    /// The values of an enum are its siblings, as in C++.
    fn enumeration(&mut self, scope: &str, enumeration: &EnumDescriptorProto, file: usize) {
        for value in &enumeration.value {
            self.symbol(join(scope, value.name()), file);
        }
        self.symbol(join(scope, enumeration.name()), file);
    }

    fn extension(&mut self, scope: &str, extension: &FieldDescriptorProto, file: usize) {
        self.symbol(join(scope, extension.name()), file);
        let extended = extension.extendee().trim_start_matches('.').to_owned();
        self.extensions
            .entry(extended)
            .or_default()
            .entry(extension.number())
            .or_insert(file);
    }

    fn symbol(&mut self, name: String, file: usize) {
        self.by_symbol.entry(name).or_insert(file);
    }
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}
