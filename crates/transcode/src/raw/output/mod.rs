//! The buffer that a message grows in: short pieces are stored whole, sixteen
//! or thirty-two bytes at once, and only as many count as belong to them.

mod text;

use super::Piece;

/// Bytes that are appended to.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
}

/// Where a length-prefixed value begins, and how many bytes are kept for its
/// length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    start: usize,
    kept: u8,
}

impl Output {
    /// Goes on with these bytes.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// The bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What is there so far.
    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[inline(always)]
    pub(crate) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Room for so many bytes more.
    #[inline(always)]
    fn make_room(&mut self, count: usize) {
        if self.bytes.capacity() - self.bytes.len() < count {
            self.grow(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, count: usize) {
        // More than a piece at a time; the vector doubles from here on.
        self.bytes.reserve(count.max(64));
    }

    /// Overwrites one byte that is there.
    #[inline(always)]
    pub(crate) fn set(&mut self, at: usize, byte: u8) {
        self.bytes[at] = byte;
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, byte: u8) {
        self.put(&[byte], 1);
    }

    /// Appends the first `count` bytes of `piece`, all of them when there are
    /// fewer.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, piece: &[u8; N], count: usize) {
        self.make_room(N);
        let length = self.bytes.len();
        // SAFETY: there is room for all N bytes behind the first `length`, and
        // at most these N are counted, which are initialised now.
        unsafe {
            self.bytes
                .as_mut_ptr()
                .add(length)
                .cast::<[u8; N]>()
                .write_unaligned(*piece);
            self.bytes.set_len(length + count.min(N));
        }
    }

    /// Appends a piece.
    #[inline(always)]
    pub(crate) fn put_piece<const N: usize>(&mut self, piece: &Piece<N>) {
        self.make_room(N);
        let length = self.bytes.len();
        // SAFETY: there is room for all N bytes behind the first `length`, and
        // a piece counts at most N, which are initialised now.
        unsafe {
            self.bytes
                .as_mut_ptr()
                .add(length)
                .cast::<[u8; N]>()
                .write_unaligned(*piece.bytes());
            self.bytes.set_len(length + piece.len());
        }
    }

    /// Appends bytes of any number.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets `append` grow the bytes as a vector.
    #[inline]
    pub(crate) fn with_vec<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        append(&mut self.bytes)
    }

    /// Appends a varint (protobuf.dev, "Encoding").
    #[inline(always)]
    pub(crate) fn varint(&mut self, value: u64) {
        if value < 0x80 {
            self.push(value as u8);
        } else {
            self.long_varint(value);
        }
    }

    /// Appends a tag of one byte and a varint.
    #[inline(always)]
    pub(crate) fn tagged_varint(&mut self, tag: u8, value: u64) {
        if value >> 56 != 0 {
            self.push(tag);
            return self.longest_varint(value);
        }
        let (bytes, count) = spread(value);
        let mut piece = [tag; 16];
        piece[1..9].copy_from_slice(&bytes);
        self.put(&piece, 1 + count);
    }

    #[inline]
    fn long_varint(&mut self, value: u64) {
        if value >> 56 == 0 {
            let (bytes, count) = spread(value);
            self.put(&bytes, count);
        } else {
            self.longest_varint(value);
        }
    }

    #[cold]
    #[inline(never)]
    fn longest_varint(&mut self, value: u64) {
        let (bytes, count) = varint(value);
        self.put(&bytes, count);
    }

    /// Starts a length-prefixed value whose length is not known yet; `kept`
    /// bytes, one to eight, are kept for the length.
    #[inline(always)]
    pub(crate) fn open(&mut self, kept: u8) -> Opening {
        let kept = kept.clamp(1, 8);
        self.put(&[0_u8; 8], usize::from(kept));
        Opening {
            start: self.bytes.len(),
            kept,
        }
    }

    /// How many bytes stand behind the opening.
    #[inline(always)]
    pub(crate) fn length_since(&self, opening: Opening) -> usize {
        self.bytes.len() - opening.start
    }

    /// Ends what [`open`](Self::open) started: writes the length in front, and
    /// moves the value when the length needs another number of bytes than were
    /// kept. Gives that number, the one to keep the next time.
    #[inline(always)]
    pub(crate) fn close(&mut self, opening: Opening) -> u8 {
        let length = self.length_since(opening);
        if length < 0x80 && opening.kept == 1 {
            self.bytes[opening.start - 1] = length as u8;
            return 1;
        }
        self.close_long(opening, length)
    }

    #[inline(never)]
    fn close_long(&mut self, opening: Opening, length: usize) -> u8 {
        let (prefix, count) = varint(length as u64);
        let kept = usize::from(opening.kept);
        let place = opening.start - kept;
        if count != kept {
            let end = self.bytes.len();
            if count > kept {
                self.bytes.resize(end + count - kept, 0);
            }
            self.bytes.copy_within(opening.start..end, place + count);
            self.bytes.truncate(place + count + length);
        }
        self.bytes[place..place + count].copy_from_slice(&prefix[..count]);
        count as u8
    }
}

/// A varint, and how many bytes it has.
fn varint(mut value: u64) -> ([u8; 16], usize) {
    let mut bytes = [0; 16];
    let mut count = 0;
    while value >= 0x80 {
        bytes[count] = value as u8 | 0x80;
        value >>= 7;
        count += 1;
    }
    bytes[count] = value as u8;
    (bytes, count + 1)
}

/// A varint of at most 56 bits, seven to a byte, and how many bytes it has.
#[inline(always)]
fn spread(value: u64) -> ([u8; 8], usize) {
    let halves = value & 0x0fff_ffff | (value & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let sevens = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    // (bits + 6) / 7 for up to 64 bits, without a division.
    let count = ((63 - (value | 1).leading_zeros()) * 9 + 73) / 64;
    // Every byte but the last says that more follow.
    let more = 0x8080_8080_8080_8080 & ((1_u64 << (8 * (count - 1))) - 1);
    ((sevens | more).to_le_bytes(), count as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_moves_for_its_length_in_both_directions() {
        for kept in 1..=8 {
            for length in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
                let mut output = Output::new(vec![0xaa]);
                let opening = output.open(kept);
                output.extend(&vec![7; length]);
                let needed = output.close(opening);
                let mut wanted = vec![0xaa];
                let (prefix, count) = varint(length as u64);
                wanted.extend_from_slice(&prefix[..count]);
                wanted.extend_from_slice(&vec![7; length]);
                assert_eq!(output.into_bytes(), wanted, "{kept} {length}");
                assert_eq!(usize::from(needed), count);
            }
        }
    }

    #[test]
    fn short_pieces_leave_nothing_behind_them() {
        let mut output = Output::default();
        output.put(b"0123456789abcdef", 3);
        output.put(b"0123456789abcdef", 99);
        output.push(b'!');
        assert_eq!(output.into_bytes(), b"0120123456789abcdef!");
    }

    #[test]
    fn varints_of_every_length_are_the_same_either_way() {
        for bits in 1..=56 {
            for value in [
                1 << (bits - 1),
                (1 << bits) - 1,
                0x55_5555_5555_5555 >> (56 - bits),
            ] {
                let ((short, count), (long, long_count)) = (spread(value), varint(value));
                assert_eq!((&short[..count], count), (&long[..count], long_count));
            }
        }
    }

    #[test]
    fn varints_are_those_of_the_encoding() {
        let mut output = Output::default();
        for value in [0, 1, 127, 128, 300, u64::MAX] {
            output.varint(value);
        }
        let mut wanted = vec![0, 1, 127, 0x80, 1, 0xac, 2];
        wanted.extend_from_slice(&[0xff; 9]);
        wanted.push(1);
        assert_eq!(output.into_bytes(), wanted);
    }

    #[test]
    fn a_tag_stands_in_front_of_its_varint() {
        for value in [0, 127, 128, 1 << 40, (1 << 56) - 1, 1 << 56, u64::MAX] {
            let (mut together, mut apart) = (Output::default(), Output::default());
            together.tagged_varint(8, value);
            apart.push(8);
            apart.varint(value);
            assert_eq!(together.into_bytes(), apart.into_bytes());
        }
    }
}
