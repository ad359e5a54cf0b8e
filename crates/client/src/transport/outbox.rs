//! What is to be written: small things one behind the other, large ones where
//! they lie, and all of it in as few system calls as can be.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

/// What is copied rather than written from where it lies.
const SMALL: usize = 4 * 1024;
/// The most pieces in one system call.
const SLICES: usize = 32;
/// The most room that is kept for the next time.
const KEPT: usize = 64 * 1024;

/// Bytes in their order.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// Large pieces, and in front of which of the bytes.
    large: Vec<(usize, Bytes)>,
    size: usize,
}

impl Outbox {
    /// Appends what `write` appends.
    pub(super) fn append<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.bytes.len();
        let value = write(&mut self.bytes);
        self.size += self.bytes.len() - before;
        value
    }

    /// Appends a piece.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.size += piece.len();
        if piece.len() <= SMALL {
            self.bytes.extend_from_slice(&piece);
        } else {
            self.large.push((self.bytes.len(), piece));
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }
}

/// An outbox that is being written.
#[derive(Default)]
pub(super) struct Writing {
    outbox: Outbox,
    /// How much is gone: of the bytes, of the large pieces, and of the first of
    /// these that is not.
    bytes: usize,
    large: usize,
    part: usize,
}

impl Writing {
    pub(super) fn is_over(&self) -> bool {
        self.outbox.size == 0
    }

    /// How much is not written yet.
    pub(super) fn left(&self) -> usize {
        self.outbox.size
    }

    /// Takes what an outbox has; only when all before is written. The outbox
    /// gets the room that is free now.
    pub(super) fn take(&mut self, outbox: &mut Outbox) {
        debug_assert!(self.is_over());
        self.outbox.bytes.clear();
        self.outbox.bytes.shrink_to(KEPT);
        self.outbox.large.clear();
        (self.bytes, self.large, self.part) = (0, 0, 0);
        std::mem::swap(&mut self.outbox, outbox);
    }

    /// Writes until all is written.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut W,
    ) -> Poll<io::Result<()>> {
        while self.outbox.size > 0 {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.fill(&mut slices);
            let written = if count == 1 {
                Pin::new(&mut *stream).poll_write(context, &slices[0])
            } else {
                Pin::new(&mut *stream).poll_write_vectored(context, &slices[..count])
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let Outbox { bytes, large, .. } = &self.outbox;
        let (mut count, mut from, mut part) = (0, self.bytes, self.part);
        for (at, piece) in &large[self.large..] {
            if count + 2 > SLICES {
                return count;
            }
            if from < *at {
                slices[count] = IoSlice::new(&bytes[from..*at]);
                count += 1;
                from = *at;
            }
            slices[count] = IoSlice::new(&piece[part..]);
            count += 1;
            part = 0;
        }
        if from < bytes.len() && count < SLICES {
            slices[count] = IoSlice::new(&bytes[from..]);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut written: usize) {
        self.outbox.size -= written;
        while written > 0 {
            let large = self.outbox.large.get(self.large);
            let until = large.map_or(self.outbox.bytes.len(), |(at, _)| *at);
            if self.bytes < until {
                let taken = written.min(until - self.bytes);
                self.bytes += taken;
                written -= taken;
                continue;
            }
            let Some((_, piece)) = large else { return };
            let taken = written.min(piece.len() - self.part);
            self.part += taken;
            written -= taken;
            if self.part == piece.len() {
                self.large += 1;
                self.part = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time.
    struct Trickle(Vec<u8>, usize);

    impl AsyncWrite for Trickle {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let mut left = self.1;
            for piece in pieces {
                let taken = piece.len().min(left);
                self.0.extend_from_slice(&piece[..taken]);
                left -= taken;
            }
            Poll::Ready(Ok(self.1 - left))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn everything_goes_out_in_order_however_it_is_taken() {
        let large = |byte: u8| Bytes::from(vec![byte; SMALL + 1]);
        for step in [13, 5000, 1 << 20] {
            let mut writing = Writing::default();
            let mut sink = Trickle(Vec::new(), step);
            let mut context = Context::from_waker(std::task::Waker::noop());
            for _ in 0..2 {
                let mut outbox = Outbox::default();
                let mut all = Vec::new();
                for at in 0..50 {
                    for piece in [Bytes::from_static(b"small"), large(at), large(at + 100)] {
                        all.extend_from_slice(&piece);
                        outbox.push(piece);
                    }
                }
                outbox.append(|bytes| bytes.push(7));
                all.push(7);
                assert_eq!(outbox.size(), all.len());
                writing.take(&mut outbox);
                assert_eq!(outbox.size(), 0);
                assert!(writing.poll_write(&mut context, &mut sink).is_ready());
                assert!(writing.is_over());
                assert!(std::mem::take(&mut sink.0) == all);
            }
        }
    }
}
