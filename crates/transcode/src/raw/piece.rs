//! Short bytes that are copied often.

/// Up to N bytes, stored whole and counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<const N: usize> {
    bytes: [u8; N],
    /// At most N: [`Output::put_piece`](super::Output::put_piece) relies on it.
    length: u8,
}

impl<const N: usize> Piece<N> {
    /// These bytes; `None` when there are too many.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            bytes,
            length: u8::try_from(text.len()).ok()?,
        })
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.length)
    }

    /// All N, zeros behind the last that counts.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8; N] {
        &self.bytes
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }
}

impl<const N: usize> Default for Piece<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_no_more_than_its_room() {
        assert_eq!(Piece::<4>::new(b"abcd").unwrap().as_slice(), b"abcd");
        assert_eq!(Piece::<4>::new(b"").unwrap().len(), 0);
        assert!(Piece::<4>::new(b"abcde").is_none());
        assert!(Piece::<300>::new(&[0; 256]).is_none());
    }
}
