//! The rows that measurements give, the table they make, and the page that
//! shows it.

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- bench memory: begin -->";
const END: &str = "<!-- bench memory: end -->";

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    pub(crate) ours: String,
    /// What it is compared with.
    pub(crate) peer: String,
    pub(crate) ratio: String,
    pub(crate) goal: String,
    pub(crate) verdict: Verdict,
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    Missed,
    /// Left out of this run.
    NotMeasured,
}

impl Verdict {
    pub(crate) fn of(reached: bool) -> Self {
        if reached { Self::Reached } else { Self::Missed }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reached => "reached",
            Self::Missed => "**missed**",
            Self::NotMeasured => "not measured",
        })
    }
}

/// The rows as a table in Markdown, below the facts they depend on.
pub(crate) fn markdown(facts: &[(&str, String)], rows: &[Row]) -> String {
    let mut text = String::new();
    for (name, fact) in facts {
        text += &format!("- {name}: {fact}\n");
    }
    text += "\n| what | ours | beside it | ratio | goal | verdict |\n";
    text += "| --- | --- | --- | --- | --- | --- |\n";
    for row in rows {
        text += &format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            row.what, row.ours, row.peer, row.ratio, row.goal, row.verdict
        );
    }
    text
}

/// Puts the table between its markers on the page.
pub(crate) fn write(page: &Path, table: &str) -> Result<()> {
    let shown = page.display();
    let text = fs::read_to_string(page).with_context(|| format!("{shown} cannot be read"))?;
    let text = replaced(&text, table)
        .with_context(|| format!("{shown} lacks the lines `{BEGIN}` and `{END}`"))?;
    fs::write(page, text).with_context(|| format!("{shown} cannot be written"))
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_takes_the_place_of_the_last_one() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let once = replaced(&page, "new\n").unwrap();
        assert_eq!(once, format!("above\n{BEGIN}\nnew\n{END}\nbelow\n"));
        assert_eq!(replaced(&once, "new\n").unwrap(), once);
        assert_eq!(replaced("no markers", "new\n"), None);
    }

    #[test]
    fn a_row_is_a_line() {
        let row = Row {
            what: "start".into(),
            ours: "9 ms".into(),
            peer: "–".into(),
            ratio: "–".into(),
            goal: "≤ 50 ms".into(),
            verdict: Verdict::of(true),
        };
        let text = markdown(&[("processor", "one".into())], &[row]);
        assert!(text.starts_with("- processor: one\n\n| what"));
        assert!(text.ends_with("| start | 9 ms | – | – | ≤ 50 ms | reached |\n"));
    }
}
