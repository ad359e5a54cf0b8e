//! Random contracts: what they consist of, and the rules of the language that
//! decide what may stand beside what.

use std::collections::HashSet;

use prost_reflect::DescriptorPool;

use crate::{Random, files, names};

/// The dialect of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// `syntax = "proto2"`
    Proto2,
    /// `syntax = "proto3"`
    Proto3,
    /// `edition = "2023"`
    Edition2023,
    /// `edition = "2024"`
    Edition2024,
}

impl Syntax {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Proto2,
        Self::Proto3,
        Self::Edition2023,
        Self::Edition2024,
    ];

    pub(crate) fn is_edition(self) -> bool {
        matches!(self, Self::Edition2023 | Self::Edition2024)
    }
}

/// A file, with what it says for everything in it; an edition can choose, the
/// two syntaxes cannot.
#[derive(Debug)]
pub(crate) struct FileModel {
    pub(crate) name: String,
    pub(crate) syntax: Syntax,
    pub(crate) implicit: bool,
    pub(crate) closed: bool,
    pub(crate) packed: bool,
    pub(crate) delimited: bool,
}

#[derive(Debug)]
pub(crate) struct MessageModel {
    pub(crate) file: usize,
    /// The message that it is declared in.
    pub(crate) parent: Option<usize>,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) fields: Vec<FieldModel>,
    pub(crate) oneofs: usize,
    pub(crate) is_extendable: bool,
}

#[derive(Debug)]
pub(crate) struct EnumModel {
    pub(crate) file: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) closed: bool,
    pub(crate) values: Vec<(String, i32)>,
}

#[derive(Debug)]
pub(crate) struct ExtensionModel {
    pub(crate) file: usize,
    /// The message in whose scope it is declared.
    pub(crate) parent: Option<usize>,
    pub(crate) extendee: usize,
    pub(crate) field: FieldModel,
}

#[derive(Clone, Debug)]
pub(crate) struct FieldModel {
    pub(crate) name: String,
    pub(crate) json_name: String,
    pub(crate) number: i32,
    pub(crate) shape: Shape,
    pub(crate) of: Type,
    pub(crate) default: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Implicit,
    Optional,
    Required,
    Oneof(usize),
    Repeated {
        packed: bool,
    },
    /// With the scalar type of its keys.
    Map(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// As `FieldDescriptorProto.Type` numbers it.
    Scalar(i32),
    Enum(usize),
    Message {
        index: usize,
        delimited: bool,
    },
    WellKnown {
        index: usize,
        delimited: bool,
    },
    NullValue,
}

/// The messages that every implementation knows by name.
pub(crate) const WELL_KNOWN: [&str; 17] = [
    "Any",
    "Timestamp",
    "Duration",
    "FieldMask",
    "Struct",
    "Value",
    "ListValue",
    "Empty",
    "DoubleValue",
    "FloatValue",
    "Int64Value",
    "UInt64Value",
    "Int32Value",
    "UInt32Value",
    "BoolValue",
    "StringValue",
    "BytesValue",
];

const SCALARS: [i32; 15] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 18];
/// Every scalar but floating-point numbers and bytes can be the key of a map.
const KEYS: [i32; 12] = [3, 4, 5, 6, 7, 8, 9, 13, 15, 16, 17, 18];
const STRING: i32 = 9;
const BYTES: i32 = 12;

/// The numbers that extensions of a message have.
pub(crate) const EXTENSIONS: std::ops::Range<i32> = 1000..2000;

/// A random contract.
#[derive(Debug)]
pub struct Contract {
    package: String,
    pub(crate) files: Vec<FileModel>,
    pub(crate) messages: Vec<MessageModel>,
    pub(crate) enums: Vec<EnumModel>,
    pub(crate) extensions: Vec<ExtensionModel>,
}

impl Contract {
    /// A contract of one or two files; the later one, which uses the earlier,
    /// is of this syntax.
    #[must_use]
    pub fn random(random: &mut Random, package: &str, syntax: Syntax) -> Self {
        let mut contract = Self {
            package: package.to_owned(),
            files: Vec::new(),
            messages: Vec::new(),
            enums: Vec::new(),
            extensions: Vec::new(),
        };
        if random.chance(2) {
            let before = syntax_before(random, syntax);
            contract.file(random, before);
        }
        contract.file(random, syntax);
        for index in 0..contract.messages.len() {
            contract.fields(random, index);
        }
        contract.extend(random);
        contract
    }

    /// The package, which is in front of every name.
    #[must_use]
    pub fn package(&self) -> &str {
        &self.package
    }

    /// The encoded `FileDescriptorSet`, with the well-known types.
    #[must_use]
    pub fn descriptors(&self) -> Vec<u8> {
        files::encode(self, false)
    }

    /// The contract as prost-reflect knows it. It has no editions; for it a file
    /// of an edition says with the means of the two syntaxes what it means.
    #[must_use]
    pub fn pool(&self) -> DescriptorPool {
        let twin = files::encode(self, true);
        DescriptorPool::decode(&*twin)
            .unwrap_or_else(|error| panic!("{}: {error:?}\n{self:#?}", self.package))
    }

    /// The full names of the messages.
    #[must_use]
    pub fn messages(&self) -> Vec<&str> {
        let names = self.messages.iter();
        names.map(|message| &*message.full_name).collect()
    }

    /// The full names of the closed enums.
    #[must_use]
    pub fn closed_enums(&self) -> HashSet<String> {
        let closed = self.enums.iter().filter(|found| found.closed);
        closed.map(|found| found.full_name.clone()).collect()
    }

    /// A file with its types, still without fields.
    fn file(&mut self, random: &mut Random, syntax: Syntax) {
        let index = self.files.len();
        let edition = syntax.is_edition();
        self.files.push(FileModel {
            name: format!("{}/{index}.proto", self.package.replace('.', "/")),
            syntax,
            implicit: syntax == Syntax::Proto3 || edition && random.chance(3),
            closed: syntax == Syntax::Proto2 || edition && random.chance(3),
            packed: syntax == Syntax::Proto3 || edition && !random.chance(3),
            delimited: edition && random.chance(3),
        });
        let first = self.messages.len();
        for _ in 0..1 + random.below(4) {
            let parent = (self.messages.len() > first && random.chance(4))
                .then(|| first + random.below(self.messages.len() - first));
            self.message(random, index, parent, "M");
        }
        for _ in 0..1 + random.below(3) {
            self.enumeration(random, index, first);
        }
    }

    fn message(
        &mut self,
        random: &mut Random,
        file: usize,
        parent: Option<usize>,
        prefix: &str,
    ) -> usize {
        let index = self.messages.len();
        let name = format!("{prefix}{index}");
        self.messages.push(MessageModel {
            file,
            parent,
            full_name: format!("{}.{name}", self.scope(parent)),
            name,
            fields: Vec::new(),
            oneofs: if random.chance(2) { random.below(3) } else { 0 },
            is_extendable: self.files[file].syntax != Syntax::Proto3 && random.chance(3),
        });
        index
    }

    /// What stands in front of a name that is declared here.
    pub(crate) fn scope(&self, parent: Option<usize>) -> &str {
        parent.map_or(&self.package, |parent| &self.messages[parent].full_name)
    }

    fn enumeration(&mut self, random: &mut Random, file: usize, first_message: usize) {
        let model = &self.files[file];
        let closed = match model.syntax {
            Syntax::Proto2 => true,
            Syntax::Proto3 => false,
            _ if random.chance(3) => !model.closed,
            _ => model.closed,
        };
        let parent = random
            .chance(3)
            .then(|| first_message + random.below(self.messages.len() - first_message));
        let index = self.enums.len();
        // A closed enum may begin with any number; a nested one does not, since
        // prost-reflect would have it otherwise in a file that it takes for
        // proto3.
        let mut numbers = vec![if closed && parent.is_none() {
            random.pick(&[0, 1, -1, 7])
        } else {
            0
        }];
        for _ in 0..random.below(5) {
            numbers.push(match random.below(4) {
                // An alias.
                0 => random.pick(&numbers),
                1 => random.pick(&[i32::MIN, i32::MAX, -1, 128]),
                _ => random.below(300) as i32,
            });
        }
        let name = format!("E{index}");
        self.enums.push(EnumModel {
            file,
            parent,
            full_name: format!("{}.{name}", self.scope(parent)),
            name,
            closed,
            values: (0..)
                .zip(numbers)
                .map(|(value, number)| (format!("E{index}_V{value}"), number))
                .collect(),
        });
    }

    fn fields(&mut self, random: &mut Random, message: usize) {
        let mut numbers = HashSet::new();
        let mut fields = Vec::new();
        let oneofs = self.messages[message].oneofs;
        // Every oneof needs a member.
        let count = oneofs + random.below(9);
        for index in 0..count {
            let number = loop {
                let number = match random.below(8) {
                    0 => random.pick(&[15, 16, 2047, 2048, 18_999, 20_000, 536_870_911]),
                    1 => 2000 + random.below(15_000) as i32,
                    _ => 1 + random.below(40) as i32,
                };
                if numbers.insert(number) {
                    break number;
                }
            };
            let shape = if index < oneofs {
                Some(Shape::Oneof(index))
            } else if oneofs > 0 && random.chance(4) {
                Some(Shape::Oneof(random.below(oneofs)))
            } else {
                None
            };
            fields.push(self.field(random, message, index, number, shape));
        }
        // Any order, but a oneof's members stand together, as in a text.
        let oneof = |field: &FieldModel| match field.shape {
            Shape::Oneof(index) => index,
            _ => usize::MAX,
        };
        random.shuffle(&mut fields);
        fields.sort_by_key(oneof);
        self.messages[message].fields = fields;
    }

    fn field(
        &mut self,
        random: &mut Random,
        message: usize,
        index: usize,
        number: i32,
        shape: Option<Shape>,
    ) -> FieldModel {
        let file = self.messages[message].file;
        let syntax = self.files[file].syntax;
        if syntax == Syntax::Proto2 && shape.is_none() && random.chance(10) {
            return self.group(random, message, number);
        }
        let shape = shape.unwrap_or_else(|| self.shape(random, file));
        let of = self.type_of(random, message, file, shape);
        let shape = match (shape, of) {
            // A message always has presence, and is never packed.
            (Shape::Implicit, Type::Message { .. } | Type::WellKnown { .. }) => Shape::Optional,
            (
                Shape::Repeated { .. },
                Type::Message { .. } | Type::WellKnown { .. } | Type::Scalar(STRING | BYTES),
            ) => Shape::Repeated { packed: false },
            (shape, _) => shape,
        };
        let name = names::field(random, index);
        let json_name = if random.chance(6) {
            names::json(random, index)
        } else {
            names::lower_camel(&name)
        };
        let default = matches!(shape, Shape::Optional | Shape::Required)
            && syntax != Syntax::Proto3
            && random.chance(5);
        FieldModel {
            json_name,
            name,
            number,
            shape,
            of,
            default: default.then(|| self.default(random, of)).flatten(),
        }
    }

    /// A group of proto2: a message and a field of it in one.
    fn group(&mut self, random: &mut Random, message: usize, number: i32) -> FieldModel {
        let file = self.messages[message].file;
        let group = self.message(random, file, Some(message), "Grp");
        self.messages[group].is_extendable = false;
        self.messages[group].oneofs = 0;
        let field = self.field(random, group, 0, 1, Some(Shape::Optional));
        self.messages[group].fields.push(field);
        let name = self.messages[group].name.to_lowercase();
        FieldModel {
            json_name: names::lower_camel(&name),
            name,
            number,
            shape: if random.chance(3) {
                Shape::Repeated { packed: false }
            } else {
                Shape::Optional
            },
            of: Type::Message {
                index: group,
                delimited: true,
            },
            default: None,
        }
    }

    fn shape(&self, random: &mut Random, file: usize) -> Shape {
        let FileModel {
            syntax,
            implicit,
            packed,
            ..
        } = self.files[file];
        match random.below(10) {
            0..3 => Shape::Repeated {
                packed: packed ^ random.chance(3),
            },
            3 => Shape::Map(random.pick(&KEYS)),
            _ => match syntax {
                Syntax::Proto2 if random.chance(8) => Shape::Required,
                Syntax::Proto2 => Shape::Optional,
                Syntax::Proto3 if random.chance(3) => Shape::Optional,
                Syntax::Proto3 => Shape::Implicit,
                _ if random.chance(8) => Shape::Required,
                _ if implicit ^ random.chance(3) => Shape::Implicit,
                _ => Shape::Optional,
            },
        }
    }

    fn type_of(&self, random: &mut Random, message: usize, file: usize, shape: Shape) -> Type {
        let model = &self.files[file];
        let is_map = matches!(shape, Shape::Map(_));
        let delimited =
            model.syntax.is_edition() && !is_map && (model.delimited ^ random.chance(4));
        match random.below(12) {
            0 | 1 => {
                // A closed enum cannot be in proto3, nor where a number that it
                // does not have would be a default.
                let needs_open = model.syntax == Syntax::Proto3
                    || shape == Shape::Implicit
                    || model.implicit && !matches!(shape, Shape::Optional | Shape::Required);
                let fitting: Vec<usize> = (0..self.enums.len())
                    .filter(|index| self.enums[*index].file <= file)
                    .filter(|index| !(needs_open && self.enums[*index].closed))
                    // The values of a map begin with zero.
                    .filter(|index| !is_map || self.enums[*index].values[0].1 == 0)
                    .collect();
                match fitting.is_empty() {
                    true => Type::NullValue,
                    false => Type::Enum(random.pick(&fitting)),
                }
            }
            2 | 3 => {
                // What is required must end somewhere, so it only goes back.
                let fitting: Vec<usize> = (0..self.messages.len())
                    .filter(|index| self.messages[*index].file <= file)
                    .filter(|index| !self.messages[*index].name.starts_with("Grp"))
                    .filter(|index| shape != Shape::Required || *index < message)
                    .collect();
                match fitting.is_empty() {
                    true => Type::Scalar(random.pick(&SCALARS)),
                    false => Type::Message {
                        index: random.pick(&fitting),
                        delimited,
                    },
                }
            }
            4..7 => match random.below(WELL_KNOWN.len() + 1) {
                index if index < WELL_KNOWN.len() => Type::WellKnown { index, delimited },
                _ => Type::NullValue,
            },
            _ => Type::Scalar(random.pick(&SCALARS)),
        }
    }

    /// A default value, as descriptors spell it.
    fn default(&self, random: &mut Random, of: Type) -> Option<String> {
        let values: &[&str] = match of {
            Type::Scalar(1 | 2) => &["1.5", "-inf", "nan", "0", "1e+10"],
            Type::Scalar(4 | 6 | 7 | 13) => &["0", "1", "4294967295"],
            Type::Scalar(8) => &["true", "false"],
            Type::Scalar(STRING) => &["", "a \"quoted\" é", "x"],
            Type::Scalar(BYTES) => &["", "\\001\\377x", "abc"],
            Type::Scalar(_) => &["0", "-7", "2147483647", "-2147483648"],
            Type::Enum(index) => {
                let values = &self.enums[index].values;
                return Some(values[random.below(values.len())].0.clone());
            }
            _ => return None,
        };
        Some(random.pick(values).to_owned())
    }

    /// Extensions of the messages that may be extended.
    fn extend(&mut self, random: &mut Random) {
        let mut number = EXTENSIONS.start;
        for extendee in 0..self.messages.len() {
            if !self.messages[extendee].is_extendable {
                continue;
            }
            for _ in 0..random.below(4) {
                let own = self.messages[extendee].file;
                let last = self.files.len() - 1;
                let file = if self.files[last].syntax == Syntax::Proto3 || random.chance(2) {
                    own
                } else {
                    last
                };
                let inside: Vec<usize> = (0..self.messages.len())
                    .filter(|index| self.messages[*index].file == file)
                    .collect();
                let shape = if random.chance(3) {
                    Shape::Repeated {
                        packed: self.files[file].packed ^ random.chance(3),
                    }
                } else {
                    Shape::Optional
                };
                let message = inside[0];
                let mut field = self.field(random, message, number as usize, number, Some(shape));
                if let Type::Enum(index) = field.of
                    && self.enums[index].closed
                    && self.files[file].implicit
                {
                    field.of = Type::NullValue;
                    field.default = None;
                }
                field.json_name = names::lower_camel(&field.name);
                self.extensions.push(ExtensionModel {
                    file,
                    parent: random.chance(3).then(|| random.pick(&inside)),
                    extendee,
                    field,
                });
                number += 1 + random.below(7) as i32;
            }
        }
    }
}

/// A syntax that a file of this one may import from: all may import all.
fn syntax_before(random: &mut Random, syntax: Syntax) -> Syntax {
    if random.chance(3) {
        syntax
    } else {
        random.pick(&Syntax::ALL)
    }
}
