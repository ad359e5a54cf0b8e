//! Documents: texts that many write at once. The server puts all operations of
//! a document into one order; one that was made for an older revision is moved
//! to where it means the same in the newest. Who takes part, and where texts
//! are kept, is for others.

use crate::{
    error::{Error, Invalid},
    user::{Moment, bounded},
};

/// How many revisions late an operation may be, and a participant.
pub const MAX_LATE: i64 = 1000;

/// The most bytes of a text: with it a document is one message.
pub const MAX_TEXT: usize = 256 << 10;

/// The name of a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DocumentId(String);

impl DocumentId {
    /// The most characters.
    pub const MAX_LENGTH: usize = 128;

    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let check = match text.is_empty() {
            true => Err("document_id is required".to_owned()),
            false => bounded("a document ID", text, Self::MAX_LENGTH),
        };
        check.map_err(|reason| Invalid::field("document_id", reason))?;
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who says or writes something: whatever the client calls itself, which need
/// not be a user of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author(String);

impl Author {
    /// The most characters.
    pub const MAX_LENGTH: usize = 128;

    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let check = match text.is_empty() {
            true => Err("User ID is required".to_owned()),
            false => bounded("a user ID", text, Self::MAX_LENGTH),
        };
        check.map_err(|reason| Invalid::field("user_id", reason))?;
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an operation does to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Puts the text in.
    Insert,
    /// Removes the text.
    Delete,
    /// Puts the text over as many characters.
    Replace,
}

/// A change of a text, at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub doing: Doing,
    /// Where, in Unicode scalar values.
    pub position: usize,
    /// With what. Of what is asked to be removed, only the length counts.
    pub text: String,
}

/// An operation that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Who asks.
    pub author: Author,
    /// What for.
    pub operation: Operation,
    /// The revision that it was made for; `None` for the newest.
    pub made_for: Option<i64>,
}

/// An operation that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The revision that it made.
    pub revision: i64,
    /// Who asked for it.
    pub author: Author,
    /// What was done.
    pub operation: Operation,
    /// When.
    pub at: Moment,
}

/// The text of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The text.
    pub text: String,
    /// How many operations made it.
    pub revision: i64,
}

impl Operation {
    /// How many characters its text has.
    fn length(&self) -> usize {
        self.text.chars().count()
    }

    /// How many characters it removes.
    fn removes(&self) -> usize {
        match self.doing {
            Doing::Insert => 0,
            Doing::Delete | Doing::Replace => self.length(),
        }
    }

    /// How many characters it puts in.
    fn inserts(&self) -> usize {
        match self.doing {
            Doing::Delete => 0,
            Doing::Insert | Doing::Replace => self.length(),
        }
    }
}

impl Document {
    /// Applies an operation that was made before those in `since` were, as one
    /// or several that mean the same now; each makes a revision.
    ///
    /// # Errors
    /// [`Error::BeyondText`], [`Error::DocumentFull`]; then nothing is changed.
    pub(crate) fn apply(
        &mut self,
        operation: Operation,
        since: &[Operation],
    ) -> Result<Vec<Operation>, Error> {
        let removed: usize = since.iter().map(Operation::removes).sum();
        let inserted: usize = since.iter().map(Operation::inserts).sum();
        let length = (self.text.chars().count() + removed).saturating_sub(inserted);
        let end = operation.position.saturating_add(operation.removes());
        if end > length {
            return Err(Error::BeyondText {
                end: end as u64,
                length: length as u64,
                revision: self.revision - since.len() as i64,
            });
        }
        if operation.inserts() > 0 {
            let size = self.text.len() + operation.text.len();
            if size > MAX_TEXT {
                let max = MAX_TEXT;
                return Err(Error::DocumentFull { size, max });
            }
        }
        let mut place = Place::of(operation);
        for earlier in since {
            place.move_past(earlier);
        }
        let operations = place.into_operations();
        Ok(operations
            .into_iter()
            .map(|operation| self.perform(operation))
            .collect())
    }

    /// Changes the text, and says what exactly was done.
    fn perform(&mut self, mut operation: Operation) -> Operation {
        let begin = self.offset(operation.position);
        let end = self.offset(operation.position + operation.removes());
        match operation.doing {
            Doing::Insert => self.text.insert_str(begin, &operation.text),
            Doing::Delete => operation.text = self.text.drain(begin..end).collect(),
            Doing::Replace => self.text.replace_range(begin..end, &operation.text),
        }
        self.revision += 1;
        operation
    }

    /// Where in the bytes a character begins.
    fn offset(&self, position: usize) -> usize {
        let mut places = self.text.char_indices();
        places
            .nth(position)
            .map_or(self.text.len(), |(offset, _)| offset)
    }
}

/// What an operation does, and where, while it is moved past others.
struct Place {
    doing: Doing,
    text: String,
    /// What is still to be removed, as begin and end, rising.
    ranges: Vec<(usize, usize)>,
    /// Where the text goes; never behind the first range.
    position: usize,
}

impl Place {
    fn of(operation: Operation) -> Self {
        let (begin, length) = (operation.position, operation.removes());
        let range = (begin, begin + length);
        Self {
            doing: operation.doing,
            text: operation.text,
            ranges: if length > 0 { vec![range] } else { Vec::new() },
            position: begin,
        }
    }

    /// Moves it to where it means the same after this one.
    fn move_past(&mut self, earlier: &Operation) {
        let begin = earlier.position;
        match earlier.removes() {
            0 => {}
            length => self.past_removal(begin, begin + length),
        }
        match earlier.inserts() {
            0 => {}
            length => self.past_insertion(begin, length),
        }
    }

    fn past_removal(&mut self, begin: usize, end: usize) {
        // A place within what is gone is where it was.
        let moved = |place: usize| match place {
            place if place <= begin => place,
            place if place >= end => place - (end - begin),
            _ => begin,
        };
        self.position = moved(self.position);
        for range in &mut self.ranges {
            *range = (moved(range.0), moved(range.1));
        }
        self.ranges.retain(|(begin, end)| begin < end);
    }

    /// Of two texts for one place the earlier comes first, and what was put
    /// into a range after it was chosen is not removed with it.
    fn past_insertion(&mut self, at: usize, length: usize) {
        if self.position >= at {
            self.position += length;
        }
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        for &(begin, end) in &self.ranges {
            if at <= begin {
                ranges.push((begin + length, end + length));
            } else if at >= end {
                ranges.push((begin, end));
            } else {
                ranges.push((begin, at));
                ranges.push((at + length, end + length));
            }
        }
        self.ranges = ranges;
    }

    /// What is to be done, one after the other: one operation if it may be, and
    /// one at least, that does nothing, so that the client hears of its own.
    fn into_operations(self) -> Vec<Operation> {
        let Self {
            doing,
            text,
            ranges,
            position,
        } = self;
        let length = text.chars().count();
        let whole = doing == Doing::Replace && ranges == [(position, position + length)];
        if whole || doing == Doing::Insert {
            return vec![Operation {
                doing,
                position,
                text,
            }];
        }
        // From the last to the first, so that none moves another. What exactly
        // is removed is filled in when it is.
        let mut operations: Vec<Operation> = ranges
            .into_iter()
            .rev()
            .map(|(begin, end)| Operation {
                doing: Doing::Delete,
                position: begin,
                text: "\0".repeat(end - begin),
            })
            .collect();
        if doing == Doing::Replace {
            operations.push(Operation {
                doing: Doing::Insert,
                position,
                text,
            });
        }
        if operations.is_empty() {
            operations.push(Operation {
                doing: Doing::Delete,
                position,
                text: String::new(),
            });
        }
        operations
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn operation(doing: Doing, position: usize, text: &str) -> Operation {
        Operation {
            doing,
            position,
            text: text.into(),
        }
    }

    fn document(text: &str) -> Document {
        Document {
            text: text.into(),
            revision: 0,
        }
    }

    #[test]
    fn positions_are_characters() {
        let mut text = document("äöü🦀");
        let done = text.apply(operation(Doing::Insert, 3, "ß"), &[]).unwrap();
        assert_eq!(
            (text.text.as_str(), done.len(), text.revision),
            ("äöüß🦀", 1, 1)
        );
        let done = text.apply(operation(Doing::Delete, 1, "xx"), &[]).unwrap();
        assert_eq!((text.text.as_str(), done[0].text.as_str()), ("äß🦀", "öü"));
        text.apply(operation(Doing::Replace, 2, "!"), &[]).unwrap();
        assert_eq!(text.text, "äß!");
        for (beyond, end) in [
            (operation(Doing::Insert, 4, ""), 4),
            (operation(Doing::Delete, 0, "xxxx"), 4),
            (operation(Doing::Replace, 3, "x"), 4),
            (operation(Doing::Insert, usize::MAX, "x"), u64::MAX),
        ] {
            let error = text.apply(beyond, &[]).unwrap_err();
            assert!(
                matches!(error, Error::BeyondText { end: at, length: 3, revision: 3 } if at == end),
                "{error}"
            );
        }
    }

    #[test]
    fn late_operations_mean_the_same() {
        use Doing::{Delete, Insert, Replace};
        for (before, earlier, late, after, count) in [
            ("abc", (Insert, 0, "xy"), (Insert, 1, "-"), "xya-bc", 1),
            ("abc", (Insert, 1, "xy"), (Insert, 1, "-"), "axy-bc", 1),
            ("abc", (Insert, 2, "xy"), (Insert, 1, "-"), "a-bxyc", 1),
            ("abc", (Delete, 0, "ab"), (Insert, 1, "-"), "-c", 1),
            ("abcd", (Insert, 2, "xy"), (Delete, 1, "bc"), "axyd", 2),
            ("abcd", (Delete, 1, "bc"), (Delete, 0, "abc"), "d", 1),
            ("abcd", (Delete, 0, "abcd"), (Delete, 1, "bc"), "", 1),
            ("abcd", (Replace, 1, "xy"), (Delete, 0, "abc"), "xyd", 1),
            ("abcd", (Insert, 0, "x"), (Replace, 1, "BC"), "xaBCd", 1),
            ("abcd", (Insert, 2, "x"), (Replace, 1, "BC"), "aBCxd", 3),
            ("abcd", (Delete, 1, "b"), (Replace, 1, "BC"), "aBCd", 2),
        ] {
            let mut text = document(before);
            let (doing, position, with) = earlier;
            let since = text.apply(operation(doing, position, with), &[]).unwrap();
            let (doing, position, with) = late;
            let done = text
                .apply(operation(doing, position, with), &since)
                .unwrap();
            assert_eq!(
                (text.text.as_str(), done.len()),
                (after, count),
                "{before} {earlier:?} {late:?}"
            );
        }
    }

    #[test]
    fn a_text_has_its_limit() {
        let mut text = document(&"x".repeat(MAX_TEXT - 1));
        text.apply(operation(Doing::Insert, 0, "y"), &[]).unwrap();
        let error = text
            .apply(operation(Doing::Insert, 0, "z"), &[])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "a document has at most 262144 bytes, and this operation would make 262145"
        );
        text.apply(operation(Doing::Delete, 0, "y"), &[]).unwrap();
        assert_eq!(text.revision, 2);
    }

    /// A participant: what it has seen, and in which revision.
    #[derive(Clone)]
    struct Peer {
        seen: usize,
        text: Document,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Peers that are late by any amount write at random places. Each ends
        /// with the server's text; a late removal removes exactly the
        /// characters that its peer saw and nobody removed before; and a late
        /// insertion stays between the characters that it was put between.
        #[test]
        fn all_end_with_the_same_text(
            steps in prop::collection::vec(
                (0..3_usize, 0..3_u8, 0..100_usize, 0..6_usize, 0..5_usize),
                1..60,
            ),
        ) {
            let mut server = Document::default();
            // Beside the text, an identity for each character, which a model
            // without any arithmetic of positions follows.
            let mut history: Vec<Operation> = Vec::new();
            let mut states: Vec<Vec<u32>> = vec![Vec::new()];
            let mut next = 0;
            let fresh = Document::default();
            let mut peers = vec![Peer { seen: 0, text: fresh }; 3];
            for (peer, kind, at, length, catch_up) in steps {
                let peer = &mut peers[peer];
                for operation in history.iter().skip(peer.seen).take(catch_up) {
                    peer.text.perform(operation.clone());
                    peer.seen += 1;
                }
                let count = peer.text.text.chars().count();
                let position = at % (count + 1);
                let (doing, length) = match kind {
                    0 => (Doing::Insert, length),
                    1 => (Doing::Delete, length.min(count - position)),
                    _ => (Doing::Replace, length.min(count - position)),
                };
                let letters: String = (0..length)
                    .map(|i| char::from_u32(0x4e00 + next + i as u32).unwrap())
                    .collect();
                next += length as u32;
                let asked = Operation { doing, position, text: letters.clone() };

                // By identity: what the peer saw, and what is there now.
                let base = states[peer.seen].clone();
                let now = states.last().unwrap().clone();
                let removed: Vec<u32> = base[position..position + asked.removes()].to_vec();
                let kept: Vec<u32> =
                    now.iter().copied().filter(|c| !removed.contains(c)).collect();

                let since = history[peer.seen..].to_vec();
                let done = server.apply(asked.clone(), &since).unwrap();
                prop_assert!(!done.is_empty());
                let mut current = now;
                for operation in &done {
                    let at = operation.position;
                    current.drain(at..at + operation.removes());
                    if operation.inserts() > 0 {
                        let added = operation.text.chars().map(u32::from);
                        current.splice(at..at, added);
                    }
                    states.push(current.clone());
                    history.push(operation.clone());
                }
                let text: String = current
                    .iter()
                    .map(|c| char::from_u32(*c).unwrap())
                    .collect();
                prop_assert_eq!(&server.text, &text);
                prop_assert_eq!(server.revision as usize, history.len());

                let added: Vec<u32> = match asked.inserts() {
                    0 => Vec::new(),
                    _ => letters.chars().map(u32::from).collect(),
                };
                let rest: Vec<u32> =
                    current.iter().copied().filter(|c| !added.contains(c)).collect();
                prop_assert_eq!(rest, kept, "nothing else is gone or new");
                if let (Some(first), Some(last)) = (added.first(), added.last()) {
                    let begin = current.iter().position(|c| c == first).unwrap();
                    let end = current.iter().position(|c| c == last).unwrap();
                    prop_assert_eq!(&current[begin..=end], &added[..], "in one piece");
                    for character in &base[..position] {
                        let place = current.iter().position(|c| c == character);
                        prop_assert!(place.is_none_or(|place| place < begin));
                    }
                    for character in &base[position + asked.removes()..] {
                        let place = current.iter().position(|c| c == character);
                        prop_assert!(place.is_none_or(|place| place > end));
                    }
                }
            }
            for peer in &mut peers {
                for operation in &history[peer.seen..] {
                    peer.text.perform(operation.clone());
                }
                prop_assert_eq!(&peer.text, &server);
            }
        }
    }
}
