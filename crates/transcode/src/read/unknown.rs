//! From JSON to wire bytes: what the contract does not have and an earlier
//! writer kept, see [`ReadOptions::keep_unknown`](crate::ReadOptions).

use super::Reader;
use super::scalar::bad_value;
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
        let levels = self.levels;
        self.string("unknown fields in base64", |reader, text, at| {
            let start = reader.out.len();
            if reader
                .out
                .with_vec(|out| base64::decode(text, out))
                .is_none()
            {
                return Err(bad_value("base64", text, at));
            }
            let mut cursor = Cursor::new(&reader.out.as_slice()[start..], 0);
            loop {
                match cursor.next(levels) {
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(()),
                    // An offset within the decoded bytes would mislead.
                    Err(error) => return Err(Error::new(error.problem().clone(), at)),
                }
            }
        })
    }
}
