//! Which instructions a transcoder may use.

/// The instructions that look for the end of a run of plain text, at most: what a
/// processor does not have is not used. All of them give the same answers; tests
/// force each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Eight bytes at a time in ordinary registers, on any processor.
    Plain,
    /// What every processor of the architecture has: SSE2 on x86-64. Elsewhere
    /// as [`Level::Plain`].
    Baseline,
    /// What this processor has beyond that: AVX2 on x86-64, found at run time.
    /// Elsewhere as [`Level::Baseline`].
    Widest,
}

impl Level {
    /// The best that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self::Widest;
        } else {
            return Self::Baseline;
        }
        #[allow(unreachable_code)]
        Self::Plain
    }

    /// The same, or less where this processor has less.
    #[must_use]
    pub fn at_most(self, limit: Self) -> Self {
        self.min(limit)
    }
}
