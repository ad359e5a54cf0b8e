//! Short bytes that are ready to copy: tags, and the keys of JSON objects.

use crate::raw::{Input, Output, Piece, follows};

/// An encoded tag, or what else stands in front of a value or behind it. The
/// longest is the start of a message set's item, which has eight bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tag(Piece<8>);

impl Tag {
    pub(crate) fn new(tag: &[u8]) -> Self {
        Self(Piece::new(tag).expect("a tag has at most eight bytes"))
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    pub(crate) fn put(&self, out: &mut Output) {
        out.put_piece(&self.0);
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// A key as it stands behind another member: `,"name":`.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its first bytes, all of them when it is short.
    start: Piece<32>,
    /// A bit for each of the first bytes but the comma.
    wanted: u32,
    /// All of it when it is long.
    long: Option<Box<[u8]>>,
}

impl Key {
    /// The key with this name, which is escaped as JSON wants it.
    pub(crate) fn new(name: &str) -> Self {
        let mut text = Vec::with_capacity(name.len() + 4);
        text.push(b',');
        crate::write::append_string(&mut text, name);
        text.push(b':');
        let count = text.len().min(32);
        Self {
            start: Piece::new(&text[..count]).unwrap_or_default(),
            wanted: (u32::MAX >> (32 - count)) & !1,
            long: (text.len() > count).then(|| text.into()),
        }
    }

    /// The same, to be written only: in a text it stands for another field.
    pub(crate) fn unmatched(name: &str) -> Self {
        let key = Self::new(name);
        let text = match &key.long {
            Some(long) => long.clone(),
            None => key.start.as_slice().into(),
        };
        Self {
            // No JSON text has this byte.
            start: Piece::new(&[0xff; 32]).unwrap_or_default(),
            wanted: u32::MAX,
            long: Some(text),
        }
    }

    /// Appends it with its comma.
    #[inline(always)]
    pub(crate) fn put(&self, out: &mut Output) {
        match &self.long {
            None => out.put_piece(&self.start),
            Some(long) => out.extend(long),
        }
    }

    /// The quoted name with its colon, without a comma in front.
    pub(crate) fn without_comma(&self) -> &[u8] {
        match &self.long {
            None => &self.start.as_slice()[1..],
            Some(long) => &long[1..],
        }
    }

    /// If it stands behind the byte at `at`, which is the comma or the bracket
    /// in front of it, without white space: where it ends.
    #[inline(always)]
    pub(crate) fn follows(&self, json: &Input<'_>, at: usize) -> Option<usize> {
        if !follows(json, at, self.start.bytes(), self.wanted) {
            return None;
        }
        match &self.long {
            None => Some(at + self.start.len()),
            Some(long) => json.bytes()[at + 1..]
                .starts_with(&long[1..])
                .then_some(at + long.len()),
        }
    }
}
