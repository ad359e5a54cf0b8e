//! What a run has found, as tables in Markdown.

use benchmark_report::figures::{rate, short};
use benchmark_report::race::Turns;
use benchmark_report::{Verdict, page};

use crate::contender::Contender;
use crate::crowd::{CROWD, Delivered};

/// All of it; what was left out is empty.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) unary: Vec<Turns<Contender>>,
    /// Seconds for a token that was seen before.
    pub(crate) token: Option<f64>,
    pub(crate) chat: Option<Delivered>,
    pub(crate) watch: Option<Delivered>,
}

/// Of the plain service's rate for the same processor time.
const SHARE: f64 = 0.9;
/// Seconds.
const TOKEN: f64 = 2e-6;

impl Results {
    /// How many times the calls for the same processor time another has.
    fn share(&self, one: Contender, other: Contender) -> Option<f64> {
        let of = |who| self.unary.iter().find(|turns| turns.contender == who);
        Some(of(one)?.ratio(of(other)?, |turn| turn.processor))
    }
}

/// The tables of a run.
pub(crate) fn markdown(facts: &[(&str, String)], results: &Results) -> String {
    let mut text = format!("{}\n{}", page::facts(facts), goals(results));
    if !results.unary.is_empty() {
        text += "\n**`GetUser` over gRPC**, 64 calls at a time over 8 connections\n\n";
        text += &unary(results);
    }
    if results.chat.is_some() || results.watch.is_some() {
        text += &format!("\n**A crowd of {CROWD}** over 10 connections\n\n");
        text += &crowds(results);
    }
    text
}

fn goals(results: &Results) -> String {
    let share = results.share(Contender::Portolan, Contender::Plain);
    let verdict = |reached: Option<bool>| {
        let verdict = reached.map_or(Verdict::NotMeasured, Verdict::of);
        verdict.to_string()
    };
    page::table(
        &["what", "seen", "goal", "verdict"],
        &[
            vec![
                "`GetUser` for the same processor time, ours : plain tonic".to_owned(),
                share.map_or("–".to_owned(), |seen| format!("{}×", short(seen))),
                format!("≥ {SHARE}×"),
                verdict(share.map(|seen| seen >= SHARE)),
            ],
            vec![
                "a JSON Web Token that was seen before".to_owned(),
                results
                    .token
                    .map_or("–".to_owned(), |seen| format!("{} µs", short(seen * 1e6))),
                format!("< {} µs", short(TOKEN * 1e6)),
                verdict(results.token.map(|seen| seen < TOKEN)),
            ],
        ],
    )
}

fn unary(results: &Results) -> String {
    let rows = results.unary.iter().map(|turns| {
        let ours = results.share(Contender::Portolan, turns.contender);
        let failed = if turns.failed > 0.0 {
            format!("; {} failed", turns.failed)
        } else {
            String::new()
        };
        vec![
            turns.contender.title().to_owned(),
            format!("{} s{failed}", short(turns.median(|turn| turn.processor))),
            rate(turns.median(|turn| turn.rate)),
            format!(
                "{} / {} ms",
                short(turns.median(|turn| turn.p50)),
                short(turns.median(|turn| turn.p99))
            ),
            ours.map_or("–".to_owned(), |ours| format!("{}×", short(ours))),
        ]
    });
    page::table(
        &[
            "server",
            "processor time of 100,000 calls",
            "calls",
            "p50 / p99",
            "ours for the same time",
        ],
        &rows.collect::<Vec<_>>(),
    )
}

fn crowds(results: &Results) -> String {
    let crowds = [
        ("a chat: one says it, all hear it", results.chat),
        ("a watch: a user is made, all hear of it", results.watch),
    ];
    let rows = crowds.into_iter().filter_map(|(title, seen)| {
        let seen = seen?;
        Some(vec![
            title.to_owned(),
            rate(seen.rate),
            rate(seen.rate * CROWD as f64),
            format!("{} / {} ms", short(seen.p50), short(seen.p99)),
            format!("{} s", short(seen.processor)),
        ])
    });
    page::table(
        &[
            "what",
            "messages",
            "deliveries",
            "p50 / p99 until heard",
            "processor time of 100,000 deliveries",
        ],
        &rows.collect::<Vec<_>>(),
    )
}
