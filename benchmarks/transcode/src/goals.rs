//! What the transcoder is to reach, and whether it does.

use benchmark_report::{Verdict, figures::short, page};

use crate::contender::{Native, external_titles};
use crate::instructions::Counts;
use crate::results::Results;
use crate::sample::Way;

/// One goal, for both ways.
struct Goal {
    what: String,
    /// What was found and what is asked for, per way.
    found: [Option<f64>; 2],
    asked: [f64; 2],
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    /// So many times as fast, or more.
    AtLeast,
    /// More than so many times as fast.
    Above,
    /// So many, or fewer.
    AtMost,
}

/// The goals as a table in Markdown.
pub(crate) fn table(results: &Results, counts: &Counts) -> String {
    let heads = [
        "goal",
        Way::Read.title(),
        "asked",
        "verdict",
        Way::Write.title(),
        "asked",
        "verdict",
    ];
    let rows: Vec<Vec<String>> = all(results, counts).iter().map(Goal::row).collect();
    page::table(&heads, &rows)
}

fn all(results: &Results, counts: &Counts) -> Vec<Goal> {
    let both = |figure: &dyn Fn(Way) -> Option<f64>| Way::BOTH.map(figure);
    let mean = |title: &str| both(&|way| results.mean_ratio(way, title));
    let dynamic = Native::Dynamic.title();
    let generated = [Native::Pbjson, Native::Buffa].map(Native::title);
    vec![
        Goal {
            what: format!("{dynamic}, geometric mean"),
            found: mean(dynamic),
            asked: [12.0, 9.0],
            bound: Bound::AtLeast,
        },
        Goal {
            what: format!("{dynamic}, closest message"),
            found: both(&|way| results.least_ratio(way, dynamic)),
            asked: [4.0, 2.5],
            bound: Bound::AtLeast,
        },
        Goal {
            what: format!("{}, geometric mean", Native::Pbjson.title()),
            found: mean(Native::Pbjson.title()),
            asked: [5.0, 3.0],
            bound: Bound::AtLeast,
        },
        Goal {
            what: "all generated code, closest message".into(),
            found: both(&|way| {
                let least = generated.map(|title| results.least_ratio(way, title));
                least.into_iter().flatten().reduce(f64::min)
            }),
            asked: [1.0, 1.0],
            bound: Bound::Above,
        },
        Goal {
            what: format!("{}, geometric mean", external_titles::CPP_CACHED),
            found: mean(external_titles::CPP_CACHED),
            asked: [25.0, 10.0],
            bound: Bound::AtLeast,
        },
        Goal {
            what: "allocations per message, most".into(),
            found: both(&|way| {
                let cells = results.of(way, Native::Ours.title())?;
                cells
                    .iter()
                    .filter_map(|cell| cell.allocations)
                    .max()
                    .map(|most| most as f64)
            }),
            asked: [0.0, 0.0],
            bound: Bound::AtMost,
        },
        Goal {
            what: "instructions for `user`".into(),
            found: both(&|way| counts.of(Native::Ours, way, "user")),
            asked: [6_000.0, 5_500.0],
            bound: Bound::AtMost,
        },
    ]
}

impl Goal {
    fn row(&self) -> Vec<String> {
        let mut row = vec![self.what.clone()];
        for (found, asked) in self.found.iter().zip(self.asked) {
            row.push(found.map_or("–".into(), |found| self.bound.figure(found)));
            row.push(self.bound.asked(asked));
            let verdict = found.map_or(Verdict::NotMeasured, |found| {
                Verdict::of(self.bound.holds(found, asked))
            });
            row.push(verdict.to_string());
        }
        row
    }
}

impl Bound {
    fn holds(self, found: f64, asked: f64) -> bool {
        match self {
            Self::AtLeast => found >= asked,
            Self::Above => found > asked,
            Self::AtMost => found <= asked,
        }
    }

    fn figure(self, found: f64) -> String {
        match self {
            Self::AtLeast | Self::Above => format!("{}×", short(found)),
            Self::AtMost => whole(found),
        }
    }

    fn asked(self, asked: f64) -> String {
        match self {
            Self::AtLeast => format!("≥ {asked}×"),
            Self::Above => format!("> {asked}×"),
            Self::AtMost => format!("≤ {}", whole(asked)),
        }
    }
}

/// A count: small ones have no digits behind the point either.
pub(crate) fn whole(count: f64) -> String {
    if count < 100.0 {
        format!("{count:.0}")
    } else {
        short(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_was_not_measured_is_neither_reached_nor_missed() {
        let goal = Goal {
            what: "it".into(),
            found: [Some(12.0), None],
            asked: [12.0, 9.0],
            bound: Bound::AtLeast,
        };
        assert_eq!(
            goal.row(),
            [
                "it",
                "12.0×",
                "≥ 12×",
                "reached",
                "–",
                "≥ 9×",
                "not measured"
            ]
        );
        let counts = Goal {
            found: [Some(6_001.0), Some(0.0)],
            asked: [6_000.0, 0.0],
            bound: Bound::AtMost,
            ..goal
        };
        assert_eq!(
            counts.row()[1..],
            ["6,001", "≤ 6,000", "**missed**", "0", "≤ 0", "reached"]
        );
        assert!(!Bound::Above.holds(1.0, 1.0));
    }
}
