//! The lengths of messages, read off frames that go by.

use portolan_rpc::frame::PREFIX;

/// Reads frames however they are cut.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    prefix: [u8; PREFIX],
    /// How much of the prefix is there.
    known: usize,
    /// The length of the message that passes, and how much of it is to come.
    message: usize,
    left: usize,
}

impl Sizes {
    /// Tells the length of each message that ends in this piece.
    pub(super) fn pass(&mut self, mut piece: &[u8], mut ended: impl FnMut(usize)) {
        while !piece.is_empty() {
            if self.known < PREFIX {
                let taken = (PREFIX - self.known).min(piece.len());
                self.prefix[self.known..self.known + taken].copy_from_slice(&piece[..taken]);
                self.known += taken;
                piece = &piece[taken..];
                if self.known < PREFIX {
                    return;
                }
                let [_, length @ ..] = self.prefix;
                self.message = u32::from_be_bytes(length) as usize;
                self.left = self.message;
            }
            let taken = self.left.min(piece.len());
            self.left -= taken;
            piece = &piece[taken..];
            if self.left == 0 {
                self.known = 0;
                ended(self.message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portolan_rpc::frame::wrap;

    use super::*;

    #[test]
    fn lengths_are_told_however_frames_are_cut() {
        let lengths = [0, 5, 0, 300, 1];
        let frames = lengths.map(|length| wrap(0, &vec![7; length]));
        let stream = frames.concat();
        for cut in [1, 2, 4, 5, 6, 7, 100, stream.len()] {
            let (mut sizes, mut told) = (Sizes::default(), Vec::new());
            for piece in stream.chunks(cut) {
                sizes.pass(piece, |length| told.push(length));
            }
            assert_eq!(told, lengths, "{cut}");
            assert_eq!((sizes.known, sizes.left), (0, 0));
        }
    }
}
