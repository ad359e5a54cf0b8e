//! How the bytes of an input are read: the first chooses a message type, the
//! second the options, and the rest is the message.

use portolan_schema::MessageId;

use crate::contract::{message_type, schema};

/// An input, taken apart.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) message: MessageId,
    pub(crate) options: u8,
    pub(crate) rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let [number, options, rest @ ..] = bytes else {
            return None;
        };
        Some(Self {
            message: message_type(*number),
            options: *options,
            rest,
        })
    }

    fn has(&self, bit: u8) -> bool {
        self.options & (1 << bit) != 0
    }

    /// Mostly the usual limit, and sometimes one that an input reaches soon.
    fn recursion_limit(&self) -> u32 {
        match self.options >> 6 {
            0 | 1 => 100,
            2 => 12,
            _ => u32::from(self.options >> 4 & 3),
        }
    }

    /// The same options for both.
    pub(crate) fn read_options(
        &self,
    ) -> (
        portolan_transcode::ReadOptions,
        portolan_transcode_oracle::ReadOptions,
    ) {
        let ignore_unknown = self.has(0);
        let keep_unknown = self.has(1);
        let recursion_limit = self.recursion_limit();
        (
            portolan_transcode::ReadOptions {
                ignore_unknown,
                keep_unknown,
                recursion_limit,
            },
            portolan_transcode_oracle::ReadOptions {
                ignore_unknown,
                keep_unknown,
                recursion_limit,
            },
        )
    }

    /// The same options for both.
    pub(crate) fn write_options(
        &self,
    ) -> (
        portolan_transcode::WriteOptions,
        portolan_transcode_oracle::WriteOptions,
    ) {
        let proto_names = self.has(0);
        let enums_as_numbers = self.has(1);
        let print_defaults = self.has(2);
        let keep_unknown = self.has(3);
        let indent = self.has(4).then_some(if self.has(5) { 3 } else { 2 });
        let recursion_limit = self.recursion_limit();
        (
            portolan_transcode::WriteOptions {
                proto_names,
                enums_as_numbers,
                print_defaults: if print_defaults {
                    portolan_transcode::PrintDefaults::WithoutPresence
                } else {
                    portolan_transcode::PrintDefaults::No
                },
                keep_unknown,
                indent,
                recursion_limit,
            },
            portolan_transcode_oracle::WriteOptions {
                proto_names,
                enums_as_numbers,
                print_defaults,
                keep_unknown,
                indent,
                recursion_limit,
            },
        )
    }

    /// The type's name, for people.
    pub(crate) fn name(&self) -> &'static str {
        schema().message(self.message).name()
    }
}
