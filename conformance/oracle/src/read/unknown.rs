//! From JSON to wire bytes: what the contract does not have and an earlier
//! writer kept, see [`ReadOptions::keep_unknown`](crate::ReadOptions).

use super::Reader;
use crate::error::shorten;
use crate::options::UNKNOWN;
use crate::text::base64;
use crate::wire::Cursor;
use crate::{Error, Problem};

impl Reader<'_> {
    /// Appends the records of the member `@unknown`, which may come once.
    pub(super) fn unknown(&mut self, seen: &mut bool) -> Result<(), Error> {
        if std::mem::replace(seen, true) {
            return Err(self.problem(Problem::Duplicate(UNKNOWN.to_owned())));
        }
        let at = self.next_index()?;
        let levels = self.levels;
        let mut records = Vec::new();
        let text = self.string("unknown fields in base64")?;
        if base64::decode(text, &mut records).is_none() {
            return Err(Error::new(
                Problem::Value {
                    expected: "base64",
                    value: shorten(text),
                },
                at,
            ));
        }
        let mut cursor = Cursor::new(&records, 0);
        loop {
            match cursor.next(levels) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // An offset within the decoded bytes would mislead.
                Err(error) => return Err(Error::new(error.problem().clone(), at)),
            }
        }
        self.out.extend_from_slice(&records);
        Ok(())
    }
}
