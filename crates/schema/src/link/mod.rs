//! From descriptors to a [`Schema`]: names first, then what refers to them.
//!
//! This file has the order of the work and declares every name; `types` fills
//! in messages and enums, `services` services and their HTTP rules, and
//! `element` has what errors say of where something is.

mod element;
mod services;
mod types;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use self::element::Element;
use crate::comments::Comments;
use crate::descriptor::EnumDescriptor;
use crate::features::Features;
use crate::file::{FileDescriptor, MAX_NESTING, MessageDescriptor};
use crate::{Enum, EnumId, EnumValue, Error, Message, MessageId, Schema, Service, Symbol};

/// Links files into a schema. A file name that comes again is passed over.
pub(crate) fn link(mut files: Vec<FileDescriptor<'_>>) -> Result<Schema, Error> {
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.name));

    let mut linker = Linker::default();
    linker.reserve(&files);
    for file in &files {
        linker.declare_file(file)?;
    }
    for file in &files {
        linker.define_types(file)?;
    }
    linker.check_extensions()?;
    // Services last: their HTTP rules name fields of messages in any file.
    for file in &files {
        linker.define_services(file)?;
    }
    Ok(linker.schema)
}

#[derive(Default)]
struct Linker {
    schema: Schema,
    /// Where each file began to declare, for the error when a name comes again.
    began: Vec<Beginning>,
    /// Which file extends a message by this name, likewise.
    extended_in: HashMap<Box<str>, Box<str>>,
}

/// How much was declared before a file.
struct Beginning {
    file: Box<str>,
    messages: usize,
    enums: usize,
    services: usize,
}

/// What holds for everything inside one file.
struct Scope<'a> {
    file: &'a str,
    comments: Comments<'a>,
}

impl<'a> Scope<'a> {
    fn of(file: &'a FileDescriptor<'a>) -> Self {
        Self {
            file: file.name,
            comments: Comments::of(file.source_code_info.as_ref()),
        }
    }
}

impl Linker {
    /// Makes room for what the files declare, but for what is nested.
    fn reserve(&mut self, files: &[FileDescriptor<'_>]) {
        let messages = files.iter().map(|file| file.message_type.len()).sum();
        let enums = files.iter().map(|file| file.enum_type.len()).sum();
        let services: usize = files.iter().map(|file| file.service.len()).sum();
        self.schema.messages.reserve(messages);
        self.schema.enums.reserve(enums);
        self.schema.symbols.reserve(messages + enums + services);
    }

    fn declare_file(&mut self, file: &FileDescriptor<'_>) -> Result<(), Error> {
        let (name, package) = (file.name, file.package);
        self.began.push(Beginning {
            file: name.into(),
            messages: self.schema.messages.len(),
            enums: self.schema.enums.len(),
            services: self.schema.services.len(),
        });
        let features = Features::of_file(file);
        for message in &file.message_type {
            self.declare_message(name, package, message, features, 0)?;
        }
        for descriptor in &file.enum_type {
            self.declare_enum(name, package, descriptor, features)?;
        }
        for service in &file.service {
            let full_name = join(package, service.name());
            let index = self.schema.services.len();
            self.declare(name, &full_name, Symbol::Service(index))?;
            self.schema.services.push(Service {
                name: full_name.into(),
                methods: Vec::new(),
                deprecated: service
                    .options
                    .as_ref()
                    .and_then(|options| options.deprecated)
                    .unwrap_or(false),
                comment: Box::default(),
            });
        }
        Ok(())
    }

    fn declare_message(
        &mut self,
        file: &str,
        scope: &str,
        descriptor: &MessageDescriptor<'_>,
        features: Features,
        depth: usize,
    ) -> Result<(), Error> {
        let full_name = join(scope, descriptor.name);
        if depth > MAX_NESTING {
            return Err(Element::new(file, scope, descriptor.name).invalid("is nested too deeply"));
        }
        let options = descriptor.options.as_ref();
        let features = features.with(options.and_then(|options| options.features.as_ref()));
        let id = MessageId(index(self.schema.messages.len()));
        self.declare(file, &full_name, Symbol::Message(id))?;
        self.schema.messages.push(Message {
            name: full_name.as_str().into(),
            fields: Vec::new(),
            extensions: Vec::new(),
            oneofs: descriptor
                .oneof_decl
                .iter()
                .map(|oneof| oneof.name.as_deref().unwrap_or_default().into())
                .collect(),
            oneof_comments: Vec::new(),
            map_entry: options
                .and_then(|options| options.map_entry)
                .unwrap_or(false),
            message_set: options
                .and_then(|options| options.message_set_wire_format)
                .unwrap_or(false),
            deprecated: options
                .and_then(|options| options.deprecated)
                .unwrap_or(false),
            comment: Box::default(),
        });
        for nested in &descriptor.nested_type {
            self.declare_message(file, &full_name, nested, features, depth + 1)?;
        }
        for nested in &descriptor.enum_type {
            self.declare_enum(file, &full_name, nested, features)?;
        }
        Ok(())
    }

    fn declare_enum(
        &mut self,
        file: &str,
        scope: &str,
        descriptor: &EnumDescriptor,
        features: Features,
    ) -> Result<(), Error> {
        let full_name = join(scope, descriptor.name());
        let features = features.with(
            descriptor
                .options
                .as_ref()
                .and_then(|options| options.features.as_ref()),
        );
        let id = EnumId(index(self.schema.enums.len()));
        self.declare(file, &full_name, Symbol::Enum(id))?;
        self.schema.enums.push(Enum {
            name: full_name.into(),
            values: descriptor
                .value
                .iter()
                .map(|value| EnumValue {
                    name: value.name.as_deref().unwrap_or_default().into(),
                    number: value.number.unwrap_or(0),
                    deprecated: value
                        .options
                        .as_ref()
                        .and_then(|options| options.deprecated)
                        .unwrap_or(false),
                    comment: Box::default(),
                })
                .collect(),
            closed: features.closed_enums,
            deprecated: descriptor
                .options
                .as_ref()
                .and_then(|options| options.deprecated)
                .unwrap_or(false),
            comment: Box::default(),
        });
        Ok(())
    }

    fn declare(&mut self, file: &str, full_name: &str, symbol: Symbol) -> Result<(), Error> {
        let first = match self.schema.symbols.entry(full_name.into()) {
            Entry::Vacant(place) => {
                place.insert(symbol);
                return Ok(());
            }
            Entry::Occupied(place) => *place.get(),
        };
        Err(Error::Duplicate {
            name: full_name.to_owned(),
            first: self.file_of(first).to_owned(),
            second: file.to_owned(),
        })
    }

    /// The file that declared this: the last one that began before it.
    fn file_of(&self, symbol: Symbol) -> &str {
        let later = self.began.partition_point(|beginning| match symbol {
            Symbol::Message(id) => beginning.messages <= id.index(),
            Symbol::Enum(id) => beginning.enums <= id.index(),
            Symbol::Service(position) => beginning.services <= position,
        });
        self.began[..later].last().map_or("", |found| &found.file)
    }
}

/// The full name of what has this name inside a package or message.
fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        return name.to_owned();
    }
    let mut full_name = String::with_capacity(scope.len() + 1 + name.len());
    full_name.push_str(scope);
    full_name.push('.');
    full_name.push_str(name);
    full_name
}

fn child(path: &[i32], tag: i32, position: i32) -> Vec<i32> {
    [path, &[tag, position]].concat()
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("a descriptor set of under 2 GB has fewer than 2^32 elements")
}
