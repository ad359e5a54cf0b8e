//! The tables of the page.

use benchmark_report::{figures::short, page};

use crate::contender::Native;
use crate::goals::{self, whole};
use crate::instructions::Counts;
use crate::race::Cell;
use crate::results::Results;
use crate::sample::{Sample, Way};

/// Everything that a run has to say.
pub(crate) fn markdown(
    facts: &[(&str, String)],
    samples: &[Sample],
    results: &Results,
    counts: &Counts,
) -> String {
    let mut parts = vec![
        page::facts(facts),
        goals::table(results, counts),
        messages(samples),
    ];
    for way in Way::BOTH {
        parts.push(format!(
            "**{}**: nanoseconds of the processor per message, MB of JSON per second, times as long as ours\n",
            way.title()
        ));
        parts.push(times(samples, results, way));
    }
    parts.push(format!(
        "**Allocations per message**, {} / {}\n",
        Way::Read.title(),
        Way::Write.title()
    ));
    parts.push(allocations(samples, results));
    parts.push(format!(
        "**Instructions per message**, {} / {}\n",
        Way::Read.title(),
        Way::Write.title()
    ));
    parts.push(instructions(samples, counts));
    parts.join("\n")
}

fn heads<'a>(first: &'a str, samples: &'a [Sample]) -> Vec<&'a str> {
    let names = samples.iter().map(|sample| sample.name);
    std::iter::once(first).chain(names).collect()
}

fn messages(samples: &[Sample]) -> String {
    let rows: Vec<Vec<String>> = samples
        .iter()
        .map(|sample| {
            vec![
                sample.name.to_owned(),
                sample.what.to_owned(),
                size(sample.wire.len()),
                size(sample.json.len()),
            ]
        })
        .collect();
    page::table(&["message", "what is in it", "wire", "JSON"], &rows)
}

fn size(bytes: usize) -> String {
    format!("{} B", whole(bytes as f64))
}

fn times(samples: &[Sample], results: &Results, way: Way) -> String {
    let mut heads = heads("", samples);
    heads.push("geometric mean");
    let row = |title: &String| {
        let cells = results.of(way, title)?;
        let mut row = vec![title.clone()];
        let texts = cells
            .iter()
            .zip(samples)
            .map(|(cell, sample)| time(cell, sample));
        row.extend(texts);
        row.push(format!("{}×", short(results.mean_ratio(way, title)?)));
        Some(row)
    };
    let rows: Vec<Vec<String>> = results.titles.iter().filter_map(row).collect();
    page::table(&heads, &rows)
}

fn time(cell: &Cell, sample: &Sample) -> String {
    let megabytes = sample.json.len() as f64 / cell.nanoseconds * 1e3;
    format!(
        "{} ({}) {}×",
        short(cell.nanoseconds),
        whole(megabytes),
        short(cell.ratio)
    )
}

fn allocations(samples: &[Sample], results: &Results) -> String {
    let text = |count: Option<u64>| count.map(|count| whole(count as f64));
    let row = |title: &String| {
        let [read, write] = Way::BOTH.map(|way| results.of(way, title));
        let cells: Vec<(Option<String>, Option<String>)> = read?
            .iter()
            .zip(write?)
            .map(|(read, write)| (text(read.allocations), text(write.allocations)))
            .collect();
        // A contender that cannot be counted has no row.
        let mut row = vec![title.clone()];
        for cell in cells {
            let (Some(read), Some(write)) = cell else {
                return None;
            };
            row.push(format!("{read} / {write}"));
        }
        Some(row)
    };
    let rows: Vec<Vec<String>> = results.titles.iter().filter_map(row).collect();
    page::table(&heads("", samples), &rows)
}

fn instructions(samples: &[Sample], counts: &Counts) -> String {
    let rows: Vec<Vec<String>> = Native::ALL
        .iter()
        .map(|contender| {
            let mut row = vec![contender.title().to_owned()];
            row.extend(samples.iter().map(|sample| {
                let text = |way| {
                    let count = counts.of(*contender, way, sample.name);
                    count.map_or("–".to_owned(), whole)
                };
                format!("{} / {}", text(Way::Read), text(Way::Write))
            }));
            row
        })
        .collect();
    page::table(&heads("", samples), &rows)
}
