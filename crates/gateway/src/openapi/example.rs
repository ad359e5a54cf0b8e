//! A value of a message that it would take: every field once, in the form of
//! its type and within its rules.

use std::borrow::Cow;

use portolan_schema::{Cardinality, Field, Kind, Message, MessageId, Schema};

use super::OpenApiOptions;
use super::annotations::{Annotations, Bounds};
use super::known::Known;
use super::node::{Map, Node};

/// How many messages an example goes down into, but for what is required.
const DEPTH: usize = 3;
/// How far it goes for what is required.
const MOST_DEPTH: usize = 10;
/// The most fields of an example, but for what is required: enough to see a
/// message, and few enough to read.
const MOST_FIELDS: usize = 60;

/// Which way a message goes: what a server sets is no part of a request, and
/// what only a client sets no part of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Request,
    Response,
}

/// Makes the examples of a schema.
#[derive(Clone, Copy)]
pub(super) struct Examples<'a> {
    pub(super) schema: &'a Schema,
    pub(super) options: &'a OpenApiOptions,
}

/// An example in the making.
struct Making {
    side: Side,
    /// The messages around the one that is made.
    around: Vec<MessageId>,
    /// How many more fields it may have.
    left: usize,
}

impl<'a> Examples<'a> {
    /// A message; `None` when a rule on a field it must have is one that no
    /// value is made for, such as a pattern.
    pub(super) fn message(&self, id: MessageId, side: Side, except: &[&str]) -> Option<Node> {
        let mut making = Making {
            side,
            around: Vec::new(),
            left: MOST_FIELDS,
        };
        self.of_message(id, &mut making, except)
    }

    /// The value of a field, as a body has it.
    pub(super) fn field(&self, field: &Field, side: Side) -> Option<Node> {
        let mut making = Making {
            side,
            around: Vec::new(),
            left: MOST_FIELDS,
        };
        self.of_field(field, &Annotations::of(field), &mut making)
    }

    fn of_message(&self, id: MessageId, making: &mut Making, except: &[&str]) -> Option<Node> {
        let message = self.schema.message(id);
        match Known::named(message.name()) {
            Some(Known::Any) => return self.any(),
            Some(known) => return known.example(),
            None => {}
        }
        if making.around.len() >= MOST_DEPTH {
            return None;
        }
        making.around.push(id);
        let members = self.members(message, making, except);
        making.around.pop();
        members.map(Node::Map)
    }

    fn members(&self, message: &Message, making: &mut Making, except: &[&str]) -> Option<Map> {
        let mut members = Map::new();
        let mut oneofs = vec![false; message.oneofs().len()];
        for field in message.fields() {
            let annotations = Annotations::of(field);
            let not_here = match making.side {
                Side::Request => annotations.output_only,
                Side::Response => annotations.input_only,
            };
            if not_here || except.contains(&field.name()) {
                continue;
            }
            let required = annotations.required || field.cardinality() == Cardinality::Required;
            if !required
                && (making.left == 0 || field.is_deprecated() || self.is_far(field, making))
            {
                continue;
            }
            if let Some(oneof) = field.oneof()
                && oneofs.get(oneof).copied().unwrap_or(false)
                && !required
            {
                continue;
            }
            let name = if self.options.proto_names {
                field.name()
            } else {
                field.json_name()
            };
            if members.contains(name) {
                continue;
            }
            making.left = making.left.saturating_sub(1);
            match self.of_field(field, &annotations, making) {
                Some(value) => {
                    if let Some(taken) = field.oneof().and_then(|oneof| oneofs.get_mut(oneof)) {
                        *taken = true;
                    }
                    members.put(name.to_owned(), value);
                }
                None if required => return None,
                None => {}
            }
        }
        Some(members)
    }

    /// Whether a field leads too far down, or round in a circle.
    fn is_far(&self, field: &Field, making: &Making) -> bool {
        let inner = match (field.cardinality(), field.kind().message()) {
            (_, None) => return false,
            (Cardinality::Map, Some(entry)) => {
                let value = self.schema.message(entry).field_by_number(2);
                match value.and_then(|value| value.kind().message()) {
                    Some(inner) => inner,
                    None => return false,
                }
            }
            (_, Some(inner)) => inner,
        };
        let known = Known::named(self.schema.message(inner).name()).is_some();
        !known && (making.around.len() >= DEPTH || making.around.contains(&inner))
    }

    fn of_field(
        &self,
        field: &Field,
        annotations: &Annotations,
        making: &mut Making,
    ) -> Option<Node> {
        let bounds = &annotations.value;
        match (field.cardinality(), field.kind().message()) {
            (Cardinality::Map, Some(entry)) => {
                let entry = self.schema.message(entry);
                let (key, value) = (entry.field_by_number(1)?, entry.field_by_number(2)?);
                // One entry is one key; where there must be more, none is made.
                if annotations.least_items.is_some_and(|least| least > 1) {
                    return None;
                }
                let key = match key.kind() {
                    Kind::String => "key",
                    Kind::Bool => "true",
                    _ => "1",
                };
                let value = self.of_value(value.kind(), "value", bounds, making)?;
                Some(Map::new().with(key, value).into())
            }
            (Cardinality::Repeated | Cardinality::Packed, _) => {
                let count = annotations.least_items.unwrap_or(1).max(1);
                let most = annotations.most_items.unwrap_or(u64::MAX);
                if most == 0 {
                    return Some(Node::List(Vec::new()));
                }
                if count > 1 && (annotations.unique_items || count > MOST_FIELDS as u64) {
                    return None;
                }
                let item = self.of_value(field.kind(), field.name(), bounds, making)?;
                Some(Node::List(vec![item; usize::try_from(count).ok()?]))
            }
            _ => self.of_value(field.kind(), field.name(), bounds, making),
        }
    }

    fn of_value(
        &self,
        kind: Kind,
        name: &str,
        bounds: &Bounds,
        making: &mut Making,
    ) -> Option<Node> {
        Some(match kind {
            Kind::Bool => true.into(),
            Kind::String => text(name, bounds)?,
            Kind::Bytes => "aGVsbG8=".into(),
            Kind::Double | Kind::Float => number(0.5, bounds)?.into(),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Uint32 | Kind::Fixed32 => {
                let value = number(1.0, bounds)?;
                (value.fract() == 0.0).then(|| value.into())?
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => {
                "1".into()
            }
            Kind::Enum(id) => {
                let enumeration = self.schema.enumeration(id);
                if enumeration.name() == "google.protobuf.NullValue" {
                    return Some(Node::Null);
                }
                let values = enumeration.values();
                // The one of zero says that nothing was said.
                let said = values
                    .iter()
                    .find(|value| value.number() != 0 && !value.is_deprecated());
                let value = said.or(values.first())?;
                if self.options.enums_as_numbers {
                    value.number().into()
                } else {
                    value.name().to_owned().into()
                }
            }
            Kind::Message(id) | Kind::Delimited(id) => self.of_message(id, making, &[])?,
        })
    }

    /// An `Any` of a type that the contract has; without fields, which every
    /// message may be.
    fn any(&self) -> Option<Node> {
        let url = |name: &str| format!("type.googleapis.com/{name}");
        if let Some(id) = self.schema.message_by_name("google.protobuf.Duration") {
            let name = self.schema.message(id).name();
            return Some(
                Map::new()
                    .with("@type", url(name))
                    .with("value", "1.5s")
                    .into(),
            );
        }
        let plain = self.schema.messages().iter().find(|message| {
            Known::named(message.name()).is_none()
                && !message.is_map_entry()
                && !message
                    .fields()
                    .iter()
                    .any(|field| field.cardinality() == Cardinality::Required)
        })?;
        Some(Map::new().with("@type", url(plain.name())).into())
    }
}

/// A text that says what it is for, within its rules.
fn text(name: &str, bounds: &Bounds) -> Option<Node> {
    if let Some(example) = &bounds.example {
        return Some(example.clone().into());
    }
    if let Some(first) = bounds.one_of.first() {
        return Some(first.clone().into());
    }
    if bounds.pattern.is_some() {
        return None;
    }
    let value = match bounds.format {
        Some(format) => of_format(format)?,
        None => by_name(name),
    };
    let length = value.chars().count() as u64;
    let least = bounds.least_length.unwrap_or(0);
    let most = bounds.most_length.unwrap_or(u64::MAX);
    if (least..=most).contains(&length) {
        return Some(value.into());
    }
    // A format that is too short or too long is not one any more.
    if bounds.format.is_some() || least > 200 || least > most {
        return None;
    }
    let wanted = if length < least { least } else { most };
    let repeated: Cow<'static, str> = value
        .chars()
        .cycle()
        .take(usize::try_from(wanted).ok()?)
        .collect::<String>()
        .into();
    Some(Node::Text(repeated))
}

fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "email" => "ada@example.com",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" => "https://example.com/",
        "uri-reference" => "/path",
        "uuid" => "0192f0c1-6c5e-7d3a-9b1e-2f4a6c8e0d12",
        _ => return None,
    })
}

/// What a field of such a name often holds.
fn by_name(name: &str) -> &'static str {
    let last = name.rsplit('_').next().unwrap_or(name);
    match last {
        "email" => "ada@example.com",
        "url" | "uri" | "link" => "https://example.com/",
        "id" => "a1",
        "at" => "2025-01-31T09:30:00Z",
        _ => "text",
    }
}

/// A number within its rules, this one if it may be.
fn number(wanted: f64, bounds: &Bounds) -> Option<f64> {
    let fits = |value: f64| {
        bounds
            .least
            .is_none_or(|least| value > least.value || (value == least.value && !least.exclusive))
            && bounds
                .most
                .is_none_or(|most| value < most.value || (value == most.value && !most.exclusive))
    };
    let ends = [bounds.least, bounds.most];
    let candidates = ends
        .iter()
        .flatten()
        .flat_map(|end| [end.value, end.value + 1.0, end.value - 1.0]);
    let middle = match ends {
        [Some(least), Some(most)] => Some(f64::midpoint(least.value, most.value)),
        _ => None,
    };
    std::iter::once(wanted)
        .chain(candidates)
        .chain(middle)
        .find(|value| fits(*value))
}

#[cfg(test)]
mod tests {
    use super::super::annotations::Bound;
    use super::*;

    #[test]
    fn texts_keep_to_their_rules() {
        let bounds = |least, most| Bounds {
            least_length: least,
            most_length: most,
            ..Bounds::default()
        };
        assert_eq!(text("a", &bounds(None, None)), Some("text".into()));
        assert_eq!(text("user_id", &bounds(None, None)), Some("a1".into()));
        assert_eq!(
            text("a", &bounds(Some(6), None)),
            Some("textte".to_owned().into())
        );
        assert_eq!(
            text("a", &bounds(None, Some(2))),
            Some("te".to_owned().into())
        );
        assert_eq!(text("a", &bounds(Some(5), Some(2))), None);
        let pattern = Bounds {
            pattern: Some("^a$".into()),
            ..Bounds::default()
        };
        assert_eq!(text("a", &pattern), None);
    }

    #[test]
    fn numbers_keep_to_their_rules() {
        let bounds = |least: Option<(f64, bool)>, most: Option<(f64, bool)>| Bounds {
            least: least.map(|(value, exclusive)| Bound { value, exclusive }),
            most: most.map(|(value, exclusive)| Bound { value, exclusive }),
            ..Bounds::default()
        };
        assert_eq!(number(1.0, &bounds(None, None)), Some(1.0));
        assert_eq!(number(1.0, &bounds(Some((18.0, false)), None)), Some(18.0));
        assert_eq!(number(1.0, &bounds(Some((18.0, true)), None)), Some(19.0));
        assert_eq!(number(1.0, &bounds(None, Some((0.0, true)))), Some(-1.0));
        let narrow = bounds(Some((0.0, true)), Some((0.5, true)));
        assert_eq!(number(1.0, &narrow), Some(0.25));
    }
}
