//! The bytes that are read, sixteen at a time.

use super::plain::STEP;

/// Bytes of which sixteen can be had from any place: behind the end are zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    /// How many places there are with sixteen bytes from there on.
    whole: usize,
}

impl<'a> Input<'a> {
    #[inline(always)]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            whole: (bytes.len() + 1).saturating_sub(STEP),
        }
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The 16 bytes at `at`, or what is left of them and then zeros. A zero is
    /// not plain, so it ends a run.
    #[inline(always)]
    pub(super) fn chunk(&self, at: usize) -> [u8; STEP] {
        if at < self.whole {
            // SAFETY: `whole` counts the places with 16 bytes from there on.
            unsafe {
                self.bytes
                    .as_ptr()
                    .add(at)
                    .cast::<[u8; STEP]>()
                    .read_unaligned()
            }
        } else {
            self.last_chunk(at)
        }
    }

    /// The 32 bytes at `at`, when there are as many.
    #[inline(always)]
    pub(super) fn two_chunks(&self, at: usize) -> Option<&'a [u8; 2 * STEP]> {
        if at < self.whole.saturating_sub(STEP) {
            // SAFETY: `whole` counts the places with 16 bytes from there on, so
            // behind the 16 at `at` are 16 more.
            Some(unsafe { &*self.bytes.as_ptr().add(at).cast::<[u8; 2 * STEP]>() })
        } else {
            None
        }
    }

    /// The 16 bytes at `at`, when there are as many.
    #[inline(always)]
    pub(super) fn whole_chunk(&self, at: usize) -> Option<&'a [u8; STEP]> {
        if at < self.whole {
            // SAFETY: `whole` counts the places with 16 bytes from there on.
            Some(unsafe { &*self.bytes.as_ptr().add(at).cast::<[u8; STEP]>() })
        } else {
            None
        }
    }

    #[inline(never)]
    fn last_chunk(&self, at: usize) -> [u8; STEP] {
        let rest = self.bytes.get(at..).unwrap_or_default();
        if let Some(last) = self.bytes.last_chunk::<STEP>()
            && !rest.is_empty()
        {
            // What is left is the end of these.
            return (u128::from_le_bytes(*last) >> (8 * (STEP - rest.len()))).to_le_bytes();
        }
        let mut chunk = [0; STEP];
        chunk[..rest.len()].copy_from_slice(rest);
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_too_far() {
        let bytes = [b'x'; 100];
        let input = Input::new(&bytes[50..]);
        for back in 0..40 {
            let at = usize::MAX - back;
            assert_eq!(input.chunk(at), [0; STEP]);
            assert!(input.whole_chunk(at).is_none() && input.two_chunks(at).is_none());
        }
        assert!(input.two_chunks(18).is_some() && input.two_chunks(19).is_none());
    }

    #[test]
    fn behind_the_end_are_zeros() {
        for length in 0..40 {
            let bytes: Vec<u8> = (1..=length).collect();
            let input = Input::new(&bytes);
            for at in 0..60 {
                let mut wanted = [0; STEP];
                for (place, byte) in wanted.iter_mut().zip(bytes.iter().skip(at)) {
                    *place = *byte;
                }
                assert_eq!(input.chunk(at), wanted, "{length} {at}");
            }
        }
    }
}
