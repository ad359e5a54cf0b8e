//! How long it takes to take a JSON Web Token that was seen before.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use benchmark_report::figures::median;
use portolan_server::auth::{Claims, JwtSecret, Scheme as _};

use crate::contender::Programs;

const TURNS: usize = 5;
const CALLS: u32 = 200_000;

/// Seconds for a token, the middle one of a few turns.
pub(crate) fn seconds_per_call(programs: &Programs) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let scheme = JwtSecret::open(programs.secret(), Claims::default())?;
        let taken = scheme.verify(&programs.token).await;
        ensure!(taken.is_ok(), "the token is not taken");
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            let start = Instant::now();
            for _ in 0..CALLS {
                let _ = black_box(scheme.verify(black_box(&programs.token)).await);
            }
            turns.push(start.elapsed().as_secs_f64() / f64::from(CALLS));
        }
        Ok(median(&turns))
    })
}
