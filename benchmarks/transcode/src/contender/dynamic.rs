//! prost-reflect's dynamic message with serde_json: the usual way in Rust for
//! contracts that are learnt at run time. It is also the judge of what the
//! others put out.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::{Measured, Transcode, here};
use crate::contract;
use crate::sample::{Sample, Way};

/// One pool for all: messages of two pools are never equal.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(contract::DESCRIPTORS).expect("the build script compiled it")
});

struct Dynamic(MessageDescriptor);

impl Transcode for Dynamic {
    fn read(&self, json: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let message = DynamicMessage::deserialize(self.0.clone(), &mut reader)?;
        reader.end()?;
        Ok(message.encode(out)?)
    }

    fn write(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let message = DynamicMessage::decode(self.0.clone(), wire)?;
        Ok(serde_json::to_writer(out, &message)?)
    }
}

pub(super) fn prepare(sample: &Sample) -> Result<Box<dyn Measured>> {
    Ok(here(Dynamic(descriptor(sample)?), sample))
}

/// What an output says, however it is written.
pub(crate) fn meaning(sample: &Sample, way: Way, output: &[u8]) -> Result<DynamicMessage> {
    let descriptor = descriptor(sample)?;
    match way {
        Way::Read => Ok(DynamicMessage::decode(descriptor, output)?),
        Way::Write => {
            let mut reader = serde_json::Deserializer::from_slice(output);
            let message = DynamicMessage::deserialize(descriptor, &mut reader)?;
            reader.end()?;
            Ok(message)
        }
    }
}

fn descriptor(sample: &Sample) -> Result<MessageDescriptor> {
    POOL.get_message_by_name(&sample.message)
        .with_context(|| format!("the contract has no {}", sample.message))
}
