//! Random contracts of every syntax, and random messages of them, through
//! prost-reflect and through us: the same messages are taken, for the same
//! bytes and the same JSON. What differs is explained in [`explained`], case by
//! case, by the specification.
//!
//! A failure names a seed; `PORTOLAN_SCHEMA=SEED` runs that contract alone.
//! `PORTOLAN_SCHEMAS=N` runs so many instead of the usual ones.

#![allow(clippy::unwrap_used, reason = "what tests share is test code too")]

mod compare;
mod explained;
mod world;

use portolan_random::{Random, Syntax, mutate, rewrite};

use world::World;

/// How many contracts of each syntax an ordinary run tries.
const CONTRACTS: u64 = 150;

/// Runs the contracts of one syntax.
fn run(syntax: Syntax) {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    if let Some(seed) = number("PORTOLAN_SCHEMA") {
        return contract(seed, syntax);
    }
    for seed in 0..number("PORTOLAN_SCHEMAS").unwrap_or(CONTRACTS) {
        contract(seed, syntax);
    }
}

/// One contract, and a few messages of each of its types.
fn contract(seed: u64, syntax: Syntax) {
    let mut random = Random(seed ^ (syntax as u64) << 32);
    let world = World::new(&mut random, seed, syntax);
    for name in world.names() {
        for _ in 0..3 {
            let wire = world.messages.wire(&mut random, name);
            compare::written(&world, name, &wire);
            let other = rewrite(&mut random, &world.reflected(name), &wire);
            compare::rewritten(&world, name, &wire, &other);
            let json = compare::read_back(&world, name, &wire);
            for _ in 0..6 {
                compare::read(&world, name, &mutate(&mut random, &json));
            }
        }
    }
}

#[test]
fn contracts_of_proto2() {
    run(Syntax::Proto2);
}

#[test]
fn contracts_of_proto3() {
    run(Syntax::Proto3);
}

#[test]
fn contracts_of_edition_2023() {
    run(Syntax::Edition2023);
}

#[test]
fn contracts_of_edition_2024() {
    run(Syntax::Edition2024);
}
