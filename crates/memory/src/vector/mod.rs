//! The vector room: the vectors of a namespace in memory, and the search for
//! the nearest of them. The search is exact, over every vector. An approximate
//! index belongs here too, beside [`Matrix`], which then scores its candidates
//! again exactly. What a vector belongs to, and that it is durable, is for the
//! store; here a vector has a number.

mod kernel;
mod matrix;

pub use matrix::{Matrix, Nearest};
