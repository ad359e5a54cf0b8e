//! Enums and their values.

/// The place of an enum in its [`Schema`](crate::Schema).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnumId(pub(crate) u32);

impl EnumId {
    /// The position in [`Schema::enums`](crate::Schema::enums).
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An enum type.
#[derive(Debug)]
pub struct Enum {
    pub(crate) name: Box<str>,
    pub(crate) values: Vec<EnumValue>,
    pub(crate) closed: bool,
    pub(crate) deprecated: bool,
    pub(crate) comment: Box<str>,
}

impl Enum {
    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The values in the order of their declaration; with aliases, the first
    /// of a number is its name in JSON.
    #[must_use]
    pub fn values(&self) -> &[EnumValue] {
        &self.values
    }

    /// Whether a number that is not declared is an unknown field rather than a
    /// value (proto2, and `enum_type = CLOSED`).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the contract marks it as deprecated.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.deprecated
    }

    /// The comment in front of it; see [`Message::comment`](crate::Message::comment).
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }
}

/// One value of an enum.
#[derive(Debug)]
pub struct EnumValue {
    pub(crate) name: Box<str>,
    pub(crate) number: i32,
    pub(crate) deprecated: bool,
    pub(crate) comment: Box<str>,
}

impl EnumValue {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.number
    }

    /// Whether the contract marks it as deprecated.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.deprecated
    }

    /// The comment in front of it; see [`Message::comment`](crate::Message::comment).
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }
}
