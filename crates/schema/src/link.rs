//! From descriptors to a [`Schema`]: names first, then what refers to them.

use std::collections::{HashMap, HashSet};

use crate::comments::Comments;
use crate::descriptor::{
    EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};
use crate::features::{Features, Presence};
use crate::http::{Body, HttpRule, RuleError};
use crate::{
    Cardinality, Enum, EnumId, EnumValue, Error, Field, Kind, Message, MessageId, Method, Schema,
    Service, Streaming, Symbol,
};

/// The deepest nesting of message declarations; protoc's own limit is 32.
const MAX_NESTING: usize = 100;
/// The largest field number (protobuf.dev, "Assigning Field Numbers").
const MAX_FIELD_NUMBER: i32 = 536_870_911;

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

    fn define_types(&mut self, file: &FileDescriptor) -> Result<(), Error> {
        let scope = Scope::of(file);
        let package = file.package.as_deref().unwrap_or_default();
        let features = Features::of_file(file);
        for (position, message) in (0..).zip(&file.message_type) {
            self.define_message(&scope, package, message, features, &[4, position])?;
        }
        for (position, descriptor) in (0..).zip(&file.enum_type) {
            self.define_enum(&scope, package, descriptor, &[5, position]);
        }
        for (position, extension) in (0..).zip(&file.extension) {
            self.define_extension(&scope, package, extension, features, &[7, position])?;
        }
        Ok(())
    }

    fn define_services(&mut self, file: &FileDescriptor) -> Result<(), Error> {
        let scope = Scope::of(file);
        let package = file.package.as_deref().unwrap_or_default();
        for (position, service) in (0..).zip(&file.service) {
            self.define_service(&scope, package, service, &[6, position])?;
        }
        Ok(())
    }

    fn define_message(
        &mut self,
        scope: &Scope<'_>,
        parent: &str,
        descriptor: &MessageDescriptor,
        features: Features,
        path: &[i32],
    ) -> Result<(), Error> {
        let full_name = join(parent, descriptor.name.as_deref());
        let options = descriptor.options.as_ref();
        let features = features.with(options.and_then(|options| options.features.as_ref()));
        let mut fields = Vec::with_capacity(descriptor.field.len());
        let mut numbers = HashSet::with_capacity(descriptor.field.len());
        for (position, field) in (0..).zip(&descriptor.field) {
            let oneof = field
                .oneof_index
                .filter(|_| !field.proto3_optional.unwrap_or(false));
            let oneof = match oneof.map(|position| usize::try_from(position).unwrap_or(usize::MAX))
            {
                Some(position) if position >= descriptor.oneof_decl.len() => {
                    return Err(invalid(
                        scope.file,
                        &full_name,
                        "has a field in an unknown oneof",
                    ));
                }
                other => other.map(index),
            };
            let of_oneof = oneof.and_then(|position| {
                descriptor.oneof_decl[position as usize]
                    .options
                    .as_ref()?
                    .features
                    .as_ref()
            });
            let field = self.field(
                scope,
                &full_name,
                field,
                features.with(of_oneof),
                oneof,
                &child(path, 2, position),
            )?;
            if !numbers.insert(field.number) {
                return Err(invalid(
                    scope.file,
                    &format!("{full_name}.{}", field.name),
                    "has the number of another field",
                ));
            }
            fields.push(field);
        }
        let comment = scope.comments.at(path);
        if let Some(Symbol::Message(id)) = self.schema.symbol(&full_name) {
            let message = &mut self.schema.messages[id.index()];
            message.fields = fields;
            message.comment = comment;
        }
        for (position, nested) in (0..).zip(&descriptor.nested_type) {
            self.define_message(
                scope,
                &full_name,
                nested,
                features,
                &child(path, 3, position),
            )?;
        }
        for (position, nested) in (0..).zip(&descriptor.enum_type) {
            self.define_enum(scope, &full_name, nested, &child(path, 4, position));
        }
        for (position, extension) in (0..).zip(&descriptor.extension) {
            self.define_extension(
                scope,
                &full_name,
                extension,
                features,
                &child(path, 6, position),
            )?;
        }
        Ok(())
    }

    fn define_enum(
        &mut self,
        scope: &Scope<'_>,
        parent: &str,
        descriptor: &EnumDescriptor,
        path: &[i32],
    ) {
        let full_name = join(parent, descriptor.name.as_deref());
        if let Some(Symbol::Enum(id)) = self.schema.symbol(&full_name) {
            self.schema.enums[id.index()].comment = scope.comments.at(path);
        }
    }

    fn define_extension(
        &mut self,
        scope: &Scope<'_>,
        parent: &str,
        descriptor: &FieldDescriptor,
        features: Features,
        path: &[i32],
    ) -> Result<(), Error> {
        let mut field = self.field(scope, parent, descriptor, features, None, path)?;
        let full_name = join(parent, descriptor.name.as_deref());
        let extendee = descriptor.extendee.as_deref().unwrap_or_default();
        let Some(id) = self
            .schema
            .message_by_name(extendee.trim_start_matches('.'))
        else {
            return Err(unknown_type(scope.file, &full_name, extendee));
        };
        field.json_name = format!("[{full_name}]").into();
        field.name = full_name.into();
        self.schema.messages[id.index()].extensions.push(field);
        Ok(())
    }

    fn field(
        &self,
        scope: &Scope<'_>,
        parent: &str,
        descriptor: &FieldDescriptor,
        features: Features,
        oneof: Option<u32>,
        path: &[i32],
    ) -> Result<Field, Error> {
        let name = descriptor.name.as_deref().unwrap_or_default();
        let full_name = join(parent, Some(name));
        let options = descriptor.options.as_ref();
        let features = features.with(options.and_then(|options| options.features.as_ref()));
        let number = descriptor.number.unwrap_or(0);
        if !(1..=MAX_FIELD_NUMBER).contains(&number) {
            return Err(invalid(
                scope.file,
                &full_name,
                "has a number outside 1 to 536870911",
            ));
        }
        let kind = self.kind(scope.file, &full_name, descriptor, features)?;
        Ok(Field {
            number: number.unsigned_abs(),
            name: name.into(),
            json_name: descriptor
                .json_name
                .clone()
                .unwrap_or_else(|| to_json_name(name))
                .into(),
            kind,
            cardinality: self.cardinality(descriptor, kind, features, oneof),
            oneof,
            utf8: features.utf8,
            comment: scope.comments.at(path),
        })
    }

    fn kind(
        &self,
        file: &str,
        full_name: &str,
        descriptor: &FieldDescriptor,
        features: Features,
    ) -> Result<Kind, Error> {
        let type_name = descriptor.type_name.as_deref().unwrap_or_default();
        let named = || {
            self.schema
                .symbol(type_name.trim_start_matches('.'))
                .ok_or_else(|| unknown_type(file, full_name, type_name))
        };
        let wrong = |problem| Err(invalid(file, full_name, problem));
        // The numbers are those of FieldDescriptorProto.Type.
        Ok(match descriptor.r#type.unwrap_or(0) {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            10 => match named()? {
                Symbol::Message(id) => Kind::Delimited(id),
                _ => return wrong("is a group of a type that is not a message"),
            },
            // A map entry is always length-prefixed, whatever the file chose.
            11 => match named()? {
                Symbol::Message(id) if features.delimited && !self.schema.message(id).map_entry => {
                    Kind::Delimited(id)
                }
                Symbol::Message(id) => Kind::Message(id),
                _ => return wrong("is a message of a type that is not one"),
            },
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            14 => match named()? {
                Symbol::Enum(id) => Kind::Enum(id),
                _ => return wrong("is an enum of a type that is not one"),
            },
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            _ => return wrong("has no known type"),
        })
    }

    fn cardinality(
        &self,
        descriptor: &FieldDescriptor,
        kind: Kind,
        features: Features,
        oneof: Option<u32>,
    ) -> Cardinality {
        const REQUIRED: i32 = 2;
        const REPEATED: i32 = 3;
        let packed = descriptor
            .options
            .as_ref()
            .and_then(|options| options.packed);
        match descriptor.label.unwrap_or(0) {
            REPEATED => match kind {
                Kind::Message(id) if self.schema.message(id).map_entry => Cardinality::Map,
                _ if kind.is_packable() && packed.unwrap_or(features.packed) => Cardinality::Packed,
                _ => Cardinality::Repeated,
            },
            REQUIRED => Cardinality::Required,
            _ if oneof.is_some() || descriptor.proto3_optional.unwrap_or(false) => {
                Cardinality::Optional
            }
            _ if features.presence == Presence::Required => Cardinality::Required,
            _ if kind.message().is_some() || features.presence == Presence::Explicit => {
                Cardinality::Optional
            }
            _ => Cardinality::Implicit,
        }
    }

    fn define_service(
        &mut self,
        scope: &Scope<'_>,
        package: &str,
        descriptor: &ServiceDescriptor,
        path: &[i32],
    ) -> Result<(), Error> {
        let full_name = join(package, descriptor.name.as_deref());
        let methods = (0..)
            .zip(&descriptor.method)
            .map(|(position, method)| {
                self.method(scope, &full_name, method, &child(path, 2, position))
            })
            .collect::<Result<Vec<Method>, Error>>()?;
        if let Some(Symbol::Service(position)) = self.schema.symbol(&full_name) {
            let service = &mut self.schema.services[position];
            service.methods = methods;
            service.comment = scope.comments.at(path);
        }
        Ok(())
    }

    fn method(
        &self,
        scope: &Scope<'_>,
        service: &str,
        descriptor: &MethodDescriptor,
        path: &[i32],
    ) -> Result<Method, Error> {
        const NO_SIDE_EFFECTS: i32 = 1;
        const IDEMPOTENT: i32 = 2;
        let name = descriptor.name.as_deref().unwrap_or_default();
        let full_name = format!("{service}.{name}");
        let message = |type_name: &Option<String>| {
            let type_name = type_name.as_deref().unwrap_or_default();
            self.schema
                .message_by_name(type_name.trim_start_matches('.'))
                .ok_or_else(|| unknown_type(scope.file, &full_name, type_name))
        };
        let input = message(&descriptor.input_type)?;
        let output = message(&descriptor.output_type)?;
        let options = descriptor.options.as_ref();
        let level = options
            .and_then(|options| options.idempotency_level)
            .unwrap_or(0);
        let http_rules = match options.and_then(|options| options.http.as_ref()) {
            None => Vec::new(),
            Some(raw) => HttpRule::read(raw)
                .and_then(|rules| {
                    rules
                        .iter()
                        .try_for_each(|rule| self.check_rule(rule, input, output))?;
                    Ok(rules)
                })
                .map_err(|source| Error::HttpRule {
                    file: scope.file.to_owned(),
                    method: full_name.clone(),
                    source,
                })?,
        };
        Ok(Method {
            name: name.into(),
            path: format!("/{service}/{name}").into(),
            input,
            output,
            streaming: match (
                descriptor.client_streaming.unwrap_or(false),
                descriptor.server_streaming.unwrap_or(false),
            ) {
                (false, false) => Streaming::Unary,
                (true, false) => Streaming::Client,
                (false, true) => Streaming::Server,
                (true, true) => Streaming::Bidi,
            },
            no_side_effects: level == NO_SIDE_EFFECTS,
            idempotent: level == NO_SIDE_EFFECTS || level == IDEMPOTENT,
            deprecated: options
                .and_then(|options| options.deprecated)
                .unwrap_or(false),
            http_rules,
            comment: scope.comments.at(path),
        })
    }

    /// Every field that a rule names must be there, and a path variable must
    /// be something that text can fill.
    fn check_rule(
        &self,
        rule: &HttpRule,
        input: MessageId,
        output: MessageId,
    ) -> Result<(), RuleError> {
        for variable in rule.template().variables() {
            let field = self.resolve("path variable", input, &variable.field)?;
            if !field.cardinality.is_singular() || !self.text_can_fill(field.kind) {
                return Err(RuleError::NotScalar {
                    field: variable.field.join("."),
                });
            }
        }
        if let Body::Field(name) = rule.body() {
            self.resolve("body", input, std::slice::from_ref(name))?;
        }
        if let Some(name) = rule.response_body() {
            self.resolve("response_body", output, &[name.into()])?;
        }
        Ok(())
    }

    /// Whether a field of this kind has a form as plain text: scalars, and the
    /// well-known types that JSON writes as a string or a bare scalar.
    fn text_can_fill(&self, kind: Kind) -> bool {
        let Some(id) = kind.message() else {
            return true;
        };
        let Some(name) = self
            .schema
            .message(id)
            .name
            .strip_prefix("google.protobuf.")
        else {
            return false;
        };
        matches!(name, "Timestamp" | "Duration" | "FieldMask")
            || name.ends_with("Value") && name != "Value" && name != "ListValue"
    }

    fn resolve(
        &self,
        role: &'static str,
        message: MessageId,
        path: &[Box<str>],
    ) -> Result<&Field, RuleError> {
        let mut id = message;
        let mut found = None;
        for (position, name) in path.iter().enumerate() {
            let unknown = || RuleError::UnknownField {
                role,
                field: path[..=position].join("."),
                message: self.schema.message(message).name.to_string(),
            };
            let field = self.schema.message(id).field(name).ok_or_else(unknown)?;
            if position + 1 < path.len() {
                id = field.kind.message().ok_or_else(unknown)?;
            }
            found = Some(field);
        }
        found.ok_or_else(|| RuleError::UnknownField {
            role,
            field: String::new(),
            message: self.schema.message(message).name.to_string(),
        })
    }
}

/// `lowerCamelCase` of a field name, as protoc fills `json_name`.
fn to_json_name(name: &str) -> String {
    let mut json_name = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        if character == '_' {
            upper = true;
        } else if upper {
            json_name.push(character.to_ascii_uppercase());
            upper = false;
        } else {
            json_name.push(character);
        }
    }
    json_name
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
