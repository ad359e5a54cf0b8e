//! Where chance comes from, and the values that are worth trying.

/// A small generator (SplitMix64): its whole state is one seed.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 to `bound - 1`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    /// Once in so many times.
    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// Puts these in any order.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }

    /// Integers near the edges as often as any.
    pub(crate) fn integer(&mut self) -> i64 {
        const EDGES: [i64; 12] = [
            0,
            1,
            -1,
            127,
            128,
            i64::MIN,
            i64::MAX,
            i32::MIN as i64,
            i32::MAX as i64,
            u32::MAX as i64,
            1 << 53,
            (1 << 53) + 1,
        ];
        match self.below(4) {
            0 => self.pick(&EDGES),
            1 => self.bits() as i64 % 1000,
            2 => self.bits() as i32 as i64,
            _ => self.bits() as i64,
        }
    }

    /// Floating-point numbers of every magnitude, and those that are none.
    pub(crate) fn double(&mut self) -> f64 {
        const EDGES: [f64; 14] = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.1,
            1e16,
            1e21,
            1e-7,
            5e-324,
            f64::MAX,
            f64::MIN_POSITIVE,
            9_007_199_254_740_993.0,
            f64::INFINITY,
            f64::NAN,
        ];
        match self.below(4) {
            0 => self.pick(&EDGES),
            1 => (self.integer() as f64) / 1000.0,
            2 => f64::from(self.bits() as i32),
            _ => f64::from_bits(self.bits()),
        }
    }

    /// The same in single precision, with every bit pattern.
    pub(crate) fn float(&mut self) -> f32 {
        if self.chance(2) {
            self.double() as f32
        } else {
            f32::from_bits(self.bits() as u32)
        }
    }

    /// Text with everything in it that JSON escapes, and long ones.
    pub(crate) fn string(&mut self) -> String {
        const CHARACTERS: &[char] = &[
            'a', 'Z', '0', ' ', '"', '\\', '/', '\n', '\t', '\0', '\u{1f}', '\u{7f}', 'é', '€',
            '\u{2028}', '😀', '\u{ffff}', '<', '&', '\'',
        ];
        let length = if self.chance(12) {
            self.below(200)
        } else {
            self.below(10)
        };
        (0..length)
            .map(|_| {
                if self.chance(2) {
                    'x'
                } else {
                    self.pick(CHARACTERS)
                }
            })
            .collect()
    }

    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(20);
        (0..length).map(|_| self.bits() as u8).collect()
    }
}
