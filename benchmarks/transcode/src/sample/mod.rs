//! The six messages, as JSON and as wire bytes.

mod messages;
mod numbers;
mod text;

use anyhow::Result;
use portolan_transcode_oracle::{ReadOptions, Transcoder};

use crate::contract;

/// One message.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    /// What is in it, for those who read the tables.
    pub(crate) what: &'static str,
    /// The full name of its type.
    pub(crate) message: String,
    /// Canonical and compact.
    pub(crate) json: Vec<u8>,
    pub(crate) wire: Vec<u8>,
}

impl Sample {
    /// All of them, in the order of the tables.
    pub(crate) fn all() -> Result<Vec<Self>> {
        // The wire bytes are those of the reference, not of what is measured.
        // Every contender with code of its own has to agree with them.
        let transcoder = Transcoder::new(contract::schema()?);
        messages::ALL
            .iter()
            .map(|(name, message, what, json)| {
                let mut sample = Self {
                    name,
                    what,
                    message: format!("{}.{message}", contract::PACKAGE),
                    json: json(),
                    wire: Vec::new(),
                };
                transcoder.json_to_wire(
                    contract::message(transcoder.schema(), &sample)?,
                    &sample.json,
                    &mut sample.wire,
                    &ReadOptions::default(),
                )?;
                Ok(sample)
            })
            .collect()
    }
}

/// The two ways that a message can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From JSON to wire bytes.
    Read,
    /// From wire bytes to JSON.
    Write,
}

impl Way {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    /// As commands and files call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// As the tables call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Read => "JSON → wire",
            Self::Write => "wire → JSON",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_have_the_sizes_that_the_goals_were_set_for() {
        let sizes: Vec<(&str, usize, usize)> = Sample::all()
            .unwrap()
            .iter()
            .map(|sample| (sample.name, sample.wire.len(), sample.json.len()))
            .collect();
        let expected = [
            ("greeter", 12, 21),
            ("user", 250, 499),
            ("users100", 25_779, 50_516),
            ("vector", 8_500, 21_621),
            ("nested", 421, 903),
            ("search64k", 40_464, 65_764),
        ];
        for ((name, wire, json), (same, about_wire, about_json)) in sizes.iter().zip(expected) {
            assert_eq!(*name, same);
            // What is in them is not the same, so the wire bytes may differ more.
            for (size, about, most) in [(*wire, about_wire, 0.15), (*json, about_json, 0.05)] {
                let away = size.abs_diff(about) as f64 / about as f64;
                assert!(away < most, "{name} has {size} bytes, not about {about}");
            }
        }
    }

    #[test]
    fn samples_are_the_same_every_time() {
        let (one, two) = (Sample::all().unwrap(), Sample::all().unwrap());
        for (one, two) in one.iter().zip(&two) {
            assert_eq!(one.json, two.json);
            assert_eq!(one.wire, two.wire);
        }
    }
}
