//! What it costs to find the rule of a path.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use http::Method;
use portolan_gateway::GatewayLayer;

use crate::case::Case;

/// The best of so many rounds, since other work on a machine only adds.
const ROUNDS: usize = 30;

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
        let best = (0..ROUNDS)
            .map(|_| {
                let begin = Instant::now();
                for (method, path) in routes {
                    black_box(layer.resolve(black_box(method), black_box(path)));
                }
                begin.elapsed()
            })
            .min()
            .unwrap_or_default();
        let each = best.as_nanos() / u128::try_from(routes.len().max(1))?;
        println!(
            "{each} ns to find one of {} rules, paths {what}",
            routes.len()
        );
    }
    let slowest = plain.iter().map(|(method, path)| {
        let best = (0..ROUNDS).map(|_| {
            let begin = Instant::now();
            black_box(layer.resolve(black_box(method), black_box(path)));
            begin.elapsed()
        });
        (best.min().unwrap_or_default(), path)
    });
    if let Some((time, path)) = slowest.max() {
        println!("{} ns for the slowest: {path}", time.as_nanos());
    }
    Ok(())
}
