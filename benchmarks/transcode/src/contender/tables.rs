//! Ours, and its first version, which reads JSON with an existing reader: both
//! learn the contract at run time and have no message in between.

use anyhow::Result;
use portolan_schema::MessageId;

use super::{Measured, Transcode, here};
use crate::contract;
use crate::sample::Sample;

struct Ours {
    transcoder: portolan_transcode::Transcoder,
    message: MessageId,
}

impl Transcode for Ours {
    fn read(&self, json: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let options = portolan_transcode::ReadOptions::default();
        Ok(self
            .transcoder
            .json_to_wire(self.message, json, out, &options)?)
    }

    fn write(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let options = portolan_transcode::WriteOptions::default();
        Ok(self
            .transcoder
            .wire_to_json(self.message, wire, out, &options)?)
    }
}

pub(super) fn ours(sample: &Sample, steady: bool) -> Result<Box<dyn Measured>> {
    let transcoder = if steady {
        contract::steady_transcoder()?
    } else {
        contract::transcoder()?
    };
    let message = contract::message(transcoder.schema(), sample)?;
    Ok(here(
        Ours {
            transcoder,
            message,
        },
        sample,
    ))
}

struct Oracle {
    transcoder: portolan_transcode_oracle::Transcoder,
    message: MessageId,
}

impl Transcode for Oracle {
    fn read(&self, json: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let options = portolan_transcode_oracle::ReadOptions::default();
        Ok(self
            .transcoder
            .json_to_wire(self.message, json, out, &options)?)
    }

    fn write(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let options = portolan_transcode_oracle::WriteOptions::default();
        Ok(self
            .transcoder
            .wire_to_json(self.message, wire, out, &options)?)
    }
}

pub(super) fn oracle(sample: &Sample) -> Result<Box<dyn Measured>> {
    let transcoder = portolan_transcode_oracle::Transcoder::new(contract::schema()?);
    let message = contract::message(transcoder.schema(), sample)?;
    Ok(here(
        Oracle {
            transcoder,
            message,
        },
        sample,
    ))
}
