//! The page that shows the tables: each benchmark has a place of its own there,
//! between two comments, and every run that is kept takes the place of the last.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// The facts that figures depend on, as a list in Markdown.
#[must_use]
pub fn facts(facts: &[(&str, String)]) -> String {
    facts
        .iter()
        .map(|(name, fact)| format!("- {name}: {fact}\n"))
        .collect()
}

/// A table in Markdown.
#[must_use]
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(heads.to_vec());
    text += &line(vec!["---"; heads.len()]);
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

/// Puts the text of the benchmark with this name between its markers.
///
/// # Errors
/// When the page cannot be read or written, or lacks the markers.
pub fn write(page: &Path, benchmark: &str, text: &str) -> Result<()> {
    let shown = page.display();
    let (begin, end) = markers(benchmark);
    let old = fs::read_to_string(page).with_context(|| format!("{shown} cannot be read"))?;
    let new = replaced(&old, benchmark, text)
        .with_context(|| format!("{shown} lacks the lines `{begin}` and `{end}`"))?;
    fs::write(page, new).with_context(|| format!("{shown} cannot be written"))
}

fn markers(benchmark: &str) -> (String, String) {
    (
        format!("<!-- bench {benchmark}: begin -->"),
        format!("<!-- bench {benchmark}: end -->"),
    )
}

fn replaced(page: &str, benchmark: &str, text: &str) -> Option<String> {
    let (begin, end) = markers(benchmark);
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_the_place_of_the_last_one() {
        let (begin, end) = markers("it");
        let page = format!("above\n{begin}\nold\n{end}\nbelow\n");
        let once = replaced(&page, "it", "new\n").unwrap();
        assert_eq!(once, format!("above\n{begin}\nnew\n{end}\nbelow\n"));
        assert_eq!(replaced(&once, "it", "new\n").unwrap(), once);
        assert_eq!(replaced(&page, "other", "new\n"), None);
        assert_eq!(replaced("no markers", "it", "new\n"), None);
    }

    #[test]
    fn a_row_is_a_line() {
        let rows = [vec!["start".to_owned(), "9 ms".to_owned()]];
        assert_eq!(
            table(&["what", "ours"], &rows),
            "| what | ours |\n| --- | --- |\n| start | 9 ms |\n"
        );
        assert_eq!(facts(&[("processor", "one".into())]), "- processor: one\n");
    }
}
