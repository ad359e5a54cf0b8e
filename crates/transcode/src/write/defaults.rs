//! What is written for a field that is not on the wire.

use portolan_schema::{Cardinality, DefaultValue, Kind};

use super::values::Values;
use crate::PrintDefaults;
use crate::table::FieldEntry;

impl Values<'_> {
    /// Whether the options want this field although it is not there.
    pub(super) fn prints_unset(&self, field: &FieldEntry) -> bool {
        let has_presence = matches!(
            field.cardinality,
            Cardinality::Optional | Cardinality::Required
        );
        match self.options.print_defaults {
            PrintDefaults::No => false,
            // An extension is no field of the message until it is set.
            _ if field.json_name.starts_with('[') => false,
            PrintDefaults::WithoutPresence => !has_presence,
            PrintDefaults::All => !has_presence || field.oneof.is_none(),
        }
    }

    /// What such a field is written as.
    pub(super) fn unset(&mut self, field: &FieldEntry) {
        match field.cardinality {
            Cardinality::Optional | Cardinality::Required => self.out.put(b"null", 4),
            _ => self.default(field),
        }
    }

    /// The default of a field, whatever its presence.
    pub(super) fn default(&mut self, field: &FieldEntry) {
        match field.cardinality {
            Cardinality::Map => self.out.put(b"{}", 2),
            Cardinality::Repeated | Cardinality::Packed => self.out.put(b"[]", 2),
            _ if field.kind.message().is_some() => self.out.put(b"null", 4),
            _ => match &field.default {
                Some(value) => self.declared_default(field.kind, value),
                None => self.default_scalar(field.kind),
            },
        }
    }

    /// The default of every field of this kind.
    pub(super) fn default_scalar(&mut self, kind: Kind) {
        match kind {
            Kind::String | Kind::Bytes => self.out.put(b"\"\"", 2),
            Kind::Enum(id) => {
                let first = self.transcoder.schema().enumeration(id).values().first();
                let number = first.map_or(0, portolan_schema::EnumValue::number);
                self.enumeration(id, number);
            }
            kind => self.number(kind, 0),
        }
    }

    /// The default that a contract gives a field of this kind.
    fn declared_default(&mut self, kind: Kind, value: &DefaultValue) {
        let is_wide = matches!(
            kind,
            Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64
        );
        match value {
            DefaultValue::Int(value) if is_wide => self.quoted_integer(*value),
            DefaultValue::Uint(value) if is_wide => self.quoted_unsigned(*value),
            DefaultValue::Int(value) => self.integer(*value),
            DefaultValue::Uint(value) => self.unsigned(*value),
            DefaultValue::Double(value) => self.double(*value),
            DefaultValue::Float(value) => self.float(*value),
            DefaultValue::Bool(value) => self.boolean(*value),
            DefaultValue::String(value) => self.text(value),
            DefaultValue::Bytes(value) => self.bytes(value),
            DefaultValue::Enum(number) => {
                if let Kind::Enum(id) = kind {
                    self.enumeration(id, *number);
                }
            }
        }
    }
}
