//! Messages and enums as the schemas of a document, in the form that ProtoJSON
//! gives them (protobuf.dev, "ProtoJSON Format").
//!
//! Only what is reached is written. What a schema refers to waits in a list, so
//! neither a recursive message nor a deep one costs any stack.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use portolan_schema::{Cardinality, DefaultValue, EnumId, Field, Kind, Message, MessageId, Schema};

use super::OpenApiOptions;
use super::annotations::{Annotations, Bound, Bounds};
use super::example::{Examples, Side};
use super::known::Known;
use super::node::{Map, Node};
use super::words::{alternatives, description, paragraphs};

/// The schemas that a document needs, as far as they are known.
pub(super) struct Schemas<'a> {
    pub(super) schema: &'a Schema,
    pub(super) options: &'a OpenApiOptions,
    names: HashMap<Type, String>,
    taken: HashSet<String>,
    waiting: Vec<Type>,
    written: BTreeMap<String, Node>,
    provided: HashMap<&'static str, String>,
    examples: BTreeMap<(MessageId, Side), Option<Node>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Type {
    Message(MessageId),
    Enum(EnumId),
}

impl<'a> Schemas<'a> {
    pub(super) fn new(schema: &'a Schema, options: &'a OpenApiOptions) -> Self {
        Self {
            schema,
            options,
            names: HashMap::new(),
            taken: HashSet::new(),
            waiting: Vec::new(),
            written: BTreeMap::new(),
            provided: HashMap::new(),
            examples: BTreeMap::new(),
        }
    }

    /// A reference to a schema that no contract has to bring; it keeps this
    /// name, or one like it, among the others.
    pub(super) fn provide(&mut self, name: &'static str, schema: impl FnOnce() -> Map) -> Map {
        let name = match self.provided.get(name) {
            Some(name) => name.clone(),
            None => {
                let unique = component_name(name, &mut self.taken);
                self.written.insert(unique.clone(), schema().into());
                self.provided.insert(name, unique.clone());
                unique
            }
        };
        Map::new().with("$ref", format!("#/components/schemas/{name}"))
    }

    /// A reference to an example of a message; `None` when there is none to be
    /// had.
    pub(super) fn example(&mut self, id: MessageId, side: Side) -> Option<Map> {
        if !self.examples.contains_key(&(id, side)) {
            let examples = Examples {
                schema: self.schema,
                options: self.options,
            };
            let example = examples.message(id, side, &[]);
            // A request and a reply of one type are often the same.
            self.examples.insert((id, side), example);
        }
        self.examples.get(&(id, side))?.as_ref()?;
        let name = self.example_name(id, side);
        Some(Map::new().with("$ref", format!("#/components/examples/{name}")))
    }

    fn example_name(&mut self, id: MessageId, side: Side) -> String {
        let full_name = self.schema.message(id).name();
        // The schema of the message has the name that is unique.
        self.refer(Type::Message(id), full_name);
        let name = self
            .names
            .get(&Type::Message(id))
            .map_or(full_name, |name| name);
        match side {
            Side::Request => format!("{name}.request"),
            Side::Response => format!("{name}.reply"),
        }
    }

    /// A reference to the schema of a message.
    pub(super) fn message(&mut self, id: MessageId) -> Map {
        let full_name = self.schema.message(id).name();
        self.refer(Type::Message(id), full_name)
    }

    /// How JSON spells the name of a field.
    pub(super) fn field_name<'f>(&self, field: &'f Field) -> &'f str {
        if !self.options.proto_names || field.json_name().starts_with('[') {
            field.json_name()
        } else {
            field.name()
        }
    }

    /// The schema of a field, with what its contract says of it.
    pub(super) fn field(&mut self, message: &Message, field: &Field) -> Map {
        let annotations = Annotations::of(field);
        let mut schema = self.plain(field, &annotations);
        let words = self.words(message, field, &annotations);
        if !words.is_empty() {
            // What the type says of itself gives way to what the field says.
            schema = schema.without(&[Cow::Borrowed("description")]);
            schema.put("description", words);
        }
        if let Some(default) = field
            .default_value()
            .and_then(|value| self.default(field, value))
        {
            schema.put("default", default);
        }
        if annotations.output_only {
            schema.put("readOnly", true);
        }
        if annotations.input_only {
            schema.put("writeOnly", true);
        }
        if field.is_deprecated() {
            schema.put("deprecated", true);
        }
        schema
    }

    /// The schema of a field without words.
    pub(super) fn plain(&mut self, field: &Field, annotations: &Annotations) -> Map {
        let size = |mut schema: Map, least: &'static str, most: &'static str| {
            if let Some(count) = annotations.least_items {
                schema.put(least, count);
            }
            if let Some(count) = annotations.most_items {
                schema.put(most, count);
            }
            schema
        };
        match (field.cardinality(), field.kind().message()) {
            (Cardinality::Map, Some(entry)) => {
                let entry = self.schema.message(entry);
                let (Some(key), Some(value)) = (entry.field_by_number(1), entry.field_by_number(2))
                else {
                    return Map::new().with("type", "object");
                };
                let mut schema = Map::new().with("type", "object");
                if let Some(names) = key_names(key.kind()) {
                    schema.put("propertyNames", names);
                }
                schema.put(
                    "additionalProperties",
                    self.value(value.kind(), &annotations.value),
                );
                size(schema, "minProperties", "maxProperties")
            }
            (Cardinality::Repeated | Cardinality::Packed, _) => {
                let schema = Map::new()
                    .with("type", "array")
                    .with("items", self.value(field.kind(), &annotations.value));
                let mut schema = size(schema, "minItems", "maxItems");
                if annotations.unique_items {
                    schema.put("uniqueItems", true);
                }
                schema
            }
            _ => self.value(field.kind(), &annotations.value),
        }
    }

    /// The schema of one value of a kind.
    pub(super) fn value(&mut self, kind: Kind, bounds: &Bounds) -> Map {
        let scalar = |name: &'static str, format: &'static str| {
            let mut schema = Map::new().with("type", name);
            schema.put_text("format", format);
            schema
        };
        match kind {
            Kind::Bool => scalar("boolean", ""),
            Kind::String => text(bounds),
            Kind::Bytes => scalar("string", "").with("contentEncoding", "base64"),
            Kind::Double => number(scalar("number", "double"), bounds),
            Kind::Float => number(scalar("number", "float"), bounds),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                number(scalar("integer", "int32"), bounds)
            }
            Kind::Uint32 | Kind::Fixed32 => {
                let schema = scalar("integer", "uint32");
                let positive = Bounds {
                    least: bounds.least.or(Some(Bound {
                        value: 0.0,
                        exclusive: false,
                    })),
                    most: bounds.most,
                    ..Bounds::default()
                };
                number(schema, &positive)
            }
            // As text: a JavaScript number cannot hold all of them.
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => scalar("string", "int64"),
            Kind::Uint64 | Kind::Fixed64 => scalar("string", "uint64"),
            Kind::Enum(id) => {
                let full_name = self.schema.enumeration(id).name();
                self.refer(Type::Enum(id), full_name)
            }
            Kind::Message(id) | Kind::Delimited(id) => self.message(id),
        }
    }

    /// The properties of a message as an object, but for fields of these names.
    pub(super) fn object(&mut self, message: &Message, except: &[&str]) -> Map {
        let mut properties = Map::new();
        let mut required: Vec<Node> = Vec::new();
        let mut seen = HashSet::new();
        for field in message.fields().iter().chain(message.extensions()) {
            let name = self.field_name(field);
            if except.contains(&field.name()) || !seen.insert(name.to_owned()) {
                continue;
            }
            if Annotations::of(field).required || field.cardinality() == Cardinality::Required {
                required.push(name.to_owned().into());
            }
            properties.put(name.to_owned(), self.field(message, field));
        }
        let mut schema = Map::new().with("type", "object");
        schema.put_text("description", description(message.comment()));
        if !properties.is_empty() {
            schema.put("properties", properties);
        }
        if !required.is_empty() {
            schema.put("required", required);
        }
        if message.is_deprecated() {
            schema.put("deprecated", true);
        }
        schema
    }

    /// The examples that were referred to, by name.
    pub(super) fn take_examples(&mut self) -> Map {
        let mut by_name = BTreeMap::new();
        for ((id, side), example) in std::mem::take(&mut self.examples) {
            if let Some(example) = example {
                by_name.insert(self.example_name(id, side), example);
            }
        }
        let mut all = Map::new();
        for (name, example) in by_name {
            all.put(name, Map::new().with("value", example));
        }
        all
    }

    /// Everything that was referred to, by name.
    pub(super) fn finish(mut self) -> Map {
        while let Some(waiting) = self.waiting.pop() {
            let schema = match waiting {
                Type::Message(id) => {
                    let message = self.schema.message(id);
                    match Known::named(message.name()) {
                        Some(known) => known.schema(),
                        None => self.object(message, &[]),
                    }
                }
                Type::Enum(id) => self.enumeration(id),
            };
            let name = self.names.get(&waiting).cloned().unwrap_or_default();
            self.written.insert(name, schema.into());
        }
        let mut all = Map::new();
        for (name, schema) in self.written {
            all.put(name, schema);
        }
        all
    }

    fn refer(&mut self, to: Type, full_name: &str) -> Map {
        let name = match self.names.get(&to) {
            Some(name) => name,
            None => {
                let name = component_name(full_name, &mut self.taken);
                self.waiting.push(to);
                self.names.entry(to).or_insert(name)
            }
        };
        Map::new().with("$ref", format!("#/components/schemas/{name}"))
    }

    fn enumeration(&self, id: EnumId) -> Map {
        let enumeration = self.schema.enumeration(id);
        if enumeration.name() == "google.protobuf.NullValue" {
            return Map::new().with("type", "null");
        }
        let mut list = String::new();
        for value in enumeration.values() {
            let comment = description(value.comment());
            let deprecated = if value.is_deprecated() {
                " (deprecated)"
            } else {
                ""
            };
            if comment.is_empty() && deprecated.is_empty() {
                continue;
            }
            let comment = comment.split_whitespace().collect::<Vec<_>>().join(" ");
            let colon = if comment.is_empty() { "" } else { ": " };
            list.push_str(&format!(
                "- `{}`{deprecated}{colon}{comment}\n",
                value.name()
            ));
        }
        let words = paragraphs([
            description(enumeration.comment()).into(),
            list.trim_end().to_owned().into(),
        ]);
        let mut seen = HashSet::new();
        let mut names: Vec<Node> = Vec::new();
        let mut numbers: Vec<Node> = Vec::new();
        for value in enumeration.values() {
            if self.options.enums_as_numbers {
                if seen.insert(value.number().to_string()) {
                    numbers.push(value.number().into());
                    names.push(value.name().to_owned().into());
                }
            } else if seen.insert(value.name().to_owned()) {
                names.push(value.name().to_owned().into());
            }
        }
        let mut schema = Map::new();
        if self.options.enums_as_numbers {
            schema.put("type", "integer");
            schema.put("format", "int32");
        } else {
            schema.put("type", "string");
        }
        schema.put_text("description", words);
        // An enum without values would allow none.
        if !names.is_empty() {
            if self.options.enums_as_numbers {
                schema.put("enum", numbers);
                schema.put("x-enum-varnames", names);
            } else {
                schema.put("enum", names);
            }
        }
        if enumeration.is_deprecated() {
            schema.put("deprecated", true);
        }
        schema
    }

    /// What a document says of a field in words.
    pub(super) fn words(
        &self,
        message: &Message,
        field: &Field,
        annotations: &Annotations,
    ) -> String {
        let oneof = field.oneof().map_or_else(String::new, |oneof| {
            let members: Vec<&str> = message
                .fields()
                .iter()
                .filter(|member| member.oneof() == Some(oneof))
                .map(|member| self.field_name(member))
                .collect();
            if members.len() < 2 {
                return String::new();
            }
            let one = format!("At most one of {} is set.", alternatives(&members));
            paragraphs([description(message.oneof_comment(oneof)).into(), one.into()])
        });
        let immutable = if annotations.immutable {
            "Cannot be changed once it is set."
        } else {
            ""
        };
        paragraphs([
            description(field.comment()).into(),
            oneof.into(),
            immutable.into(),
        ])
    }

    fn default(&self, field: &Field, value: &DefaultValue) -> Option<Node> {
        Some(match value {
            // Within 32 bits, since 64 are text.
            DefaultValue::Int(value) => match field.kind() {
                Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => value.to_string().into(),
                _ => (*value).into(),
            },
            DefaultValue::Uint(value) => match field.kind() {
                Kind::Uint64 | Kind::Fixed64 => value.to_string().into(),
                _ => (*value).into(),
            },
            DefaultValue::Double(value) => value.is_finite().then(|| (*value).into())?,
            DefaultValue::Float(value) => {
                // By its own digits: as a double it would have many more.
                let value: f64 = value.to_string().parse().ok()?;
                value.is_finite().then(|| value.into())?
            }
            DefaultValue::Bool(value) => (*value).into(),
            DefaultValue::String(value) => value.to_string().into(),
            DefaultValue::Bytes(value) => {
                use base64::Engine;
                base64::engine::general_purpose::STANDARD
                    .encode(value)
                    .into()
            }
            DefaultValue::Enum(number) => {
                let Kind::Enum(id) = field.kind() else {
                    return None;
                };
                let values = self.schema.enumeration(id).values();
                let value = values.iter().find(|value| value.number() == *number)?;
                if self.options.enums_as_numbers {
                    (*number).into()
                } else {
                    value.name().to_owned().into()
                }
            }
        })
    }
}

/// A name for a component (OAS 3.1, "Components Object": letters, digits, dots,
/// hyphens, underscores), which no other has.
fn component_name(full_name: &str, taken: &mut HashSet<String>) -> String {
    let allowed = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') {
            letter
        } else {
            '_'
        }
    };
    let wanted: String = full_name.chars().map(allowed).collect();
    let mut name = wanted.clone();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{wanted}_{count}");
    }
    name
}

/// What the keys of a map have to be, when they are not any text.
fn key_names(kind: Kind) -> Option<Map> {
    match kind {
        Kind::String => None,
        Kind::Bool => Some(Map::new().with("enum", vec!["true".into(), "false".into()])),
        Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => {
            Some(Map::new().with("pattern", "^[0-9]+$"))
        }
        _ => Some(Map::new().with("pattern", "^-?[0-9]+$")),
    }
}

fn text(bounds: &Bounds) -> Map {
    let mut schema = Map::new().with("type", "string");
    schema.put_text("format", bounds.format.unwrap_or_default());
    if let Some(length) = bounds.least_length {
        schema.put("minLength", length);
    }
    if let Some(length) = bounds.most_length {
        schema.put("maxLength", length);
    }
    if let Some(pattern) = &bounds.pattern {
        schema.put("pattern", pattern.clone());
    }
    if !bounds.one_of.is_empty() {
        let texts: Vec<Node> = bounds
            .one_of
            .iter()
            .map(|text| text.clone().into())
            .collect();
        schema.put("enum", texts);
    }
    schema
}

fn number(mut schema: Map, bounds: &Bounds) -> Map {
    if let Some(Bound { value, exclusive }) = bounds.least {
        schema.put(
            if exclusive {
                "exclusiveMinimum"
            } else {
                "minimum"
            },
            value,
        );
    }
    if let Some(Bound { value, exclusive }) = bounds.most {
        schema.put(
            if exclusive {
                "exclusiveMaximum"
            } else {
                "maximum"
            },
            value,
        );
    }
    schema
}
