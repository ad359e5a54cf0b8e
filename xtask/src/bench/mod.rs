//! The benchmarks, one file each: they compare, in one run, with what a user
//! would use instead, and print a table.

pub(crate) mod memory;
