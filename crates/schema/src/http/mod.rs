//! `google.api.http`: how a method is reached over HTTP with JSON
//! (googleapis, `google/api/http.proto`).

mod rule;
mod template;

pub use rule::{Body, HttpRule};
pub use template::{Segment, Template, Variable};

/// Why an HTTP rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The rule names no method and path.
    #[error("it has no path; set one of get, put, post, delete, patch or custom")]
    NoPattern,
    /// An additional binding has additional bindings.
    #[error("additional_bindings must not be nested")]
    Nested,
    /// The HTTP method of a custom pattern is not one.
    #[error("`{0}` is not an HTTP method")]
    Method(String),
    /// The path template does not follow the grammar.
    #[error("path `{path}`: {problem} at column {column}")]
    Template {
        /// The template.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
        /// Where, counted in bytes from 1.
        column: usize,
    },
    /// A variable, the body or the response body names a field that is not there.
    #[error("{role} `{field}` is not a field of `{message}`")]
    UnknownField {
        /// What names the field: `path variable`, `body`, `response_body`.
        role: &'static str,
        /// The field path.
        field: String,
        /// The message that lacks it.
        message: String,
    },
    /// A path variable that one piece of text cannot fill.
    #[error("path variable `{field}` must be a single scalar field")]
    NotScalar {
        /// The field path.
        field: String,
    },
}
