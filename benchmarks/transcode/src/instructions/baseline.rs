//! The committed counts that new ones are held against.
//!
//! The file is TOML of the simplest kind, so that its history reads well: a
//! table per way, a line per sample.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::sample::Way;

/// How much a count may rise, as a share of the baseline.
const TOLERANCE: f64 = 0.05;

const HEAD: &str = "\
# Instructions that the transcoder takes per message, as valgrind counts them.
# `cargo xtask bench transcode --instructions` fails when one of them rises by
# more than 5 %; with `--write` it renews this file.
";

/// Counts by way and sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline {
    /// The compiler that they hold for.
    pub(crate) compiler: String,
    counts: Vec<(Way, String, f64)>,
}

/// How one count compares.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) way: Way,
    pub(crate) sample: String,
    pub(crate) before: Option<f64>,
    pub(crate) now: f64,
}

impl Change {
    /// By how much it rose, as a share; negative when it fell.
    pub(crate) fn rise(&self) -> Option<f64> {
        self.before.map(|before| self.now / before - 1.0)
    }

    /// Whether it is no more than the baseline allows.
    pub(crate) fn is_fine(&self) -> bool {
        self.rise().is_some_and(|rise| rise <= TOLERANCE)
    }

    /// Whether the baseline has become so generous that it guards nothing.
    pub(crate) fn is_much_better(&self) -> bool {
        self.rise().is_some_and(|rise| rise < -TOLERANCE)
    }
}

impl Baseline {
    pub(crate) fn new(
        compiler: String,
        counts: impl IntoIterator<Item = (Way, String, f64)>,
    ) -> Self {
        Self {
            compiler,
            counts: counts.into_iter().collect(),
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| {
            format!("{shown} cannot be read; make it with --instructions --write")
        })?;
        Self::parse(&text).with_context(|| format!("{shown} is no baseline"))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.text())
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// How these counts compare with the baseline.
    pub(crate) fn changes(&self, now: &Self) -> Vec<Change> {
        let before = |way: Way, name: &str| {
            let same = |(one, sample, _): &&(Way, String, f64)| *one == way && sample == name;
            self.counts.iter().find(same).map(|(_, _, count)| *count)
        };
        now.counts
            .iter()
            .map(|(way, sample, count)| Change {
                way: *way,
                sample: sample.clone(),
                before: before(*way, sample),
                now: *count,
            })
            .collect()
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}compiler = \"{}\"\n", self.compiler);
        for way in Way::BOTH {
            let _ = write!(text, "\n[{}]\n", way.name());
            for (_, sample, count) in self.counts.iter().filter(|(one, _, _)| *one == way) {
                let _ = writeln!(text, "{sample} = {count:.0}");
            }
        }
        text
    }

    fn parse(text: &str) -> Result<Self> {
        let mut baseline = Self::new(String::new(), []);
        let mut table = None;
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                table = Way::BOTH.into_iter().find(|way| way.name() == name);
                continue;
            }
            let (key, value) = line
                .split_once(" = ")
                .with_context(|| format!("`{line}` is no `key = value`"))?;
            match table {
                None if key == "compiler" => {
                    value.trim_matches('"').clone_into(&mut baseline.compiler);
                }
                None => bail!("`{line}` stands in no table of a way"),
                Some(way) => {
                    let count = value
                        .parse()
                        .with_context(|| format!("`{line}` has no count"))?;
                    baseline.counts.push((way, key.to_owned(), count));
                }
            }
        }
        Ok(baseline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(counts: &[(Way, &str, f64)]) -> Baseline {
        let counts = counts
            .iter()
            .map(|(way, name, count)| (*way, (*name).to_owned(), *count));
        Baseline::new("rustc 1".into(), counts)
    }

    #[test]
    fn a_baseline_is_read_as_it_is_written() {
        let one = baseline(&[(Way::Read, "user", 5_000.0), (Way::Write, "user", 4_000.0)]);
        assert_eq!(Baseline::parse(&one.text()).unwrap(), one);
        for wrong in [
            "user = 1",
            "[read]\nuser",
            "[read]\nuser = many",
            "[up]\nuser = 1",
        ] {
            assert!(Baseline::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rise_of_more_than_five_per_cent_is_not_fine() {
        let before = baseline(&[(Way::Read, "user", 1_000.0)]);
        let change = |way, count| before.changes(&baseline(&[(way, "user", count)])).remove(0);
        assert!(change(Way::Read, 1_049.0).is_fine());
        assert!(!change(Way::Read, 1_051.0).is_fine());
        assert!(change(Way::Read, 500.0).is_fine());
        assert!(change(Way::Read, 500.0).is_much_better());
        assert!(!change(Way::Read, 990.0).is_much_better());
        // What the baseline does not know cannot be judged.
        assert!(!change(Way::Write, 1.0).is_fine());
    }
}
