//! The six messages, as JSON and as wire bytes.

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
        benchmark_samples::Sample::all()
            .into_iter()
            .map(|sample| {
                let mut sample = Self {
                    name: sample.name,
                    what: sample.what,
                    message: format!("{}.{}", contract::PACKAGE, sample.message),
                    json: sample.json,
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
        let samples = Sample::all().unwrap();
        let expected = [
            ("greeter", 12),
            ("user", 250),
            ("users100", 25_779),
            ("vector", 8_500),
            ("nested", 421),
            ("search64k", 40_464),
        ];
        for (sample, (name, about)) in samples.iter().zip(expected) {
            assert_eq!(sample.name, name);
            let size = sample.wire.len();
            let away = size.abs_diff(about) as f64 / about as f64;
            assert!(away < 0.15, "{name} has {size} bytes, not about {about}");
        }
    }
}
