//! What the benchmarks share: how figures are written, whether a goal is
//! reached, which machine it was, and the page that shows the tables.
//!
//! What is measured, and which tables come of it, is each benchmark's own.

pub mod figures;
pub mod machine;
pub mod page;
mod verdict;

pub use verdict::Verdict;
