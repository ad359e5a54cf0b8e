//! Contracts as descriptors: as they are, and as their twins for a library that
//! has no editions.

use prost::Message as _;
use protox::file::{FileResolver as _, GoogleFileResolver};

use crate::contract::{
    Contract, EXTENSIONS, EnumModel, FieldModel, FileModel, MessageModel, Shape, Syntax, Type,
    WELL_KNOWN,
};
use crate::descriptor::{
    ENUM, EnumOptions, EnumType, EnumValue, Features, Field, FieldOptions, File, FileOptions,
    FileSet, GROUP, MESSAGE, MessageOptions, MessageType, OPTIONAL, Oneof, REPEATED, REQUIRED,
    Range,
};
use crate::names;

const GOOGLE: [&str; 7] = [
    "google/protobuf/any.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto",
];

const EDITION_2023: i32 = 1000;
const EDITION_2024: i32 = 1001;

/// The descriptor set of a contract, or of its twin.
pub(crate) fn encode(contract: &Contract, twin: bool) -> Vec<u8> {
    let mut set = FileSet::default();
    for name in GOOGLE {
        let file = GoogleFileResolver::new()
            .open_file(name)
            .expect("the well-known types come with the compiler");
        set.file.push(file.file_descriptor_proto().encode_to_vec());
    }
    let files = (0..contract.files.len()).flat_map(|index| {
        let encoder = Encoder {
            contract,
            index,
            model: &contract.files[index],
            twins: twin,
            // The two syntaxes need no twin.
            twin: twin && contract.files[index].syntax.is_edition(),
        };
        encoder.files()
    });
    set.file.extend(files.map(|file| file.encode_to_vec()));
    set.encode_to_vec()
}

/// The descriptors of one file.
struct Encoder<'a> {
    contract: &'a Contract,
    index: usize,
    model: &'a FileModel,
    /// Whether the editions of the contract are encoded as twins.
    twins: bool,
    /// Whether this file is.
    twin: bool,
}

impl Encoder<'_> {
    /// The file; in a twin, the enums have one of their own, since an enum of
    /// proto3 begins with zero.
    fn files(&self) -> Vec<File> {
        let imports = (0..self.index).map(|before| self.contract.files[before].name.clone());
        let mut dependency: Vec<String> = GOOGLE.map(str::to_owned).into_iter().collect();
        dependency.extend(imports);
        // What an earlier file's twin put aside.
        if self.twins {
            let before = self.contract.files[..self.index].iter();
            let editions = before.filter(|file| file.syntax.is_edition());
            dependency.extend(editions.map(|file| enums_of(&file.name)));
        }
        let mut file = File {
            name: Some(self.model.name.clone()),
            package: Some(self.contract.package().to_owned()),
            dependency,
            message_type: self.messages(None),
            enum_type: self.enums(None),
            extension: self.extensions(None),
            ..File::default()
        };
        match self.model.syntax {
            Syntax::Proto2 => file.syntax = Some("proto2".to_owned()),
            Syntax::Proto3 => file.syntax = Some("proto3".to_owned()),
            _ if self.twin => {
                file.syntax = Some("proto3".to_owned());
                let enums = File {
                    name: Some(enums_of(&self.model.name)),
                    package: file.package.clone(),
                    enum_type: std::mem::take(&mut file.enum_type),
                    syntax: Some("proto2".to_owned()),
                    ..File::default()
                };
                file.dependency.push(enums_of(&self.model.name));
                return vec![enums, file];
            }
            edition => {
                file.syntax = Some("editions".to_owned());
                file.edition = Some(if edition == Syntax::Edition2023 {
                    EDITION_2023
                } else {
                    EDITION_2024
                });
                file.options = Some(FileOptions {
                    features: Some(self.file_features()),
                });
            }
        }
        vec![file]
    }

    fn file_features(&self) -> Features {
        let FileModel {
            syntax,
            implicit,
            closed,
            packed,
            delimited,
            ..
        } = self.model;
        Features {
            field_presence: implicit.then_some(2),
            enum_type: closed.then_some(2),
            repeated_field_encoding: (!packed).then_some(2),
            message_encoding: delimited.then_some(2),
            enforce_naming_style: (*syntax == Syntax::Edition2024).then_some(2),
        }
    }

    fn messages(&self, parent: Option<usize>) -> Vec<MessageType> {
        let all = self.contract.messages.iter().enumerate();
        all.filter(|(_, message)| message.file == self.index && message.parent == parent)
            .map(|(index, message)| {
                let mut nested_type = self.messages(Some(index));
                let field = message.fields.iter();
                let field = field
                    .map(|field| Field {
                        oneof_index: self.oneof_index(message, field),
                        ..self.field(field, &message.full_name, &mut nested_type)
                    })
                    .collect();
                MessageType {
                    name: Some(message.name.clone()),
                    field,
                    nested_type,
                    enum_type: self.enums(Some(index)),
                    extension: self.extensions(Some(index)),
                    extension_range: message
                        .is_extendable
                        .then_some(Range {
                            start: Some(EXTENSIONS.start),
                            end: Some(EXTENSIONS.end),
                        })
                        .into_iter()
                        .collect(),
                    options: None,
                    oneof_decl: self.oneofs(message.oneofs, &message.fields),
                }
            })
            .collect()
    }

    /// The oneofs, and behind them, in proto3, one for each optional field.
    fn oneofs(&self, count: usize, fields: &[FieldModel]) -> Vec<Oneof> {
        let real = (0..count).map(|index| format!("choice_{index}"));
        let synthetic = fields.iter().filter(|field| self.is_proto3_optional(field));
        real.chain(synthetic.map(|field| format!("_{}", field.name)))
            .map(|name| Oneof { name: Some(name) })
            .collect()
    }

    fn is_proto3_optional(&self, field: &FieldModel) -> bool {
        let syntax = self.twin || self.model.syntax == Syntax::Proto3;
        let is_message = matches!(field.of, Type::Message { .. } | Type::WellKnown { .. });
        syntax && field.shape == Shape::Optional && !is_message
    }

    fn enums(&self, parent: Option<usize>) -> Vec<EnumType> {
        let all = self.contract.enums.iter();
        all.filter(|found| found.file == self.index && found.parent == parent)
            .map(|found| self.enumeration(found))
            .collect()
    }

    fn enumeration(&self, found: &EnumModel) -> EnumType {
        let mut numbers: Vec<i32> = found.values.iter().map(|value| value.1).collect();
        numbers.sort_unstable();
        let aliases = numbers.windows(2).any(|pair| pair[0] == pair[1]);
        let chosen = self.is_real_edition() && found.closed != self.model.closed;
        let features = chosen.then(|| Features {
            enum_type: Some(if found.closed { 2 } else { 1 }),
            ..Features::default()
        });
        EnumType {
            name: Some(found.name.clone()),
            value: found
                .values
                .iter()
                .map(|(name, number)| EnumValue {
                    name: Some(name.clone()),
                    number: Some(*number),
                })
                .collect(),
            options: (aliases || features.is_some()).then(|| EnumOptions {
                allow_alias: aliases.then_some(true),
                features,
            }),
        }
    }

    fn is_real_edition(&self) -> bool {
        self.model.syntax.is_edition() && !self.twin
    }

    fn extensions(&self, parent: Option<usize>) -> Vec<Field> {
        let all = self.contract.extensions.iter();
        all.filter(|extension| extension.file == self.index && extension.parent == parent)
            .map(|extension| {
                let field = self.field(&extension.field, "", &mut Vec::new());
                let extendee = &self.contract.messages[extension.extendee].full_name;
                Field {
                    extendee: Some(format!(".{extendee}")),
                    // Extensions of any file have presence.
                    proto3_optional: None,
                    ..field
                }
            })
            .collect()
    }

    /// A field, still in no oneof; the entry type of a map is added to `nested`.
    fn field(&self, field: &FieldModel, owner: &str, nested: &mut Vec<MessageType>) -> Field {
        if let Shape::Map(key) = field.shape {
            return self.map(field, key, owner, nested);
        }
        let (kind, type_name) = self.kind(field.of);
        Field {
            name: Some(field.name.clone()),
            extendee: None,
            number: Some(field.number),
            label: Some(match field.shape {
                Shape::Repeated { .. } => REPEATED,
                Shape::Required if !self.is_real_edition() => REQUIRED,
                _ => OPTIONAL,
            }),
            kind: Some(kind),
            type_name,
            default_value: field.default.clone(),
            options: self.field_options(field),
            oneof_index: None,
            json_name: Some(field.json_name.clone()),
            // A twin's required field has presence too.
            proto3_optional: (self.is_proto3_optional(field)
                || self.twin && field.shape == Shape::Required)
                .then_some(true),
        }
    }

    /// The oneof of a field, be it the one that proto3 makes of an optional one.
    fn oneof_index(&self, message: &MessageModel, field: &FieldModel) -> Option<i32> {
        let index = match field.shape {
            Shape::Oneof(index) => index,
            _ if self.is_proto3_optional(field) => {
                let before = message.fields.iter();
                let before = before.take_while(|other| other.number != field.number);
                message.oneofs
                    + before
                        .filter(|other| self.is_proto3_optional(other))
                        .count()
            }
            _ => return None,
        };
        i32::try_from(index).ok()
    }

    fn kind(&self, of: Type) -> (i32, Option<String>) {
        let message = |delimited: bool| match delimited && !self.is_real_edition() {
            true => GROUP,
            false => MESSAGE,
        };
        match of {
            Type::Scalar(kind) => (kind, None),
            Type::Enum(index) => {
                let name = &self.contract.enums[index].full_name;
                (ENUM, Some(format!(".{name}")))
            }
            Type::Message { index, delimited } => {
                let name = &self.contract.messages[index].full_name;
                (message(delimited), Some(format!(".{name}")))
            }
            Type::WellKnown { index, delimited } => {
                let name = WELL_KNOWN[index];
                (message(delimited), Some(format!(".google.protobuf.{name}")))
            }
            Type::NullValue => (ENUM, Some(".google.protobuf.NullValue".to_owned())),
        }
    }

    /// What a field says about itself, where it is not what its file says.
    fn field_options(&self, field: &FieldModel) -> Option<FieldOptions> {
        let packable = match field.of {
            Type::Scalar(kind) => !matches!(kind, 9 | 12),
            Type::Enum(_) | Type::NullValue => true,
            Type::Message { .. } | Type::WellKnown { .. } => false,
        };
        let packed = match field.shape {
            Shape::Repeated { packed } if packable => Some(packed),
            _ => None,
        };
        if !self.is_real_edition() {
            let packed = packed.filter(|packed| self.twin || *packed != self.model.packed);
            return packed.map(|packed| FieldOptions {
                packed: Some(packed),
                features: None,
            });
        }
        let is_message = !packable && !matches!(field.of, Type::Scalar(_));
        let is_extension = EXTENSIONS.contains(&field.number);
        let features = Features {
            field_presence: match field.shape {
                Shape::Required => Some(3),
                Shape::Implicit if !self.model.implicit => Some(2),
                Shape::Optional if self.model.implicit && !is_message && !is_extension => Some(1),
                _ => None,
            },
            repeated_field_encoding: packed
                .filter(|packed| *packed != self.model.packed)
                .map(|packed| if packed { 1 } else { 2 }),
            message_encoding: match field.of {
                Type::Message { delimited, .. } | Type::WellKnown { delimited, .. } => {
                    (delimited != self.model.delimited).then_some(if delimited { 2 } else { 1 })
                }
                _ => None,
            },
            ..Features::default()
        };
        (features != Features::default()).then_some(FieldOptions {
            packed: None,
            features: Some(features),
        })
    }

    fn map(
        &self,
        field: &FieldModel,
        key: i32,
        owner: &str,
        nested: &mut Vec<MessageType>,
    ) -> Field {
        let entry = names::map_entry(&field.name);
        let (kind, type_name) = self.kind(field.of);
        let part = |name: &str, number, kind, type_name| Field {
            name: Some(name.to_owned()),
            number: Some(number),
            label: Some(OPTIONAL),
            kind: Some(kind),
            type_name,
            json_name: Some(name.to_owned()),
            ..Field::default()
        };
        nested.push(MessageType {
            name: Some(entry.clone()),
            field: vec![part("key", 1, key, None), part("value", 2, kind, type_name)],
            options: Some(MessageOptions {
                map_entry: Some(true),
            }),
            ..MessageType::default()
        });
        Field {
            name: Some(field.name.clone()),
            number: Some(field.number),
            label: Some(REPEATED),
            kind: Some(MESSAGE),
            type_name: Some(format!(".{owner}.{entry}")),
            json_name: Some(field.json_name.clone()),
            ..Field::default()
        }
    }
}

/// The name of the file with the enums of a twin.
fn enums_of(name: &str) -> String {
    name.replace(".proto", "_enums.proto")
}
