//! A random contract as both sides have it, and the ways to put messages to
//! them.

use std::sync::Arc;

use portolan_random::{Contract, Messages, Random, Syntax};
use portolan_schema::{MessageId, Schema};
use portolan_transcode::{Error, ReadOptions, Transcoder, WriteOptions};
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};

/// A contract, and both sides' view of it.
pub(crate) struct World {
    /// What a failure says, so that it can be had again.
    pub(crate) place: String,
    pub(crate) contract: Contract,
    pub(crate) messages: Messages,
    transcoder: Transcoder,
}

impl World {
    pub(crate) fn new(random: &mut Random, seed: u64, syntax: Syntax) -> Self {
        let contract = Contract::random(random, "random", syntax);
        let descriptors = contract.descriptors();
        let schema = Schema::from_descriptor_sets([&*descriptors])
            .unwrap_or_else(|error| panic!("{syntax:?} {seed}: {error}\n{contract:#?}"));
        Self {
            place: format!("{syntax:?}, PORTOLAN_SCHEMA={seed}"),
            messages: Messages::new(&contract).for_prost_reflect(),
            transcoder: Transcoder::new(Arc::new(schema)),
            contract,
        }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.contract.messages()
    }

    pub(crate) fn reflected(&self, name: &str) -> MessageDescriptor {
        self.messages.pool().get_message_by_name(name).unwrap()
    }

    fn id(&self, name: &str) -> MessageId {
        self.transcoder.schema().message_by_name(name).unwrap()
    }

    /// JSON to wire, by us.
    pub(crate) fn read(&self, name: &str, json: &[u8]) -> Result<Vec<u8>, Error> {
        let mut wire = Vec::new();
        let options = ReadOptions::default();
        self.transcoder
            .json_to_wire(self.id(name), json, &mut wire, &options)?;
        Ok(wire)
    }

    /// Wire to JSON, by us.
    pub(crate) fn write(
        &self,
        name: &str,
        wire: &[u8],
        options: &WriteOptions,
    ) -> Result<String, Error> {
        let mut json = Vec::new();
        self.transcoder
            .wire_to_json(self.id(name), wire, &mut json, options)?;
        Ok(String::from_utf8(json).unwrap())
    }

    /// A message from its bytes, by prost-reflect.
    pub(crate) fn decode(&self, name: &str, wire: &[u8]) -> DynamicMessage {
        DynamicMessage::decode(self.reflected(name), wire)
            .unwrap_or_else(|error| panic!("{} {name}: {error}\n{wire:02x?}", self.place))
    }

    /// A message from JSON, by prost-reflect.
    pub(crate) fn their_read(
        &self,
        name: &str,
        json: &[u8],
    ) -> Result<DynamicMessage, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let options = DeserializeOptions::new();
        let message =
            DynamicMessage::deserialize_with_options(self.reflected(name), &mut reader, &options)?;
        reader.end()?;
        Ok(message)
    }
}

/// A message as JSON, by prost-reflect.
pub(crate) fn their_write(
    message: &DynamicMessage,
    options: &SerializeOptions,
) -> Result<String, serde_json::Error> {
    let mut json = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut json, options)?;
    Ok(String::from_utf8(json.into_inner()).unwrap())
}
