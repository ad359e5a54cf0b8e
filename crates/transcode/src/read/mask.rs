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

impl Reader<'_> {
    /// Appends a mask of the fields that the object sets. Of a message inside,
    /// the fields that are set in it; a list, a map, a message without fields
    /// and one with a form of its own are set whole. So is what is null, which
    /// is how a field is cleared.
    pub(crate) fn mask(&mut self, id: MessageId) -> Result<(), Error> {
        self.mask_within(id, &mut String::new())
    }

    fn mask_within(&mut self, id: MessageId, path: &mut String) -> Result<(), Error> {
        let transcoder = self.transcoder;
        let table = transcoder.table(id);
        let parent = path.len();
        self.enter()?;
        self.json.enter(b'{', "an object")?;
        let mut step = self.json.key_or_end(true)?;
        if step == Step::End && parent > 0 {
            self.put_path(path);
        }
        while step == Step::More {
            match self.name(table)? {
                Named::Field(index, entry) => {
                    let fields = transcoder.schema().message(id).fields();
                    let Some(field) = fields.get(index) else {
                        return Err(self.problem(Problem::NoForm(
                            "an extension cannot be named in a field mask",
                        )));
                    };
                    if parent > 0 {
                        path.push('.');
                    }
                    path.push_str(field.name());
                    self.mask_field(entry, path)
                        .map_err(|error| error.in_field(&entry.json_name))?;
                    path.truncate(parent);
                }
                Named::Unknown | Named::Ignored => self.skip()?,
            }
            step = self.json.after_member()?;
            if step == Step::More {
                self.json.key_or_end(false)?;
            }
        }
        self.leave();
        Ok(())
    }

    fn mask_field(&mut self, field: &FieldEntry, path: &mut String) -> Result<(), Error> {
        let inner = field.kind.message().filter(|id| {
            field.cardinality.is_singular() && self.transcoder.table(*id).form == Form::Plain
        });
        match inner {
            Some(id) if self.json.peek()? == b'{' => self.mask_within(id, path),
            _ => {
                self.put_path(path);
                // The levels of JSON in a value are not those of the message.
                self.skip_within(self.levels.saturating_mul(2))
            }
        }
    }

    fn put_path(&mut self, path: &str) {
        self.out.push(PATHS);
        self.out.varint(path.len() as u64);
        self.out.extend(path.as_bytes());
    }
}
