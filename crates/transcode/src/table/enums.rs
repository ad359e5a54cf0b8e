//! A compiled enum type.

use portolan_schema::Enum;

use super::names::Names;
use crate::raw::{Output, Piece};

/// Numbers from 0 up to this are found without a search.
const DENSE: usize = 256;

/// A compiled enum type.
#[derive(Debug)]
pub(crate) struct EnumTable {
    by_name: Names,
    /// The values in the order of their numbers, the first name of each.
    values: Box<[Value]>,
    /// The position of small numbers in `values`, plus one.
    dense: Box<[u32]>,
    /// Whether `null` is how JSON writes it.
    pub(crate) is_null: bool,
}

#[derive(Debug)]
struct Value {
    number: i32,
    /// The name as JSON has it, in quotes.
    quoted: Box<[u8]>,
    /// The same, when it is short.
    short: Option<Piece<32>>,
}

impl EnumTable {
    pub(crate) fn compile(enumeration: &Enum) -> Self {
        let mut values: Vec<Value> = enumeration
            .values()
            .iter()
            .map(|value| {
                let mut quoted = Vec::new();
                crate::write::append_string(&mut quoted, value.name());
                Value {
                    number: value.number(),
                    short: Piece::new(&quoted),
                    quoted: quoted.into(),
                }
            })
            .collect();
        // Stable, so that of several aliases the first stays first.
        values.sort_by_key(|value| value.number);
        values.dedup_by_key(|value| value.number);
        let mut dense = Vec::new();
        for (value, position) in values.iter().zip(1..) {
            if let Ok(number) = usize::try_from(value.number)
                && number < DENSE
            {
                dense.resize(number + 1, 0);
                dense[number] = position;
            }
        }
        Self {
            by_name: Names::new(
                enumeration
                    .values()
                    .iter()
                    .map(|value| (value.name(), value.number().cast_unsigned())),
            ),
            values: values.into(),
            dense: dense.into(),
            is_null: enumeration.name() == "google.protobuf.NullValue",
        }
    }

    /// The number of the value with this name.
    #[inline]
    pub(crate) fn number(&self, name: &[u8]) -> Option<i32> {
        self.by_name.get(name).map(u32::cast_signed)
    }

    /// Whether it has a value with this number.
    #[inline]
    pub(crate) fn has(&self, number: i32) -> bool {
        self.find(number).is_some()
    }

    #[inline]
    fn find(&self, number: i32) -> Option<&Value> {
        if let Ok(small) = usize::try_from(number)
            && small < DENSE
        {
            let position = *self.dense.get(small)?;
            return self.values.get((position as usize).wrapping_sub(1));
        }
        let position = self
            .values
            .binary_search_by_key(&number, |value| value.number)
            .ok()?;
        Some(&self.values[position])
    }

    /// Appends the name in quotes; whether there is one.
    #[inline]
    pub(crate) fn put_name(&self, number: i32, out: &mut Output) -> bool {
        let Some(value) = self.find(number) else {
            return false;
        };
        match &value.short {
            Some(short) => out.put_piece(short),
            None => out.extend(&value.quoted),
        }
        true
    }
}
