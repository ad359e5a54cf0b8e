//! The public face: tables compiled on first use, shared between threads.

use std::sync::{Arc, OnceLock};

use portolan_schema::{EnumId, MessageId, Schema};

use crate::raw::Level;
use crate::read::Reader;
use crate::table::{EnumTable, MessageTable};
use crate::{Error, ReadOptions, WriteOptions};

/// Transcodes the messages of one schema.
///
/// The table of a message type is compiled when it is first met, so a large
/// schema costs nothing up front. A transcoder is shared between threads.
#[derive(Debug)]
pub struct Transcoder {
    schema: Arc<Schema>,
    messages: Box<[OnceLock<Box<MessageTable>>]>,
    enums: Box<[OnceLock<Box<EnumTable>>]>,
    level: Level,
}

impl Transcoder {
    /// A transcoder for the messages of this schema.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self::with_level(schema, Level::Widest)
    }

    /// A transcoder that uses no wider instructions than these, for tests: they
    /// all give the same answers.
    #[doc(hidden)]
    #[must_use]
    pub fn with_level(schema: Arc<Schema>, widest: Level) -> Self {
        let messages = schema.messages().iter().map(|_| OnceLock::new()).collect();
        let enums = schema.enums().iter().map(|_| OnceLock::new()).collect();
        Self {
            schema,
            messages,
            enums,
            level: Level::detect().at_most(widest),
        }
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Reads a JSON text and appends the message to `out` in wire format.
    ///
    /// # Errors
    /// When the text is not JSON or not this message. Then `out` may have grown
    /// by a part of it.
    pub fn json_to_wire(
        &self,
        message: MessageId,
        json: &[u8],
        out: &mut Vec<u8>,
        options: &ReadOptions,
    ) -> Result<(), Error> {
        Reader::read(self, json, out, options, |reader| reader.message(message))
    }

    /// Reads a JSON text as the value of one field of a message, as an HTTP rule
    /// with `body: "field"` has it, and appends the field to `out`.
    ///
    /// `field` is the field's name in the contract or in JSON.
    ///
    /// # Errors
    /// As [`json_to_wire`](Self::json_to_wire), and when there is no such field.
    pub fn json_to_field(
        &self,
        message: MessageId,
        field: &str,
        json: &[u8],
        out: &mut Vec<u8>,
        options: &ReadOptions,
    ) -> Result<(), Error> {
        Reader::read(self, json, out, options, |reader| {
            reader.field_by_name(message, field)
        })
    }

    /// Reads a JSON text and appends a `google.protobuf.FieldMask` of the fields
    /// that it sets, for a partial update whose client gave no mask of its own.
    /// Of a message inside, the fields set in it are named; a list, a map and a
    /// type with a form of its own are set whole, and so is what is null. Nothing
    /// is appended for a text that a mask cannot speak of: `null`, one of a
    /// message with a form of its own, and one that sets an extension.
    ///
    /// # Errors
    /// When the text is not JSON, sets a field twice or one that the message does
    /// not have, or when its mask would have more than 64 KiB. Whether values fit
    /// their fields is not looked at.
    pub fn json_to_field_mask(
        &self,
        message: MessageId,
        json: &[u8],
        out: &mut Vec<u8>,
        options: &ReadOptions,
    ) -> Result<(), Error> {
        Reader::read(self, json, out, options, |reader| reader.mask(message))
    }

    /// Reads a piece of plain text, from a path or a query string, as a value of
    /// the field at `path` (names from the message down), and appends it to
    /// `out` as a message of that one field. A repeated field takes one value; a
    /// map takes its key as the last element of the path.
    ///
    /// Calls add up: the wire format merges what is appended.
    ///
    /// # Errors
    /// When there is no such field, it cannot be given as text, or the text is
    /// not a value of it. Then `out` may have grown by a part of it.
    pub fn text_to_field(
        &self,
        message: MessageId,
        path: &[impl AsRef<str>],
        text: &str,
        out: &mut Vec<u8>,
        options: &ReadOptions,
    ) -> Result<(), Error> {
        crate::read::text_to_field(self, message, path, text, out, options)
    }

    /// Reads a message in wire format and appends it to `out` as JSON.
    ///
    /// # Errors
    /// When the bytes are not a message of this type, or one that JSON cannot
    /// say. Then `out` may have grown by a part of it.
    pub fn wire_to_json(
        &self,
        message: MessageId,
        wire: &[u8],
        out: &mut Vec<u8>,
        options: &WriteOptions,
    ) -> Result<(), Error> {
        crate::write::message(self, message, wire, out, options)
    }

    /// Reads a message in wire format and appends one field of it to `out` as
    /// JSON, as an HTTP rule with a `response_body` has it; a field that is not
    /// there is written as its default.
    ///
    /// # Errors
    /// As [`wire_to_json`](Self::wire_to_json), and when there is no such field.
    pub fn field_to_json(
        &self,
        message: MessageId,
        field: &str,
        wire: &[u8],
        out: &mut Vec<u8>,
        options: &WriteOptions,
    ) -> Result<(), Error> {
        crate::write::field(self, message, field, wire, out, options)
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    pub(crate) fn table(&self, id: MessageId) -> &MessageTable {
        self.messages[id.index()]
            .get_or_init(|| Box::new(MessageTable::compile(&self.schema, self.schema.message(id))))
    }

    pub(crate) fn enum_table(&self, id: EnumId) -> &EnumTable {
        self.enums[id.index()]
            .get_or_init(|| Box::new(EnumTable::compile(self.schema.enumeration(id))))
    }

    /// The message type that an `Any` names: what follows the last slash of its
    /// type URL.
    pub(crate) fn resolve_any(&self, type_url: &str) -> Option<MessageId> {
        let (_, name) = type_url.rsplit_once('/')?;
        self.schema.message_by_name(name)
    }
}
