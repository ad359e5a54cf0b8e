//! The fields of a request that a query string fills: dotted names into
//! messages, a repeated field as a repeated name, a map as `labels[key]=value`.

use std::collections::HashSet;

use portolan_schema::{Cardinality, Field, Kind, MessageId};

use super::annotations::Annotations;
use super::known::Known;
use super::node::{Map, Node};
use super::schemas::Schemas;

/// How many messages a dotted name leads through at most.
const DEPTH: usize = 5;
/// The most parameters of one operation. A request that has more fields in its
/// depths takes them all; they are only not listed.
const MOST: usize = 150;

/// The query parameters of an operation.
pub(super) struct Query {
    pub(super) parameters: Vec<Node>,
    /// Whether there are more than are listed.
    pub(super) more: bool,
}

/// The parameters of a request, but for the fields at these paths, which the
/// HTTP path or body fills.
pub(super) fn parameters(
    schemas: &mut Schemas<'_>,
    request: MessageId,
    filled: &[Vec<Box<str>>],
) -> Query {
    let mut walk = Walk {
        schemas,
        filled,
        seen: HashSet::new(),
        around: Vec::new(),
        query: Query {
            parameters: Vec::new(),
            more: false,
        },
    };
    walk.message(request, &mut Vec::new(), "", true);
    walk.query
}

struct Walk<'w, 'a> {
    schemas: &'w mut Schemas<'a>,
    filled: &'w [Vec<Box<str>>],
    seen: HashSet<String>,
    around: Vec<MessageId>,
    query: Query,
}

impl Walk<'_, '_> {
    /// The fields of a message at a path; `needed` when every message on the
    /// way is required.
    fn message(&mut self, id: MessageId, path: &mut Vec<Box<str>>, prefix: &str, needed: bool) {
        let schema = self.schemas.schema;
        let message = schema.message(id);
        self.around.push(id);
        for field in message.fields() {
            path.push(field.name().into());
            if !self.filled.contains(path) {
                let name = self.schemas.field_name(field);
                let name = if prefix.is_empty() {
                    name.to_owned()
                } else {
                    format!("{prefix}.{name}")
                };
                self.field(id, field, name, path, needed);
            }
            path.pop();
        }
        self.around.pop();
    }

    fn field(
        &mut self,
        parent: MessageId,
        field: &Field,
        name: String,
        path: &mut Vec<Box<str>>,
        needed: bool,
    ) {
        let annotations = Annotations::of(field);
        if annotations.output_only {
            return;
        }
        let needed =
            needed && (annotations.required || field.cardinality() == Cardinality::Required);
        if field.cardinality().is_singular()
            && let Some(inner) = field.kind().message()
            && !self.is_text(field.kind())
        {
            let form = Known::named(self.schemas.schema.message(inner).name());
            if form.is_some() || self.around.contains(&inner) {
                // No text fills a value of any form, and a recursive message
                // would have no end.
                self.query.more |= form.is_none();
            } else if self.around.len() >= DEPTH {
                self.query.more = true;
            } else {
                self.message(inner, path, &name, needed);
            }
            return;
        }
        let is_map = field.cardinality() == Cardinality::Map;
        let filled_by_text = if is_map {
            self.map_value(field).is_some_and(|kind| self.is_text(kind))
        } else {
            self.is_text(field.kind())
        };
        if !filled_by_text || !self.seen.insert(name.clone()) {
            return;
        }
        if self.query.parameters.len() >= MOST {
            self.query.more = true;
            return;
        }
        let message = self.schemas.schema.message(parent);
        let mut parameter = Map::new().with("name", name).with("in", "query");
        let words = self.schemas.words(message, field, &annotations);
        parameter.put_text("description", words);
        if needed {
            parameter.put("required", true);
        }
        if field.is_deprecated() {
            parameter.put("deprecated", true);
        }
        if is_map {
            // `labels[key]=value`.
            parameter.put("style", "deepObject");
            parameter.put("explode", true);
            // Pages to try calls fill in keys of their own otherwise.
            parameter.put("example", Map::new());
        }
        parameter.put("schema", self.schemas.plain(field, &annotations));
        self.query.parameters.push(parameter.into());
    }

    fn map_value(&self, field: &Field) -> Option<Kind> {
        let entry = self.schemas.schema.message(field.kind().message()?);
        Some(entry.field_by_number(2)?.kind())
    }

    /// Whether one piece of text is a value of this kind.
    fn is_text(&self, kind: Kind) -> bool {
        let schema = self.schemas.schema;
        match kind {
            Kind::Enum(id) => schema.enumeration(id).name() != "google.protobuf.NullValue",
            kind => kind.message().is_none_or(|id| {
                Known::named(schema.message(id).name()).is_some_and(Known::is_text)
            }),
        }
    }
}
