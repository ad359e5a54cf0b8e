//! Files, messages and fields as `google/protobuf/descriptor.proto` has them,
//! read from the bytes with their names left where they lie; of the rest see
//! `descriptor`.

use std::borrow::Cow;

use prost::DecodeError;

use crate::descriptor::{
    EnumDescriptor, FieldOptions, FileOptions, MessageOptions, OneofDescriptor, ServiceDescriptor,
    SourceCodeInfo,
};
use crate::wire::Records;

/// The deepest nesting of message declarations; protoc's own limit is 32.
pub(crate) const MAX_NESTING: usize = 100;

#[derive(Default)]
pub(crate) struct FileDescriptor<'a> {
    pub(crate) name: &'a str,
    pub(crate) package: &'a str,
    pub(crate) message_type: Vec<MessageDescriptor<'a>>,
    pub(crate) enum_type: Vec<EnumDescriptor>,
    pub(crate) service: Vec<ServiceDescriptor>,
    pub(crate) extension: Vec<FieldDescriptor<'a>>,
    pub(crate) options: Option<FileOptions>,
    pub(crate) source_code_info: Option<SourceCodeInfo>,
    pub(crate) syntax: Option<&'a str>,
    pub(crate) edition: Option<i32>,
}

#[derive(Default)]
pub(crate) struct MessageDescriptor<'a> {
    pub(crate) name: &'a str,
    pub(crate) field: Vec<FieldDescriptor<'a>>,
    pub(crate) nested_type: Vec<MessageDescriptor<'a>>,
    pub(crate) enum_type: Vec<EnumDescriptor>,
    pub(crate) extension: Vec<FieldDescriptor<'a>>,
    pub(crate) options: Option<MessageOptions>,
    pub(crate) oneof_decl: Vec<OneofDescriptor>,
}

#[derive(Default)]
pub(crate) struct FieldDescriptor<'a> {
    pub(crate) name: &'a str,
    pub(crate) extendee: Option<&'a str>,
    pub(crate) number: i32,
    pub(crate) label: i32,
    pub(crate) r#type: i32,
    pub(crate) type_name: &'a str,
    pub(crate) default_value: Option<&'a str>,
    /// Most fields have none.
    pub(crate) options: Option<Box<FieldOptions>>,
    /// The same as they are on the wire, extensions included; empty for none.
    pub(crate) raw_options: Cow<'a, [u8]>,
    pub(crate) oneof_index: Option<i32>,
    pub(crate) json_name: Option<&'a str>,
    pub(crate) proto3_optional: bool,
}

/// Reads a `FileDescriptorSet` and appends its files.
pub(crate) fn read_set<'a>(
    set: &'a [u8],
    files: &mut Vec<FileDescriptor<'a>>,
) -> Result<(), DecodeError> {
    let mut records = Records::of(set);
    while let Some(record) = records.next()? {
        if record.tag == 1 {
            files.push(FileDescriptor::read(record.records()?)?);
        }
    }
    Ok(())
}

impl<'a> FileDescriptor<'a> {
    fn read(mut records: Records<'a>) -> Result<Self, DecodeError> {
        let mut file = Self::default();
        while let Some(record) = records.next()? {
            match record.tag {
                1 => file.name = record.text()?,
                2 => file.package = record.text()?,
                4 => {
                    let message = MessageDescriptor::read(record.records()?, 0)?;
                    file.message_type.push(message);
                }
                5 => file.enum_type.push(record.message()?),
                6 => file.service.push(record.message()?),
                7 => file
                    .extension
                    .push(FieldDescriptor::read(record.records()?)?),
                8 => record.merge_into(&mut file.options)?,
                9 => record.merge_into(&mut file.source_code_info)?,
                12 => file.syntax = Some(record.text()?),
                14 => file.edition = Some(record.int32()?),
                _ => {}
            }
        }
        Ok(file)
    }
}

impl<'a> MessageDescriptor<'a> {
    fn read(mut records: Records<'a>, depth: usize) -> Result<Self, DecodeError> {
        let mut message = Self {
            field: Vec::with_capacity(records.with_tag(2)),
            ..Self::default()
        };
        while let Some(record) = records.next()? {
            match record.tag {
                1 => message.name = record.text()?,
                2 => message
                    .field
                    .push(FieldDescriptor::read(record.records()?)?),
                // One that is too deep is left to linking to refuse by its name.
                3 if depth > MAX_NESTING => {}
                3 => message
                    .nested_type
                    .push(Self::read(record.records()?, depth + 1)?),
                4 => message.enum_type.push(record.message()?),
                6 => message
                    .extension
                    .push(FieldDescriptor::read(record.records()?)?),
                7 => record.merge_into(&mut message.options)?,
                8 => message.oneof_decl.push(record.message()?),
                _ => {}
            }
        }
        Ok(message)
    }
}

impl<'a> FieldDescriptor<'a> {
    fn read(mut records: Records<'a>) -> Result<Self, DecodeError> {
        let mut field = Self::default();
        while let Some(record) = records.next()? {
            match record.tag {
                1 => field.name = record.text()?,
                2 => field.extendee = Some(record.text()?),
                3 => field.number = record.int32()?,
                4 => field.label = record.int32()?,
                5 => field.r#type = record.int32()?,
                6 => field.type_name = record.text()?,
                7 => field.default_value = Some(record.text()?),
                8 => {
                    record.merge_into(&mut field.options)?;
                    match &mut field.raw_options {
                        raw if raw.is_empty() => *raw = Cow::Borrowed(record.content()?),
                        // A message that comes in pieces is the pieces in a row.
                        raw => raw.to_mut().extend_from_slice(record.content()?),
                    }
                }
                9 => field.oneof_index = Some(record.int32()?),
                10 => field.json_name = Some(record.text()?),
                17 => field.proto3_optional = record.bool()?,
                _ => {}
            }
        }
        Ok(field)
    }
}
