//! What the gateway is to reach, and whether it does.

use benchmark_report::{Verdict, figures::short, page};

use crate::gateway::Contender;
use crate::results::Results;

/// Requests of one kind: how many times our processor time Envoy's has to be,
/// in front of a server and in process.
const PROCESSOR: [(&str, f64, f64); 4] = [
    ("SayHello", 3.0, 4.0),
    ("CreateUser", 5.0, 6.0),
    ("StoreMemory", 9.0, 11.0),
    ("ListUsers", 13.0, 18.0),
];

/// The most that an open and silent stream may take.
const STREAM: f64 = 20e3;

/// The goals as a table in Markdown.
pub(crate) fn table(results: &Results) -> String {
    let mut rows = Vec::new();
    for (contender, of) in [
        (Contender::Portolan, in_front as Of),
        (Contender::InProcess, in_process as Of),
    ] {
        for line in &PROCESSOR {
            let seen = results.processor_ratio(line.0, contender);
            let what = format!("processor time of `{}`, {}", line.0, contender.title());
            rows.push(at_least(what, seen, of(line)));
        }
    }
    rows.push(at_least(
        "processor time of `SayHello` by gRPC, passed through".into(),
        results.grpc_ratio(Contender::Portolan),
        1.0,
    ));
    let latencies = PROCESSOR
        .iter()
        .filter_map(|line| results.p99_ratio(line.0));
    rows.push(at_least(
        "99th percentile at saturation, the closest route".into(),
        latencies.reduce(f64::min),
        2.0,
    ));
    rows.push(at_least(
        "resident memory after the load".into(),
        results.memory_ratio(),
        3.0,
    ));
    let streams = results.dearest_stream();
    rows.push(vec![
        "memory of a silent stream, the dearer kind".into(),
        streams.map_or("–".into(), |bytes| format!("{} kB", short(bytes / 1e3))),
        format!("< {} kB", short(STREAM / 1e3)),
        streams
            .map_or(Verdict::NotMeasured, |bytes| Verdict::of(bytes < STREAM))
            .to_string(),
    ]);
    page::table(
        &["Envoy's, divided by ours", "seen", "goal", "verdict"],
        &rows,
    )
}

type Of = fn(&(&str, f64, f64)) -> f64;

fn in_front(line: &(&str, f64, f64)) -> f64 {
    line.1
}

fn in_process(line: &(&str, f64, f64)) -> f64 {
    line.2
}

fn at_least(what: String, seen: Option<f64>, goal: f64) -> Vec<String> {
    vec![
        what,
        seen.map_or("–".into(), |seen| format!("{}×", short(seen))),
        format!("≥ {}×", goal),
        seen.map_or(Verdict::NotMeasured, |seen| Verdict::of(seen >= goal))
            .to_string(),
    ]
}
