//! The vector room: the vectors of a namespace in memory, and the search for
//! the nearest of them. The search is exact, over every vector, most of which
//! it knows from a byte per component to be too far away. An approximate index
//! belongs here too, beside [`Matrix`], which then scores its candidates again
//! exactly. What a vector belongs to, and that it is durable, is for the store;
//! here a vector has a number.

mod best;
mod compact;
mod kernel;
mod matrix;
#[cfg(test)]
mod samples;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

pub use matrix::{Matrix, Nearest};
