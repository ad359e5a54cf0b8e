//! From JSON to a `google.protobuf.FieldMask`: which fields a text sets, for an
//! update that leaves the others alone (AIP-134, "Update").

use portolan_schema::MessageId;

use super::Reader;
use super::object::Named;
use crate::json::Step;
use crate::table::{FieldEntry, Form};
use crate::{Error, Problem};

/// `FieldMask.paths`, length-prefixed.
const PATHS: u8 = 1 << 3 | 2;
/// Every path repeats those above it, so that a mask can be many times as long as
/// its text. A longer one than this is not meant.
const MOST_BYTES: usize = 64 * 1024;

/// Whether a mask can speak of what was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speakable {
    Yes,
    /// An extension has no name in a mask.
    No,
}

impl Reader<'_> {
    /// Appends a mask of the fields that the object sets. Of a message inside,
    /// the fields that are set in it; a list, a map, a message without fields
    /// and one with a form of its own are set whole. So is what is null, which
    /// is how a field is cleared.
    pub(crate) fn mask(&mut self, id: MessageId) -> Result<(), Error> {
        let first = self.json.peek()?;
        let (start, at, levels) = (self.out.len(), self.json.at(), self.levels);
        if first != b'n' && self.transcoder.table(id).form == Form::Plain {
            let speakable = self.mask_within(id, &mut String::new(), start)?;
            if speakable == Speakable::Yes {
                return Ok(());
            }
            self.out.truncate(start);
            self.json.go_to(at);
            self.levels = levels;
        }
        self.skip_value()
    }

    /// `start` is where the mask begins in the output.
    fn mask_within(
        &mut self,
        id: MessageId,
        path: &mut String,
        start: usize,
    ) -> Result<Speakable, Error> {
        let transcoder = self.transcoder;
        let table = transcoder.table(id);
        let parent = path.len();
        self.enter()?;
        self.json.enter(b'{', "an object")?;
        let mut seen = self.scratch.words.begin(table);
        let mut step = self.json.key_or_end(true)?;
        if step == Step::End && parent > 0 {
            self.put_path(path, start)?;
        }
        while step == Step::More {
            match self.name(table)? {
                Named::Field(index, field) => {
                    if self.scratch.words.mark(&mut seen, index) {
                        return self.twice(field).map(|()| Speakable::No);
                    }
                    // Extensions come behind the fields.
                    let fields = transcoder.schema().message(id).fields();
                    let Some(named) = fields.get(index) else {
                        return Ok(Speakable::No);
                    };
                    if parent > 0 {
                        path.push('.');
                    }
                    path.push_str(named.name());
                    let speakable = self
                        .mask_field(field, path, start)
                        .map_err(|error| error.in_field(&field.json_name))?;
                    if speakable == Speakable::No {
                        return Ok(Speakable::No);
                    }
                    path.truncate(parent);
                }
                Named::Unknown | Named::Ignored => self.skip()?,
            }
            step = self.json.next_member()?;
        }
        self.scratch.words.end(seen);
        self.leave();
        Ok(Speakable::Yes)
    }

    fn mask_field(
        &mut self,
        field: &FieldEntry,
        path: &mut String,
        start: usize,
    ) -> Result<Speakable, Error> {
        let inner = field.kind.message().filter(|id| {
            field.cardinality.is_singular() && self.transcoder.table(*id).form == Form::Plain
        });
        match inner {
            Some(id) if self.json.peek()? == b'{' => self.mask_within(id, path, start),
            _ => {
                self.put_path(path, start)?;
                self.skip_value()?;
                Ok(Speakable::Yes)
            }
        }
    }

    /// Passes over a value of the contract, in which a level of the message is up
    /// to two of JSON.
    fn skip_value(&mut self) -> Result<(), Error> {
        self.skip_within(self.levels.saturating_mul(2))
    }

    fn put_path(&mut self, path: &str, start: usize) -> Result<(), Error> {
        self.out.push(PATHS);
        self.out.varint(path.len() as u64);
        self.out.extend(path.as_bytes());
        if self.out.len() - start > MOST_BYTES {
            return Err(self.problem(Problem::NoForm(
                "an update that sets so many fields that its mask has more than 64 KiB; give a mask",
            )));
        }
        Ok(())
    }
}
