//! The types that JSON writes in a form of their own (protobuf.dev, "ProtoJSON
//! Format"): their schemas, and an example of each.

use super::node::{Map, Node};

/// A message type with a JSON form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Any,
    Duration,
    Empty,
    FieldMask,
    ListValue,
    Struct,
    Timestamp,
    Value,
    Wrapper(Wrapped),
}

/// What a wrapper holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapped {
    Bool,
    Bytes,
    Double,
    Float,
    Int32,
    Int64,
    String,
    Uint32,
    Uint64,
}

impl Known {
    /// The type with this full name, if it is one of these.
    pub(super) fn named(full_name: &str) -> Option<Self> {
        Some(match full_name.strip_prefix("google.protobuf.")? {
            "Any" => Self::Any,
            "Duration" => Self::Duration,
            "Empty" => Self::Empty,
            "FieldMask" => Self::FieldMask,
            "ListValue" => Self::ListValue,
            "Struct" => Self::Struct,
            "Timestamp" => Self::Timestamp,
            "Value" => Self::Value,
            "BoolValue" => Self::Wrapper(Wrapped::Bool),
            "BytesValue" => Self::Wrapper(Wrapped::Bytes),
            "DoubleValue" => Self::Wrapper(Wrapped::Double),
            "FloatValue" => Self::Wrapper(Wrapped::Float),
            "Int32Value" => Self::Wrapper(Wrapped::Int32),
            "Int64Value" => Self::Wrapper(Wrapped::Int64),
            "StringValue" => Self::Wrapper(Wrapped::String),
            "UInt32Value" => Self::Wrapper(Wrapped::Uint32),
            "UInt64Value" => Self::Wrapper(Wrapped::Uint64),
            _ => return None,
        })
    }

    /// Whether a value stands in a path or a query as plain text.
    pub(super) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Duration | Self::FieldMask | Self::Timestamp | Self::Wrapper(_)
        )
    }

    /// Its schema; the words are ours, since not every contract brings comments
    /// for these.
    pub(super) fn schema(self) -> Map {
        match self {
            Self::Any => Map::new()
                .with("type", "object")
                .with(
                    "description",
                    "A message of any type: its members, and `@type` to say which type it is. \
                     A type that JSON writes in a form of its own has it in `value`.",
                )
                .with(
                    "properties",
                    Map::new().with(
                        "@type",
                        Map::new().with("type", "string").with(
                            "description",
                            "The type: a URL that ends in its full name, such as \
                             `type.googleapis.com/google.protobuf.Duration`.",
                        ),
                    ),
                )
                .with("required", vec!["@type".into()])
                .with("additionalProperties", true),
            Self::Duration => {
                text("A length of time in seconds, with up to nine decimals and an `s` behind.")
                    .with("pattern", r"^-?[0-9]+(\.[0-9]{1,9})?s$")
            }
            Self::Empty => Map::new()
                .with("type", "object")
                .with("description", "Nothing: an object without members."),
            Self::FieldMask => {
                text("Names of fields, separated by commas, with dots into messages.")
            }
            Self::ListValue => Map::new()
                .with("type", "array")
                .with("description", "Any JSON array.")
                .with("items", Map::new()),
            Self::Struct => Map::new()
                .with("type", "object")
                .with("description", "Any JSON object.")
                .with("additionalProperties", true),
            Self::Timestamp => {
                text("A point in time (RFC 3339), in UTC unless it gives an offset.")
                    .with("format", "date-time")
            }
            Self::Value => Map::new().with("description", "Any JSON value."),
            Self::Wrapper(wrapped) => {
                let mut schema =
                    Map::new().with("type", vec![wrapped.json_type().into(), "null".into()]);
                match wrapped {
                    Wrapped::Bytes => schema.put("contentEncoding", "base64"),
                    _ => schema.put_text("format", wrapped.format()),
                }
                schema.with("description", "A value, or `null` for none.")
            }
        }
    }

    /// A value of it; `None` for an `Any`, whose types depend on the contract.
    pub(super) fn example(self) -> Option<Node> {
        Some(match self {
            Self::Any => return None,
            Self::Duration => "1.5s".into(),
            Self::Empty => Map::new().into(),
            Self::FieldMask => "name".into(),
            Self::ListValue => vec!["text".into(), 1.into()].into(),
            Self::Struct => Map::new().with("key", "value").into(),
            Self::Timestamp => "2025-01-31T09:30:00Z".into(),
            Self::Value => "text".into(),
            Self::Wrapper(wrapped) => wrapped.example(),
        })
    }
}

impl Wrapped {
    fn json_type(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Double | Self::Float => "number",
            Self::Int32 | Self::Uint32 => "integer",
            Self::Bytes | Self::Int64 | Self::String | Self::Uint64 => "string",
        }
    }

    fn format(self) -> &'static str {
        match self {
            Self::Bool | Self::Bytes | Self::String => "",
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        }
    }

    fn example(self) -> Node {
        match self {
            Self::Bool => true.into(),
            Self::Bytes => "aGVsbG8=".into(),
            Self::Double | Self::Float => 0.5.into(),
            Self::Int32 | Self::Uint32 => 1.into(),
            Self::Int64 | Self::Uint64 => "1".into(),
            Self::String => "text".into(),
        }
    }
}

fn text(description: &'static str) -> Map {
    Map::new()
        .with("type", "string")
        .with("description", description)
}
