//! Vectors of many kinds for the tests here, among them what a bound could
//! stumble over: sizes from the smallest float to the largest, rows all alike,
//! rows far from the origin, rows that get better and better.

use proptest::prelude::*;

/// What the vectors of a set have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Uniform,
    /// Around one of five centres.
    Clustered,
    /// One of three.
    Duplicate,
    /// A few last bits apart.
    Tight,
    /// All components below zero.
    Negative,
    /// Few components are not zero, and sometimes none.
    Sparse,
    /// A few components are far larger than the others.
    Lopsided,
    /// Lengths from 10⁻³ to 10³.
    Lengths,
    /// Each longer than the one before.
    Rising,
    /// Among the smallest floats, below the normal ones.
    Denormal,
    /// Squares vanish.
    Tiny,
    /// Squares overflow.
    Huge,
    /// The largest floats of both signs.
    Largest,
    /// Any finite floats.
    Any,
}

impl Kind {
    pub(super) const ALL: [Self; 14] = [
        Self::Uniform,
        Self::Clustered,
        Self::Duplicate,
        Self::Tight,
        Self::Negative,
        Self::Sparse,
        Self::Lopsided,
        Self::Lengths,
        Self::Rising,
        Self::Denormal,
        Self::Tiny,
        Self::Huge,
        Self::Largest,
        Self::Any,
    ];

    pub(super) fn any() -> impl Strategy<Value = Self> {
        prop::sample::select(Self::ALL.to_vec())
    }
}

/// A set of vectors without end, the same for the same seed.
pub(super) struct Samples {
    kind: Kind,
    dimension: usize,
    seed: u64,
    made: u32,
}

impl Samples {
    pub(super) fn new(kind: Kind, dimension: usize, seed: u64) -> Self {
        Self {
            kind,
            dimension,
            seed,
            made: 0,
        }
    }

    pub(super) fn next(&mut self) -> Vec<f32> {
        self.made += 1;
        let mut own = Numbers::new(self.seed ^ (u64::from(self.made) << 32));
        let choice = own.next();
        // Common to several vectors of the set.
        let mut common = Numbers::new(match self.kind {
            Kind::Clustered => self.seed ^ (choice % 5),
            Kind::Duplicate => self.seed ^ (choice % 3),
            _ => self.seed,
        });
        let length = 10_f32.powf(own.component() * 3.0);
        let rising = self.made as f32;
        (0..self.dimension)
            .map(|place| match self.kind {
                Kind::Uniform => own.component(),
                Kind::Clustered => common.component() + own.component() * 0.2,
                Kind::Duplicate => common.component(),
                Kind::Tight => common.component() + own.component() * 1e-6,
                Kind::Negative => -own.component().abs(),
                Kind::Sparse if own.next().is_multiple_of(64) => own.component(),
                Kind::Sparse => 0.0,
                Kind::Lopsided if place % 50 == 3 => own.component() * 40.0,
                Kind::Lopsided => own.component(),
                Kind::Lengths => own.component() * length,
                Kind::Rising => (own.component() + 2.0) * rising,
                Kind::Denormal => f32::from_bits(own.next() as u32 & 0x8000_03ff),
                Kind::Tiny => own.component() * 1e-30,
                Kind::Huge => own.component() * 1e30,
                Kind::Largest if own.next().is_multiple_of(2) => f32::MIN,
                Kind::Largest => f32::MAX,
                Kind::Any => match f32::from_bits(own.next() as u32) {
                    number if number.is_finite() => number,
                    _ => 0.0,
                },
            })
            .collect()
    }
}

/// SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From -1 to 1.
    fn component(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}
