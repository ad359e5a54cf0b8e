//! The messages that the benchmarks send, as JSON: what services say to each
//! other, from a greeting to a page of search results. They come from a seed,
//! so that every run and every contender sees the same; their contract lies in
//! `proto/`.
//!
//! Their wire bytes are each benchmark's own affair: whoever makes them is no
//! judge of itself.

mod messages;
mod numbers;
mod text;

/// The package of every message's type.
pub const PACKAGE: &str = "portolan.benchmark.v1";

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What it is called in tables.
    pub name: &'static str,
    /// Its type, within [`PACKAGE`].
    pub message: &'static str,
    /// What is in it, for those who read the tables.
    pub what: &'static str,
    /// The message, canonical and compact.
    pub json: Vec<u8>,
}

impl Sample {
    /// All of them, in the order of the tables.
    #[must_use]
    pub fn all() -> Vec<Self> {
        messages::ALL
            .iter()
            .map(|(name, message, what, json)| Self {
                name,
                message,
                what,
                json: json(),
            })
            .collect()
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|sample| sample.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_have_the_sizes_that_the_goals_were_set_for() {
        for (name, about) in [
            ("greeter", 21),
            ("user", 499),
            ("users100", 50_516),
            ("vector", 21_621),
            ("nested", 903),
            ("search64k", 65_764),
        ] {
            let size = Sample::named(name).unwrap().json.len();
            let away = size.abs_diff(about) as f64 / about as f64;
            assert!(away < 0.05, "{name} has {size} bytes, not about {about}");
        }
    }

    #[test]
    fn samples_are_the_same_every_time() {
        assert_eq!(Sample::all(), Sample::all());
    }
}
