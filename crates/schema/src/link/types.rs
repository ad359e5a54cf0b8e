//! Messages with their fields, enums and extensions, once every name is known.

use std::collections::HashSet;

use super::element::Element;
use super::{Linker, Scope, child, index, join};
use crate::descriptor::{EnumDescriptor, OneofDescriptor};
use crate::features::{Features, Presence};
use crate::file::{FieldDescriptor, FileDescriptor, MessageDescriptor};
use crate::{Cardinality, DefaultValue, Error, Field, Kind, Symbol};

/// The largest field number (protobuf.dev, "Assigning Field Numbers").
const MAX_FIELD_NUMBER: i32 = 536_870_911;

impl Linker {
    pub(super) fn define_types(&mut self, file: &FileDescriptor<'_>) -> Result<(), Error> {
        let scope = Scope::of(file);
        let package = file.package;
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

    fn define_message(
        &mut self,
        scope: &Scope<'_>,
        parent: &str,
        descriptor: &MessageDescriptor<'_>,
        features: Features,
        path: &[i32],
    ) -> Result<(), Error> {
        let name = descriptor.name;
        let full_name = join(parent, name);
        let options = descriptor.options.as_ref();
        let mut features = features.with(options.and_then(|options| options.features.as_ref()));
        let map_entry = options
            .and_then(|options| options.map_entry)
            .unwrap_or(false);
        if map_entry {
            // The value of a map is length-prefixed, whatever the file chose.
            features.delimited = false;
        }
        let mut fields = Vec::with_capacity(descriptor.field.len());
        for (position, field) in (0..).zip(&descriptor.field) {
            let Ok(oneof) = oneof_of(field, &descriptor.oneof_decl) else {
                let message = Element::new(scope.file, parent, name);
                return Err(message.invalid("has a field in an unknown oneof"));
            };
            let of_oneof = oneof.and_then(|position| {
                descriptor.oneof_decl[position as usize]
                    .options
                    .as_ref()?
                    .features
                    .as_ref()
            });
            let comment = scope.comments.at_child(path, 2, position);
            let features = features.with(of_oneof);
            fields.push(self.field(scope, &full_name, field, features, oneof, comment)?);
        }
        if let Some(field) = with_repeated_number(&fields) {
            let field = Element::new(scope.file, &full_name, &field.name);
            return Err(field.invalid("has the number of another field"));
        }
        if map_entry && !is_map_entry(&fields) {
            let problem = "is a map entry without a key that can be one and a single value";
            return Err(Element::new(scope.file, parent, name).invalid(problem));
        }
        if let Some(Symbol::Message(id)) = self.schema.symbol(&full_name) {
            let message = &mut self.schema.messages[id.index()];
            message.fields = fields;
            message.oneof_comments = (0..)
                .zip(&descriptor.oneof_decl)
                .map(|(position, _)| scope.comments.at_child(path, 8, position))
                .collect();
            message.comment = scope.comments.at(path);
        }
        for (position, nested) in (0..).zip(&descriptor.nested_type) {
            let path = child(path, 3, position);
            self.define_message(scope, &full_name, nested, features, &path)?;
        }
        for (position, nested) in (0..).zip(&descriptor.enum_type) {
            self.define_enum(scope, &full_name, nested, &child(path, 4, position));
        }
        for (position, extension) in (0..).zip(&descriptor.extension) {
            let path = child(path, 6, position);
            self.define_extension(scope, &full_name, extension, features, &path)?;
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
        let full_name = join(parent, descriptor.name());
        if let Some(Symbol::Enum(id)) = self.schema.symbol(&full_name) {
            let enumeration = &mut self.schema.enums[id.index()];
            enumeration.comment = scope.comments.at(path);
            for (position, value) in (0..).zip(&mut enumeration.values) {
                value.comment = scope.comments.at_child(path, 2, position);
            }
        }
    }

    fn define_extension(
        &mut self,
        scope: &Scope<'_>,
        parent: &str,
        descriptor: &FieldDescriptor<'_>,
        features: Features,
        path: &[i32],
    ) -> Result<(), Error> {
        let extendee = descriptor.extendee.unwrap_or_default();
        let comment = scope.comments.at(path);
        let mut field = self.field(scope, parent, descriptor, features, None, comment)?;
        let Some(id) = self
            .schema
            .message_by_name(extendee.trim_start_matches('.'))
        else {
            return Err(Element::new(scope.file, parent, &field.name).unknown_type(extendee));
        };
        let full_name = join(parent, &field.name);
        field.json_name = format!("[{full_name}]").into();
        field.name = full_name.into();
        self.extended_in
            .insert(field.name.clone(), scope.file.into());
        // The fields of the message may not be there yet; see `check_extensions`.
        self.schema.messages[id.index()].extensions.push(field);
        Ok(())
    }

    /// No extension may have the number of a field or of another extension.
    pub(super) fn check_extensions(&self) -> Result<(), Error> {
        for message in self
            .schema
            .messages
            .iter()
            .filter(|message| !message.extensions.is_empty())
        {
            let mut numbers: HashSet<u32> =
                message.fields.iter().map(|field| field.number).collect();
            for extension in &message.extensions {
                if !numbers.insert(extension.number) {
                    let file = self
                        .extended_in
                        .get(&extension.name)
                        .map_or("", |file| file);
                    return Err(Element::new(file, "", &extension.name)
                        .invalid("has the number of another field"));
                }
            }
        }
        Ok(())
    }

    fn field(
        &self,
        scope: &Scope<'_>,
        parent: &str,
        descriptor: &FieldDescriptor<'_>,
        features: Features,
        oneof: Option<u32>,
        comment: Box<str>,
    ) -> Result<Field, Error> {
        let name = descriptor.name;
        let element = Element::new(scope.file, parent, name);
        let options = descriptor.options.as_ref();
        let features = features.with(options.and_then(|options| options.features.as_ref()));
        let number = descriptor.number;
        if !(1..=MAX_FIELD_NUMBER).contains(&number) {
            return Err(element.invalid("has a number outside 1 to 536870911"));
        }
        let kind = self.kind(element, descriptor, features)?;
        let default = match descriptor.default_value {
            None => None,
            Some(text) => {
                let enumeration = match kind {
                    Kind::Enum(id) => Some(self.schema.enumeration(id)),
                    _ => None,
                };
                let value = DefaultValue::parse(text, kind, enumeration);
                if value.is_none() {
                    return Err(element.invalid("has a default that is not a value of its type"));
                }
                value
            }
        };
        Ok(Field {
            number: number.unsigned_abs(),
            json_name: descriptor
                .json_name
                .map_or_else(|| to_json_name(name), Box::from),
            name: name.into(),
            kind,
            cardinality: self.cardinality(descriptor, kind, features, oneof),
            oneof,
            utf8: features.utf8,
            default,
            deprecated: options
                .and_then(|options| options.deprecated)
                .unwrap_or(false),
            options: descriptor.raw_options.as_ref().into(),
            comment,
        })
    }

    fn kind(
        &self,
        element: Element<'_>,
        descriptor: &FieldDescriptor<'_>,
        features: Features,
    ) -> Result<Kind, Error> {
        let named = || {
            let type_name = descriptor.type_name;
            self.schema
                .symbol(type_name.trim_start_matches('.'))
                .ok_or_else(|| element.unknown_type(type_name))
        };
        let wrong = |problem| Err(element.invalid(problem));
        // The numbers are those of FieldDescriptorProto.Type.
        Ok(match descriptor.r#type {
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
        descriptor: &FieldDescriptor<'_>,
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
        match descriptor.label {
            REPEATED => match kind {
                Kind::Message(id) if self.schema.message(id).map_entry => Cardinality::Map,
                _ if kind.is_packable() && packed.unwrap_or(features.packed) => Cardinality::Packed,
                _ => Cardinality::Repeated,
            },
            REQUIRED => Cardinality::Required,
            _ if oneof.is_some() || descriptor.proto3_optional => Cardinality::Optional,
            _ if features.presence == Presence::Required => Cardinality::Required,
            // An extension is there or not, whatever its file says of fields.
            _ if kind.message().is_some()
                || descriptor.extendee.is_some()
                || features.presence == Presence::Explicit =>
            {
                Cardinality::Optional
            }
            _ => Cardinality::Implicit,
        }
    }
}

/// The oneof that a field belongs to, if any; the synthetic one of a proto3
/// `optional` field is none. An error when it is not among these.
fn oneof_of(field: &FieldDescriptor<'_>, oneofs: &[OneofDescriptor]) -> Result<Option<u32>, ()> {
    let position = field.oneof_index.filter(|_| !field.proto3_optional);
    match position.map(|position| usize::try_from(position).unwrap_or(usize::MAX)) {
        Some(position) if position >= oneofs.len() => Err(()),
        other => Ok(other.map(index)),
    }
}

/// The first field with the number of one before it.
fn with_repeated_number(fields: &[Field]) -> Option<&Field> {
    // Nearly every message is written in ascending order: no set is needed.
    if fields.is_sorted_by(|one, next| one.number < next.number) {
        return None;
    }
    let mut numbers = HashSet::with_capacity(fields.len());
    fields.iter().find(|field| !numbers.insert(field.number))
}

/// Whether these are the fields of a map entry: a `key` of a kind that can be
/// one, and one `value`.
fn is_map_entry(fields: &[Field]) -> bool {
    let field = |number| {
        fields
            .iter()
            .find(|field| field.number == number && field.cardinality.is_singular())
    };
    let key = field(1).is_some_and(|key| match key.kind {
        Kind::Double | Kind::Float | Kind::Bytes | Kind::Enum(_) => false,
        kind => kind.message().is_none(),
    });
    key && field(2).is_some() && fields.len() == 2
}

/// `lowerCamelCase` of a field name, as protoc fills `json_name`.
fn to_json_name(name: &str) -> Box<str> {
    let underscores = name.bytes().filter(|byte| *byte == b'_').count();
    let mut json_name = String::with_capacity(name.len() - underscores);
    let mut rest = name;
    let mut upper = false;
    // Word by word; `split` costs more on names of a few bytes.
    loop {
        let end = rest.bytes().position(|byte| byte == b'_');
        let start = json_name.len();
        json_name.push_str(&rest[..end.unwrap_or(rest.len())]);
        if upper && let Some(first) = json_name.get_mut(start..=start) {
            first.make_ascii_uppercase();
        }
        let Some(end) = end else {
            return json_name.into();
        };
        rest = &rest[end + 1..];
        upper = true;
    }
}

#[cfg(test)]
mod tests {
    use super::to_json_name;

    #[test]
    fn json_names_are_those_of_protoc() {
        for (name, json_name) in [
            ("", ""),
            ("state", "state"),
            ("display_name", "displayName"),
            ("_leading", "Leading"),
            ("trailing_", "trailing"),
            ("two__in_a_row", "twoInARow"),
            ("Kept_Upper", "KeptUpper"),
            ("sha_256_sum", "sha256Sum"),
            ("é_élan_ßx", "éélanßx"),
        ] {
            assert_eq!(&*to_json_name(name), json_name, "{name}");
        }
    }
}
