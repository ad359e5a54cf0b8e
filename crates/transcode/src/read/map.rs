//! From JSON to wire bytes: maps, which are lists of entries on the wire.

use portolan_schema::Kind;

use super::scratch::MapKey;
use super::{Reader, Written, scalar};
use crate::json::Step;
use crate::table::FieldEntry;
use crate::{Error, Problem};

/// Up to this many keys are compared with each other; more are sorted.
const FEW: usize = 8;

impl Reader<'_> {
    pub(super) fn map(&mut self, field: &FieldEntry) -> Result<(), Error> {
        let Some((key_field, value_field)) = field
            .kind
            .message()
            .and_then(|id| self.transcoder.table(id).key_and_value())
        else {
            return Err(self.problem(Problem::Wire("a map without entries in its contract")));
        };
        let (outer, kind) = (self.scratch.keys.len(), key_field.kind);
        self.json.enter(b'{', "an object")?;
        let mut step = self.json.key_or_end(true)?;
        while step == Step::More {
            let start = self.out.len();
            field.tag.put(&mut self.out);
            let body = self.out.open(field.room());
            key_field.tag.put(&mut self.out);
            let key_start = self.out.len();
            self.map_key(kind)?;
            let key_length = self.out.len() - key_start;
            self.json.colon()?;
            let written = self
                .refuse_null(value_field)
                .and_then(|()| self.tagged(value_field));
            match written {
                Ok(()) if self.written == Written::Nothing => self.out.truncate(start),
                Ok(()) => {
                    let prefix = self.out.close(body);
                    field.set_room(prefix);
                    let at = start + field.tag.len() + usize::from(prefix) + key_field.tag.len();
                    self.remember(at, key_length);
                }
                Err(error) => {
                    let key = &self.out.as_slice()[key_start..key_start + key_length];
                    return Err(error.at_key(&scalar::key_text(kind, key)));
                }
            }
            step = self.json.next_member()?;
        }
        self.refuse_twins(kind, outer)
    }

    /// The key whose quote is next.
    #[inline]
    fn map_key(&mut self, kind: Kind) -> Result<(), Error> {
        if kind == Kind::String {
            return self.text();
        }
        self.quoted(|reader, text, at| {
            if scalar::put_map_key(&mut reader.out, kind, text) {
                return Ok(());
            }
            Err(scalar::bad_value("a key of this map", text, at))
        })
    }

    /// Remembers where a key stands, until [`refuse_twins`](Self::refuse_twins).
    #[inline]
    pub(super) fn remember(&mut self, at: usize, length: usize) {
        let key = &self.out.as_slice()[at..at + length];
        let ends = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(first), Some(last)) => {
                u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(23)
            }
            _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    u64::from(u32::from_le_bytes(*first))
                        | u64::from(u32::from_le_bytes(*last)) << 32
                }
                _ => key
                    .iter()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte)),
            },
        };
        let hash = (ends ^ length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.scratch.keys.push(MapKey {
            hash: hash as u32,
            length,
            at,
        });
    }

    /// Two entries with the same key are an error. Looks at the keys from
    /// `outer` on, and forgets them.
    #[inline]
    pub(super) fn refuse_twins(&mut self, kind: Kind, outer: usize) -> Result<(), Error> {
        let out = self.out.as_slice();
        let text = |key: &MapKey| &out[key.at..key.at + key.length];
        let keys = &mut self.scratch.keys[outer..];
        let twin = if keys.len() <= FEW {
            let mut twin = None;
            for (index, key) in keys.iter().enumerate() {
                for other in &keys[..index] {
                    if other.hash == key.hash && text(other) == text(key) {
                        twin = Some(key);
                    }
                }
            }
            twin
        } else {
            // Whoever chooses keys with the same hash gains nothing by it.
            keys.sort_unstable_by(|left, right| {
                (left.hash, text(left)).cmp(&(right.hash, text(right)))
            });
            keys.windows(2)
                .find(|pair| pair[0].hash == pair[1].hash && text(&pair[0]) == text(&pair[1]))
                .map(|pair| &pair[0])
        };
        if let Some(twin) = twin {
            let key = scalar::key_text(kind, text(twin));
            return Err(self.problem(Problem::Duplicate(key)));
        }
        self.scratch.keys.truncate(outer);
        Ok(())
    }
}
