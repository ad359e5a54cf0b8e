//! What can be wrong with a contract.

/// Why a descriptor set cannot become a [`Schema`](crate::Schema).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a `google.protobuf.FileDescriptorSet`.
    #[error("the bytes are not a protobuf FileDescriptorSet")]
    Decode(#[from] prost::DecodeError),
    /// Two files define the same name.
    #[error("`{name}` is defined in {first} and again in {second}")]
    Duplicate {
        /// The full name.
        name: String,
        /// The file that came first.
        first: String,
        /// The file that repeats it.
        second: String,
    },
    /// A type that no file defines.
    #[error(
        "{file}: `{referrer}` needs the type `{name}`, which no file in the set defines; include its imports"
    )]
    UnknownType {
        /// The file with the reference.
        file: String,
        /// The full name of the field or method that refers to it.
        referrer: String,
        /// The missing type.
        name: String,
    },
    /// A descriptor that contradicts the language.
    #[error("{file}: `{element}` {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// The full name of the element.
        element: String,
        /// What is wrong with it.
        problem: String,
    },
}
