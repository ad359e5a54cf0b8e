//! What is wrong with HTTP rules, and where.

use super::Place;

/// An HTTP rule that cannot be used. The method can still be called in every
/// other way, and so can the rest of the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: the HTTP rule of `{method}` is not valid: {problem}")]
pub struct RuleFault {
    /// Where the rule is written.
    pub place: Place,
    /// The full name of the method, such as `users.v1.Users.Get`, or the
    /// selector that was to name one.
    pub method: String,
    /// What is wrong.
    pub problem: RuleError,
}

/// Why an HTTP rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The rule names no method and path.
    #[error("it has no path; set one of get, put, post, delete, patch or custom")]
    NoPattern,
    /// The rule names two.
    #[error("it has both `{first}` and `{second}`; put one of them into additional_bindings")]
    TwoPatterns {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// An additional binding has additional bindings.
    #[error("additional_bindings must not be nested")]
    Nested,
    /// The HTTP method of a custom pattern is not one.
    #[error("`{0}` is not an HTTP method; write one in upper case, or `*` for any")]
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
    /// A body or response body that names a field inside a field.
    #[error("{role} `{field}` must be a field of `{message}` itself, not of a message inside it")]
    NotTopLevel {
        /// What names the field: `body`, `response_body`.
        role: &'static str,
        /// The field path.
        field: String,
        /// The message.
        message: String,
    },
    /// A path variable that one piece of text cannot fill.
    #[error("path variable `{field}` must be a single scalar field")]
    NotScalar {
        /// The field path.
        field: String,
    },
    /// Path and body both fill a field.
    #[error("`{field}` is bound by the path and lies in the body; bind it once")]
    BoundTwice {
        /// The field path.
        field: String,
    },
    /// A rule of a service configuration that names no method.
    #[error("no selector says which method it is for")]
    NoSelector,
    /// A pattern that is not a name, nor a name with `*` for its last part.
    #[error("`{0}` is not a selector; write a full name, `package.*` or `*`")]
    Selector(String),
    /// A selector that stands for no method of the contract.
    #[error("there is no method `{selector}`{}", did_you_mean(.nearest))]
    NoSuchMethod {
        /// The pattern.
        selector: String,
        /// Methods with names like it.
        nearest: Vec<String>,
    },
}

fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    let names: Vec<String> = nearest.iter().map(|name| format!("`{name}`")).collect();
    format!("; did you mean {}", names.join(" or "))
}
