//! What processes tell each other by NOTIFY. Of changes and edits only that
//! there are some: they are read from their tables, so that nothing is lost with
//! a notification. What is said in rooms is kept nowhere and goes in full, in
//! parts when it is long (PostgreSQL's manual, "NOTIFY": shorter than 8000
//! bytes).

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    document::{Author, DocumentId},
    rooms::{Message, RoomName},
    store::Sequence,
    user::Moment,
};

/// The channel.
pub(super) const CHANNEL: &str = "portolan_users";

/// The most bytes of what was said that go into one notification: less than it
/// takes by what stands before them.
const PART: usize = 7900;

/// The most bytes of something that was said, in its form for the way: six for
/// each, at worst, and the names.
const LONGEST: usize = 6 * (crate::rooms::MAX_MESSAGE + 4 * Author::MAX_LENGTH) + 1024;

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Users have changed; this is the newest change.
    Changed(Sequence),
    /// A document has this revision.
    Edited(i64, DocumentId),
    /// Something was said.
    Said(Part),
}

/// A part of what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Which process said it.
    node: u64,
    /// Which of the things that it said.
    pub(super) number: u64,
    part: usize,
    parts: usize,
    text: String,
}

/// What was said, in its form for the way.
#[derive(Serialize, Deserialize)]
struct Spoken<'a> {
    room: Cow<'a, str>,
    author: Cow<'a, str>,
    content: Cow<'a, str>,
    at: i64,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(sequence) => write!(f, "changed {sequence}"),
            Self::Edited(revision, document) => {
                let document = serde_json::json!(document.as_str());
                write!(f, "edited {revision} {document}")
            }
            Self::Said(Part {
                node,
                number,
                part,
                parts,
                text,
            }) => write!(f, "said {node:x} {number} {part} {parts} {text}"),
        }
    }
}

impl News {
    /// Reads a notification; `None` for one that is not ours.
    pub(super) fn read(payload: &str) -> Option<Self> {
        let (kind, rest) = payload.split_once(' ')?;
        match kind {
            "changed" => rest.parse().ok().map(Self::Changed),
            "edited" => {
                let (revision, document) = rest.split_once(' ')?;
                let document: String = serde_json::from_str(document).ok()?;
                let document = DocumentId::new(&document).ok()?;
                Some(Self::Edited(revision.parse().ok()?, document))
            }
            "said" => {
                let mut words = rest.splitn(5, ' ');
                Some(Self::Said(Part {
                    node: u64::from_str_radix(words.next()?, 16).ok()?,
                    number: words.next()?.parse().ok()?,
                    part: words.next()?.parse().ok()?,
                    parts: words.next()?.parse().ok()?,
                    text: words.next()?.into(),
                }))
            }
            _ => None,
        }
    }
}

/// The notifications, in order, that say this.
pub(super) fn parts(node: u64, number: u64, room: &RoomName, message: &Message) -> Vec<String> {
    let spoken = serde_json::json!(Spoken {
        room: room.as_str().into(),
        author: message.author.as_str().into(),
        content: message.content.as_str().into(),
        at: message.at.microseconds(),
    });
    let text = spoken.to_string();
    let mut texts = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = (0..=PART.min(rest.len()))
            .rev()
            .find(|end| rest.is_char_boundary(*end));
        let (part, tail) = rest.split_at(end.unwrap_or(rest.len()));
        texts.push(part);
        rest = tail;
    }
    let parts = texts.len();
    let part = |(part, text): (usize, &str)| {
        let text = text.into();
        News::Said(Part {
            node,
            number,
            part,
            parts,
            text,
        })
        .to_string()
    };
    texts.into_iter().enumerate().map(part).collect()
}

/// Parts on their way to being whole. Those of one message come one behind the
/// other, as they were sent in one transaction.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    node: u64,
    number: u64,
    next: usize,
    text: String,
}

impl Assembly {
    /// Takes a part, and gives what is whole with it: who said it, as which of
    /// its things, where and what.
    pub(super) fn take(&mut self, part: &Part) -> Option<(u64, u64, RoomName, Message)> {
        if part.part == 0 {
            *self = Self {
                node: part.node,
                number: part.number,
                ..Self::default()
            };
        }
        let fits = (part.node, part.number, part.part) == (self.node, self.number, self.next);
        if !fits || self.text.len() + part.text.len() > LONGEST {
            *self = Self::default();
            // No part is of this number.
            self.next = usize::MAX;
            return None;
        }
        self.text.push_str(&part.text);
        self.next += 1;
        if self.next < part.parts {
            return None;
        }
        let spoken: Spoken<'_> = serde_json::from_str(&self.text).ok()?;
        let message = Message {
            author: Author::new(&spoken.author).ok()?,
            content: spoken.content.into_owned(),
            at: Moment::from_microseconds(spoken.at),
        };
        Some((
            part.node,
            part.number,
            RoomName::new(&spoken.room).ok()?,
            message,
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rooms::MAX_MESSAGE;

    fn said(content: String) -> Message {
        Message {
            author: Author::new(&"\0".repeat(Author::MAX_LENGTH)).unwrap(),
            content,
            at: Moment::now(),
        }
    }

    #[test]
    fn the_longest_things_fit() {
        let room = RoomName::new(&"r".repeat(RoomName::MAX_LENGTH)).unwrap();
        for content in ["\u{1}".repeat(MAX_MESSAGE), "ü€🦀".repeat(MAX_MESSAGE / 9)] {
            let message = said(content);
            let parts = parts(u64::MAX, u64::MAX, &room, &message);
            assert!(parts.iter().all(|part| part.len() < 8000));
            let mut assembly = Assembly::default();
            let mut whole = None;
            for part in parts {
                assert_eq!(whole, None);
                let Some(News::Said(part)) = News::read(&part) else {
                    panic!("{part}");
                };
                whole = assembly.take(&part);
            }
            assert_eq!(whole.unwrap().3, message);
        }
        let id = DocumentId::new(&"\0".repeat(DocumentId::MAX_LENGTH)).unwrap();
        let edited = News::Edited(i64::MAX, id);
        assert!(edited.to_string().len() < 8000);
        assert_eq!(News::read(&edited.to_string()), Some(edited));
    }

    #[test]
    fn parts_that_do_not_follow_each_other_are_nothing() {
        let room = RoomName::default();
        let message = said("x".repeat(MAX_MESSAGE));
        let read = |number| {
            parts(1, number, &room, &message)
                .into_iter()
                .map(|text| match News::read(&text) {
                    Some(News::Said(part)) => part,
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        let (first, second) = (read(1), read(2));
        let mut assembly = Assembly::default();
        assert!(assembly.take(&first[0]).is_none());
        assert!(assembly.take(&second[1]).is_none());
        for part in &first[1..] {
            assert!(assembly.take(part).is_none());
        }
        let whole = second.iter().filter_map(|part| assembly.take(part));
        assert_eq!(whole.count(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_news_or_not(payload in any::<String>()) {
            let _ = News::read(&payload);
            let _ = News::read(&format!("said {payload}"));
        }
    }
}
