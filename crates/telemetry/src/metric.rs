//! Figures, as they are when somebody asks.

use crate::span::Attributes;

/// Gives figures whenever it is asked. Counts go on from the start of the
/// process.
pub trait Figures: Send + Sync {
    /// The figures now.
    fn collect(&self) -> Vec<Metric>;
}

/// A figure with all its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name, such as `rpc.server.call.duration`.
    pub name: &'static str,
    /// What it says, for people.
    pub description: &'static str,
    /// Its unit by UCUM, such as `s` or `By`.
    pub unit: &'static str,
    /// Its points.
    pub points: Points,
}

/// Points of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// Counts that only grow.
    Counter(Vec<(Attributes, Number)>),
    /// Counts that grow and shrink.
    UpDown(Vec<(Attributes, Number)>),
    /// Distributions.
    Histogram(Vec<(Attributes, Distribution)>),
}

/// One number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole one.
    Whole(i64),
    /// Any.
    Real(f64),
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<u64> for Number {
    /// A number that does not fit 63 bits was not reached by counting.
    fn from(number: u64) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

/// How values are spread.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Upper bounds of all buckets but the last, which has none.
    pub bounds: &'static [f64],
    /// How many values are in each.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: f64,
}
