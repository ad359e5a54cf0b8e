//! What is wrong with a message, and where.

use std::fmt;

use crate::write::string;

/// Why a message cannot be transcoded: what is wrong, the path of the value in
/// JSON, and the byte of the input it was noticed at.
///
/// Its text is one sentence for the author of the message:
/// `$.users[3].email: expected a string, found a number at byte 812`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    problem: Problem,
    /// From the inside out, since it grows while the error travels up.
    path: Vec<Step>,
    offset: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(Box<str>),
    Index(usize),
    Key(Box<str>),
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not JSON.
    #[error("{0}")]
    Syntax(String),
    /// The wrong sort of JSON value.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the contract wants.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// The right sort of value, but not one that the field can hold.
    #[error("{value} is not {expected}")]
    Value {
        /// What the contract wants.
        expected: &'static str,
        /// What is there, shortened.
        value: String,
    },
    /// A field that the message does not have.
    #[error("unknown field `{field}` in {message}")]
    UnknownField {
        /// The name in the JSON, shortened.
        field: String,
        /// The message type.
        message: String,
    },
    /// A field, or a map key, that comes twice; shortened.
    #[error("`{0}` is there twice")]
    Duplicate(String),
    /// Two members of a oneof.
    #[error("`{field}` cannot be set beside another member of the oneof `{oneof}`")]
    Oneof {
        /// The member that came second.
        field: String,
        /// The oneof.
        oneof: String,
    },
    /// A required field is not there.
    #[error("required field `{0}` is missing")]
    Missing(String),
    /// A type that an `Any` names and the contracts do not define; shortened.
    #[error("the contracts do not define the type `{0}`")]
    UnknownType(String),
    /// Nested deeper than the recursion limit.
    #[error("nested more than {0} levels deep")]
    TooDeep(u32),
    /// The wire bytes break off inside a value.
    #[error("the message ends in the middle of a value")]
    Truncated,
    /// A message that JSON has no form for.
    #[error("{0}")]
    NoForm(&'static str),
    /// The wire bytes are not a message.
    #[error("{0}")]
    Wire(&'static str),
}

/// What a client wrote is told back to it, but not at any length: an error
/// travels in headers and logs too. In characters.
const LONGEST: usize = 40;
/// The names of types are long by nature.
const LONGEST_TYPE: usize = 200;

impl Problem {
    /// The same, with what is not from the contracts cut.
    fn shortened(self) -> Self {
        match self {
            Self::UnknownField { field, message } => Self::UnknownField {
                field: cut(&field, LONGEST),
                message,
            },
            Self::Duplicate(name) => Self::Duplicate(cut(&name, LONGEST)),
            Self::UnknownType(name) => Self::UnknownType(cut(&name, LONGEST_TYPE)),
            other => other,
        }
    }
}

/// At most so many characters, with a sign of what is missing.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// As JSON writes a string.
fn quoted(text: &str) -> String {
    let mut json = Vec::with_capacity(text.len() + 2);
    string(&mut json, text);
    String::from_utf8_lossy(&json).into_owned()
}

/// Text for an error message: quoted, and not long.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => quoted(text),
        Some((end, _)) => format!("{}…", quoted(&text[..end])),
    }
}

impl Error {
    pub(crate) fn new(problem: Problem, offset: usize) -> Self {
        Self(Box::new(Inner {
            problem: problem.shortened(),
            path: Vec::new(),
            offset,
        }))
    }

    pub(crate) fn in_field(mut self, name: &str) -> Self {
        self.0.path.push(Step::Field(name.into()));
        self
    }

    pub(crate) fn at_index(mut self, index: usize) -> Self {
        self.0.path.push(Step::Index(index));
        self
    }

    pub(crate) fn at_key(mut self, key: &str) -> Self {
        self.0.path.push(Step::Key(cut(key, LONGEST).into()));
        self
    }

    /// Moves the offset, for an error in a part that begins at `base`.
    pub(crate) fn offset_by(mut self, base: usize) -> Self {
        self.0.offset += base;
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The byte of the input, from 0, at which it was noticed.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The path of the value, such as `$.users[3].email`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::from("$");
        for step in self.0.path.iter().rev() {
            match step {
                Step::Field(name) if name.starts_with('[') => path.push_str(name),
                Step::Field(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                Step::Index(index) => path.push_str(&format!("[{index}]")),
                Step::Key(key) => path.push_str(&format!("[{}]", quoted(key))),
            }
        }
        path
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {} at byte {}",
            self.path(),
            self.0.problem,
            self.0.offset
        )
    }
}

impl std::error::Error for Error {}
