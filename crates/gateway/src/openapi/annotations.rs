//! What the options of a field say to whoever calls: `google.api.field_behavior`
//! (AIP-203), `google.api.field_info` (AIP-202), and the rules of
//! protovalidate. They are extensions, so they are read from the options as the
//! descriptor has them.

use portolan_schema::Field;
use prost::Message;

/// What is known of a field beyond its type.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Annotations {
    pub(super) required: bool,
    pub(super) output_only: bool,
    pub(super) input_only: bool,
    pub(super) immutable: bool,
    /// Rules on each value: of the field, or of an item where it is repeated.
    pub(super) value: Bounds,
    pub(super) least_items: Option<u64>,
    pub(super) most_items: Option<u64>,
    pub(super) unique_items: bool,
}

/// What a value has to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bounds {
    pub(super) least: Option<Bound>,
    pub(super) most: Option<Bound>,
    pub(super) least_length: Option<u64>,
    pub(super) most_length: Option<u64>,
    pub(super) pattern: Option<String>,
    pub(super) format: Option<&'static str>,
    /// The only texts it may be.
    pub(super) one_of: Vec<String>,
    /// A text that the contract gives as an example.
    pub(super) example: Option<String>,
}

/// The end of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    pub(super) value: f64,
    /// Whether the value itself is outside.
    pub(super) exclusive: bool,
}

impl Annotations {
    pub(super) fn of(field: &Field) -> Self {
        if field.options().is_empty() {
            return Self::default();
        }
        // Options that are torn say nothing.
        let options = FieldOptions::decode(field.options()).unwrap_or_default();
        let mut annotations = Self::default();
        for behavior in options.behavior {
            // The numbers are those of google.api.FieldBehavior.
            match behavior {
                2 => annotations.required = true,
                3 => annotations.output_only = true,
                4 => annotations.input_only = true,
                5 => annotations.immutable = true,
                _ => {}
            }
        }
        if let Some(rules) = options.rules {
            annotations.apply(rules);
        }
        if let Some(info) = options.info {
            // The numbers are those of google.api.FieldInfo.Format.
            let format = match info.format {
                1 => Some("uuid"),
                2 => Some("ipv4"),
                3 => Some("ipv6"),
                _ => None,
            };
            annotations.value.format = annotations.value.format.or(format);
        }
        annotations
    }

    fn apply(&mut self, mut rules: FieldRules) {
        self.required |= rules.required();
        if let Some(repeated) = rules.repeated.take() {
            self.least_items = repeated.min_items;
            self.most_items = repeated.max_items;
            self.unique_items = repeated.unique();
            self.value = repeated
                .items
                .map(|items| bounds(*items))
                .unwrap_or_default();
        } else if let Some(map) = rules.map.take() {
            self.least_items = map.min_pairs;
            self.most_items = map.max_pairs;
            self.value = map.values.map(|values| bounds(*values)).unwrap_or_default();
        } else {
            self.value = bounds(rules);
        }
    }
}

fn bounds(rules: FieldRules) -> Bounds {
    if let Some(string) = rules.string {
        return string.bounds();
    }
    let (least, most) = rules
        .float
        .map(FloatRules::range)
        .or_else(|| rules.double.map(DoubleRules::range))
        .or_else(|| rules.int32.map(Int32Rules::range))
        .or_else(|| rules.uint32.map(Uint32Rules::range))
        .or_else(|| rules.sint32.map(Sint32Rules::range))
        .or_else(|| rules.fixed32.map(Fixed32Rules::range))
        .or_else(|| rules.sfixed32.map(Sfixed32Rules::range))
        .unwrap_or_default();
    Bounds {
        least,
        most,
        ..Bounds::default()
    }
}

#[derive(Clone, PartialEq, Message)]
struct FieldOptions {
    /// The extension `google.api.field_behavior`.
    #[prost(int32, repeated, tag = "1052")]
    behavior: Vec<i32>,
    /// The extension `buf.validate.field`.
    #[prost(message, optional, tag = "1159")]
    rules: Option<FieldRules>,
    /// The extension `google.api.field_info`.
    #[prost(message, optional, tag = "291403980")]
    info: Option<FieldInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldInfo {
    #[prost(int32, tag = "1")]
    format: i32,
}

/// `buf.validate.FieldRules`. The rules of 64-bit integers are left out: JSON
/// writes those as text, which has no range.
#[derive(Clone, PartialEq, Message)]
struct FieldRules {
    #[prost(message, optional, tag = "1")]
    float: Option<FloatRules>,
    #[prost(message, optional, tag = "2")]
    double: Option<DoubleRules>,
    #[prost(message, optional, tag = "3")]
    int32: Option<Int32Rules>,
    #[prost(message, optional, tag = "5")]
    uint32: Option<Uint32Rules>,
    #[prost(message, optional, tag = "7")]
    sint32: Option<Sint32Rules>,
    #[prost(message, optional, tag = "9")]
    fixed32: Option<Fixed32Rules>,
    #[prost(message, optional, tag = "11")]
    sfixed32: Option<Sfixed32Rules>,
    #[prost(message, optional, tag = "14")]
    string: Option<StringRules>,
    #[prost(message, optional, tag = "18")]
    repeated: Option<RepeatedRules>,
    #[prost(message, optional, tag = "19")]
    map: Option<MapRules>,
    #[prost(bool, optional, tag = "25")]
    required: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct RepeatedRules {
    #[prost(uint64, optional, tag = "1")]
    min_items: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    max_items: Option<u64>,
    #[prost(bool, optional, tag = "3")]
    unique: Option<bool>,
    #[prost(message, optional, boxed, tag = "4")]
    items: Option<Box<FieldRules>>,
}

#[derive(Clone, PartialEq, Message)]
struct MapRules {
    #[prost(uint64, optional, tag = "1")]
    min_pairs: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    max_pairs: Option<u64>,
    #[prost(message, optional, boxed, tag = "5")]
    values: Option<Box<FieldRules>>,
}

#[derive(Clone, PartialEq, Message)]
struct StringRules {
    #[prost(string, optional, tag = "1")]
    only: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    min_len: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    max_len: Option<u64>,
    #[prost(string, optional, tag = "6")]
    pattern: Option<String>,
    #[prost(string, repeated, tag = "10")]
    one_of: Vec<String>,
    #[prost(bool, tag = "12")]
    email: bool,
    #[prost(bool, tag = "13")]
    hostname: bool,
    #[prost(bool, tag = "15")]
    ipv4: bool,
    #[prost(bool, tag = "16")]
    ipv6: bool,
    #[prost(bool, tag = "17")]
    uri: bool,
    #[prost(bool, tag = "18")]
    uri_ref: bool,
    #[prost(uint64, optional, tag = "19")]
    len: Option<u64>,
    #[prost(bool, tag = "22")]
    uuid: bool,
    #[prost(string, repeated, tag = "34")]
    example: Vec<String>,
}

impl StringRules {
    fn bounds(self) -> Bounds {
        let formats = [
            (self.email, "email"),
            (self.hostname, "hostname"),
            (self.ipv4, "ipv4"),
            (self.ipv6, "ipv6"),
            (self.uri, "uri"),
            (self.uri_ref, "uri-reference"),
            (self.uuid, "uuid"),
        ];
        Bounds {
            least: None,
            most: None,
            least_length: self.len.or(self.min_len),
            most_length: self.len.or(self.max_len),
            pattern: self.pattern.filter(|pattern| is_common(pattern)),
            format: formats.iter().find_map(|(is, name)| is.then_some(*name)),
            one_of: self.only.map_or(self.one_of, |only| vec![only]),
            example: self.example.into_iter().next(),
        }
    }
}

/// Whether a pattern means the same in RE2, which protovalidate has, and in
/// ECMA-262, which JSON Schema has.
fn is_common(pattern: &str) -> bool {
    let re2_only = [
        "(?", "[[:", "\\p", "\\P", "\\A", "\\z", "\\Q", "\\a", "\\C", "\\x{", "\\pN",
    ];
    !re2_only.iter().any(|part| pattern.contains(part))
}

/// The rules of a kind of number, whose tags are the same for all.
macro_rules! number_rules {
    ($($name:ident $kind:tt $type:ty;)*) => {$(
        #[derive(Clone, Copy, PartialEq, Message)]
        struct $name {
            #[prost($kind, optional, tag = "2")]
            lt: Option<$type>,
            #[prost($kind, optional, tag = "3")]
            lte: Option<$type>,
            #[prost($kind, optional, tag = "4")]
            gt: Option<$type>,
            #[prost($kind, optional, tag = "5")]
            gte: Option<$type>,
        }

        impl $name {
            fn range(self) -> (Option<Bound>, Option<Bound>) {
                let bound = |inclusive: Option<$type>, exclusive: Option<$type>| {
                    let inclusive = inclusive.map(|value| (value, false));
                    let (value, exclusive) = inclusive.or(exclusive.map(|value| (value, true)))?;
                    let value = f64::from(value);
                    value.is_finite().then_some(Bound { value, exclusive })
                };
                let (least, most) = (bound(self.gte, self.gt), bound(self.lte, self.lt));
                // A range that is turned round is what lies outside of it.
                match (least, most) {
                    (Some(low), Some(high)) if low.value > high.value => (None, None),
                    range => range,
                }
            }
        }
    )*};
}

number_rules! {
    FloatRules float f32;
    DoubleRules double f64;
    Int32Rules int32 i32;
    Uint32Rules uint32 u32;
    Sint32Rules sint32 i32;
    Fixed32Rules fixed32 u32;
    Sfixed32Rules sfixed32 i32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_two_ends() {
        let rules = Int32Rules {
            gt: Some(0),
            lte: Some(9),
            ..Int32Rules::default()
        };
        let (least, most) = rules.range();
        assert_eq!(
            least,
            Some(Bound {
                value: 0.0,
                exclusive: true
            })
        );
        assert_eq!(
            most,
            Some(Bound {
                value: 9.0,
                exclusive: false
            })
        );
        let outside = Int32Rules {
            gt: Some(9),
            lt: Some(0),
            ..Int32Rules::default()
        };
        assert_eq!(outside.range(), (None, None));
        let endless = DoubleRules {
            lt: Some(f64::INFINITY),
            ..DoubleRules::default()
        };
        assert_eq!(endless.range(), (None, None));
    }

    #[test]
    fn patterns_of_one_language_only_are_left_out() {
        assert!(is_common("^[a-z]{2,8}$"));
        for pattern in ["(?i)a", "\\pL", "^\\Aa\\z"] {
            assert!(!is_common(pattern), "{pattern}");
        }
    }
}
