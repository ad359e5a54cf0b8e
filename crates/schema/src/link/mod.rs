//! From descriptors to a [`Schema`]: names first, then what refers to them.
//!
//! This file has the order of the work and declares every name; `types` fills
//! in messages and enums, `services` services and their HTTP rules.

mod services;
mod types;

use std::collections::{HashMap, HashSet};

use crate::comments::Comments;
use crate::descriptor::{EnumDescriptor, FileDescriptor, MessageDescriptor};
use crate::features::Features;
use crate::{Enum, EnumId, EnumValue, Error, Message, MessageId, Schema, Service, Symbol};

/// The deepest nesting of message declarations; protoc's own limit is 32.
const MAX_NESTING: usize = 100;

/// Links files into a schema. A file name that comes again is passed over.
pub(crate) fn link(files: Vec<FileDescriptor>) -> Result<Schema, Error> {
    let mut seen = HashSet::new();
    let files: Vec<FileDescriptor> = files
        .into_iter()
        .filter(|file| seen.insert(file.name.clone().unwrap_or_default()))
        .collect();

    let mut linker = Linker::default();
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
    /// Which file declared a name, for the error when another does too.
    declared_in: HashMap<Box<str>, Box<str>>,
    /// Which file extends a message by this name, likewise.
    extended_in: HashMap<Box<str>, Box<str>>,
}

/// What holds for everything inside one file.
struct Scope<'a> {
    file: &'a str,
    comments: Comments<'a>,
}

impl<'a> Scope<'a> {
    fn of(file: &'a FileDescriptor) -> Self {
        Self {
            file: file.name.as_deref().unwrap_or_default(),
            comments: Comments::of(file.source_code_info.as_ref()),
        }
    }
}

impl Linker {
    fn declare_file(&mut self, file: &FileDescriptor) -> Result<(), Error> {
        let name = file.name.as_deref().unwrap_or_default();
        let package = file.package.as_deref().unwrap_or_default();
        let features = Features::of_file(file);
        for message in &file.message_type {
            self.declare_message(name, package, message, features, 0)?;
        }
        for descriptor in &file.enum_type {
            self.declare_enum(name, package, descriptor, features)?;
        }
        for service in &file.service {
            let full_name = join(package, service.name.as_deref());
            let index = self.schema.services.len();
            self.declare(name, &full_name, Symbol::Service(index))?;
            self.schema.services.push(Service {
                name: full_name.into(),
                methods: Vec::new(),
                comment: Box::default(),
            });
        }
        Ok(())
    }

    fn declare_message(
        &mut self,
        file: &str,
        scope: &str,
        descriptor: &MessageDescriptor,
        features: Features,
        depth: usize,
    ) -> Result<(), Error> {
        let full_name = join(scope, descriptor.name.as_deref());
        if depth > MAX_NESTING {
            return Err(invalid(file, &full_name, "is nested too deeply"));
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
            map_entry: options
                .and_then(|options| options.map_entry)
                .unwrap_or(false),
            message_set: options
                .and_then(|options| options.message_set_wire_format)
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
        let full_name = join(scope, descriptor.name.as_deref());
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
                })
                .collect(),
            closed: features.closed_enums,
            comment: Box::default(),
        });
        Ok(())
    }

    fn declare(&mut self, file: &str, full_name: &str, symbol: Symbol) -> Result<(), Error> {
        if let Some(first) = self.declared_in.get(full_name) {
            return Err(Error::Duplicate {
                name: full_name.to_owned(),
                first: first.to_string(),
                second: file.to_owned(),
            });
        }
        self.declared_in.insert(full_name.into(), file.into());
        self.schema.symbols.insert(full_name.into(), symbol);
        Ok(())
    }
}

fn join(scope: &str, name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

fn child(path: &[i32], tag: i32, position: i32) -> Vec<i32> {
    [path, &[tag, position]].concat()
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("a descriptor set of under 2 GB has fewer than 2^32 elements")
}

fn invalid(file: &str, element: &str, problem: &str) -> Error {
    Error::Invalid {
        file: file.to_owned(),
        element: element.to_owned(),
        problem: problem.to_owned(),
    }
}

fn unknown_type(file: &str, referrer: &str, name: &str) -> Error {
    Error::UnknownType {
        file: file.to_owned(),
        referrer: referrer.to_owned(),
        name: name.trim_start_matches('.').to_owned(),
    }
}
