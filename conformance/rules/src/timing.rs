//! What it costs to find the rule of a path.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use http::Method;
use portolan_gateway::GatewayLayer;

use crate::case::Case;

/// The best of so many rounds over all rules.
const ROUNDS: usize = 100;
/// A round is timed in pieces that other work on the machine rarely falls into.
/// A piece comes round again when all the others have been through the caches.
const PIECE: usize = 64;

/// Finds every rule over and over and prints what one takes.
pub(crate) fn run(layer: &GatewayLayer, cases: &[Case]) -> Result<()> {
    let routes: Vec<(Method, &str)> = cases
        .iter()
        .map(|case| Ok((case.method.parse()?, &*case.path)))
        .collect::<Result<_>>()?;
    let plain: Vec<(Method, String)> = routes
        .iter()
        .map(|(method, path)| {
            // The same paths with nothing escaped.
            let path = path.replace('%', "");
            (method.clone(), path)
        })
        .collect();
    let plain: Vec<(Method, &str)> = plain
        .iter()
        .map(|(method, path)| (method.clone(), &**path))
        .collect();
    for (what, routes) in [
        ("without escapes", &plain),
        ("with escapes everywhere", &routes),
    ] {
        let mut best = vec![Duration::MAX; routes.len().div_ceil(PIECE)];
        for _ in 0..ROUNDS {
            for (piece, best) in routes.chunks(PIECE).zip(&mut best) {
                let begin = Instant::now();
                for (method, path) in piece {
                    black_box(layer.resolve(black_box(method), black_box(path)));
                }
                *best = begin.elapsed().min(*best);
            }
        }
        let count = u32::try_from(routes.len())?.max(1);
        let mean = best.iter().sum::<Duration>() / count;
        let worst = best.iter().max().copied().unwrap_or_default() / u32::try_from(PIECE)?;
        println!(
            "{} ns to find one of {count} rules, {} ns among the {PIECE} slowest neighbours; paths \
             {what}",
            mean.as_nanos(),
            worst.as_nanos(),
        );
    }
    Ok(())
}
