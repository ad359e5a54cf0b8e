//! The tables of the page.

use benchmark_report::{figures::short, page};

use crate::contract::Route;
use crate::gateway::Contender;
use crate::goals;
use crate::results::{Results, Turns, ratio};

/// Everything that a run has to say.
pub(crate) fn markdown(facts: &[(&str, String)], routes: &[Route], results: &Results) -> String {
    let mut parts = vec![page::facts(facts), goals::table(results)];
    if !results.json.is_empty() {
        parts.push(
            "**JSON over HTTP/1.1, as much as goes**: seconds of the gateway's processor time per \
             100,000 calls, Envoy's divided by it; calls per second; milliseconds to the median \
             and to the 99th percentile\n"
                .into(),
        );
        let lines = results.json.iter().map(|(method, turns)| {
            let title = routes
                .iter()
                .find(|route| route.method == *method)
                .map_or_else(String::new, title);
            (title, turns.as_slice())
        });
        parts.push(table(lines));
    }
    if !results.paced.is_empty() {
        parts.push("**JSON over HTTP/1.1 at one rate for all**, the same figures\n".into());
        let lines = results.paced.iter().map(|(method, rate, turns)| {
            (format!("`{method}`, {}/s", short(*rate)), turns.as_slice())
        });
        parts.push(table(lines));
    }
    if !results.grpc.is_empty() {
        parts.push("**gRPC, passed through**, the same figures\n".into());
        let lines = results
            .grpc
            .iter()
            .map(|(method, turns)| (format!("`{method}`"), turns.as_slice()));
        parts.push(table(lines));
    }
    if !results.memory.is_empty() || !results.streams.is_empty() {
        parts.push(
            "**Memory**: resident after the load, and per silent stream beyond the first 100\n"
                .into(),
        );
        parts.push(memory(results));
    }
    parts.join("\n")
}

fn title(route: &Route) -> String {
    format!(
        "`{}` ({} in, {} out)",
        route.method,
        size(route.request.json.len()),
        size(route.reply.json.len())
    )
}

fn size(bytes: usize) -> String {
    if bytes < 1_000 {
        format!("{bytes} B")
    } else {
        format!("{} kB", short(bytes as f64 / 1e3))
    }
}

/// A row per line, a column per gateway.
fn table<'a>(lines: impl Iterator<Item = (String, &'a [Turns])>) -> String {
    let lines: Vec<_> = lines.collect();
    let contenders: Vec<Contender> = Contender::ALL
        .into_iter()
        .filter(|contender| {
            let takes_part = |turns: &Turns| turns.contender == *contender;
            lines.iter().any(|(_, turns)| turns.iter().any(takes_part))
        })
        .collect();
    let mut heads = vec!["call"];
    heads.extend(contenders.iter().map(|contender| contender.title()));
    let rows: Vec<Vec<String>> = lines
        .into_iter()
        .map(|(title, turns)| {
            let cells = contenders.iter().map(|contender| cell(turns, *contender));
            std::iter::once(title).chain(cells).collect()
        })
        .collect();
    page::table(&heads, &rows)
}

fn cell(all: &[Turns], contender: Contender) -> String {
    let Some(turns) = all.iter().find(|turns| turns.contender == contender) else {
        return "–".into();
    };
    let compared = match contender {
        Contender::Envoy => String::new(),
        _ => ratio(all, contender, |turn| turn.processor)
            .map_or_else(String::new, |ratio| format!(" **{}×**", short(ratio))),
    };
    let failed = if turns.failed > 0.0 {
        format!("; {} failed", turns.failed)
    } else {
        String::new()
    };
    format!(
        "{} s{compared}; {}/s; {} / {} ms{failed}",
        short(turns.median(|turn| turn.processor)),
        short(turns.median(|turn| turn.rate)),
        short(turns.median(|turn| turn.p50)),
        short(turns.median(|turn| turn.p99)),
    )
}

fn memory(results: &Results) -> String {
    let rows: Vec<Vec<String>> = Contender::ALL
        .into_iter()
        .map(|contender| {
            let resident = results.memory.iter().find(|(who, _)| *who == contender);
            let cost = results
                .streams
                .iter()
                .find(|cost| cost.contender == contender);
            let stream = |bytes: Option<f64>| {
                bytes.map_or("–".into(), |bytes| format!("{} kB", short(bytes / 1e3)))
            };
            vec![
                contender.title().to_owned(),
                resident.map_or("–".into(), |(_, bytes)| {
                    format!("{} MB", short(bytes / 1e6))
                }),
                stream(cost.and_then(|cost| cost.grpc)),
                stream(cost.and_then(|cost| cost.json)),
            ]
        })
        .collect();
    let heads = [
        "gateway",
        "resident",
        "gRPC stream",
        "JSON stream with its connection",
    ];
    page::table(&heads, &rows)
}
