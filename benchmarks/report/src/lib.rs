//! What the benchmarks share: how figures are written, whether a goal is
//! reached, which machine it was, programs that run beside, what they used, load on
//! them, and the page that shows the tables.
//!
//! What is measured, and which tables come of it, is each benchmark's own.

pub mod figures;
pub mod load;
pub mod machine;
pub mod page;
pub mod process;
pub mod race;
pub mod usage;
mod verdict;

pub use verdict::Verdict;
