//! JSON whose members keep their order: a document reads in the order of the
//! contract, and comes out the same every time.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(Cow<'static, str>),
    List(Vec<Node>),
    Map(Map),
}

/// The members of an object, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Map(Vec<(Cow<'static, str>, Node)>);

impl Map {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// With one more member, whose key is not there yet.
    pub(super) fn with(
        mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<Node>,
    ) -> Self {
        self.put(key, value);
        self
    }

    /// Appends a member, whose key is not there yet.
    pub(super) fn put(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Node>) {
        self.0.push((key.into(), value.into()));
    }

    /// Appends a text unless it is empty.
    pub(super) fn put_text(&mut self, key: &'static str, text: impl Into<Cow<'static, str>>) {
        let text = text.into();
        if !text.is_empty() {
            self.put(key, Node::Text(text));
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0
            .iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Without the members of these keys.
    pub(super) fn without(mut self, keys: &[Cow<'static, str>]) -> Self {
        self.0.retain(|(key, _)| !keys.contains(key));
        self
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Uint(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(map) => map.serialize(serializer),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Node {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<i64> for Node {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Node {
    fn from(value: u64) -> Self {
        Self::Uint(value)
    }
}

impl From<f64> for Node {
    /// A whole number is written as one: `2`, not `2.0`.
    fn from(value: f64) -> Self {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            Self::Int(value as i64)
        } else {
            Self::Float(value)
        }
    }
}

impl From<&'static str> for Node {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Self {
        Self::List(items)
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order() {
        let map = Map::new()
            .with("z", 1)
            .with("a", Vec::from([Node::Null, 2.0.into(), 0.5.into()]))
            .with("m", Map::new());
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, r#"{"z":1,"a":[null,2,0.5],"m":{}}"#);
        assert!(map.contains("a") && !map.contains("b"));
        let without = map.without(&["a".into(), "m".into()]);
        assert_eq!(serde_json::to_string(&without).unwrap(), r#"{"z":1}"#);
    }
}
