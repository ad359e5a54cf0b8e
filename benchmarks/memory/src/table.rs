//! The rows that measurements give, and the table they make.

use benchmark_report::{Verdict, page};

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

/// The rows as a table in Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let heads = ["what", "ours", "beside it", "ratio", "goal", "verdict"];
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.what.clone(),
                row.ours.clone(),
                row.peer.clone(),
                row.ratio.clone(),
                row.goal.clone(),
                row.verdict.to_string(),
            ]
        })
        .collect();
    page::table(&heads, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let text = markdown(&[row]);
        assert!(text.starts_with("| what"));
        assert!(text.ends_with("| start | 9 ms | – | – | ≤ 50 ms | reached |\n"));
    }
}
