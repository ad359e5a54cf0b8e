//! How the command speaks: results on standard output, all else on standard
//! error, a progress bar only where somebody looks.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::config::Wrong;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter work needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says on one line why the command failed; below it, where it was a file's
/// fault, the place in the file.
pub(crate) fn error(error: &anyhow::Error) {
    complain(&format!("error: {}", sentence(error)));
    if let Some(wrong) = error.downcast_ref::<Wrong>() {
        complain(wrong.snippet.trim_end());
    }
}

/// The error and its causes on one line. Some errors say their cause
/// themselves, and some causes only say the same with a number before it: once
/// is enough.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    let mut before = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        if sentence.ends_with(&cause) || (!before.is_empty() && cause.ends_with(&before)) {
            before = cause;
            continue;
        }
        if !sentence.is_empty() {
            sentence.push_str(": ");
        }
        sentence.push_str(&cause);
        before = cause;
    }
    sentence
}

/// Says something on standard error that does not stop the command.
pub(crate) fn warning(sentence: &str) {
    complain(&format!("warning: {sentence}"));
}

/// A line on standard error. Nobody can be told when that fails.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A line on standard output, at once.
pub(crate) fn result(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// A text on standard output as it is.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a progress bar counts.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Memories,
}

/// A bar on standard error: only on a terminal, and only after a second.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    visible: bool,
}

impl Progress {
    /// A bar up to `total`; without one, a sign of life.
    pub(crate) fn new(total: Option<u64>, unit: Unit) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = match (total.is_some(), unit) {
            (true, Unit::Bytes) => "{wide_bar} {bytes}/{total_bytes} {msg} {eta}",
            (true, Unit::Memories) => "{wide_bar} {human_pos}/{human_len} {msg} {eta}",
            (false, Unit::Bytes) => "{spinner} {bytes} {msg}",
            (false, Unit::Memories) => "{spinner} {human_pos} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            started: Instant::now(),
            visible: false,
        }
    }

    /// Moves the bar.
    pub(crate) fn set(&mut self, position: u64, message: impl FnOnce() -> String) {
        if !self.visible && self.started.elapsed() > PATIENCE && io::stderr().is_terminal() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.visible = true;
        }
        self.bar.set_position(position);
        if self.visible {
            self.bar.set_message(message());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_said_once_and_on_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("the store failed: {source}")]
        struct Engine {
            source: io::Error,
        }
        #[derive(Debug, thiserror::Error)]
        #[error("disk I/O error")]
        struct Numbered(#[from] Number);
        #[derive(Debug, thiserror::Error)]
        #[error("Error code 778: disk I/O error")]
        struct Number;
        let disk = || io::Error::other("disk I/O\n error");
        for (error, expected) in [
            (disk().into(), "disk I/O error"),
            (
                anyhow::Error::new(disk()).context("cannot read"),
                "cannot read: disk I/O error",
            ),
            (
                Engine { source: disk() }.into(),
                "the store failed: disk I/O error",
            ),
            (
                anyhow::Error::new(Engine { source: disk() }).context("cannot start"),
                "cannot start: the store failed: disk I/O error",
            ),
            (Numbered(Number).into(), "disk I/O error"),
            (
                anyhow::Error::new(Numbered(Number)).context("the store failed: disk I/O error"),
                "the store failed: disk I/O error",
            ),
        ] {
            assert_eq!(sentence(&error), expected);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }
}
