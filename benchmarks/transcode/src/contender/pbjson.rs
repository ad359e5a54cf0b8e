//! Code that was generated from the contract: prost for the wire, pbjson over
//! serde_json for JSON.

use std::marker::PhantomData;

use anyhow::{Result, bail};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};

use super::{Measured, Transcode, here};
use crate::sample::Sample;

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/portolan.benchmark.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/portolan.benchmark.v1.serde.rs"));
}

/// The messages of one generated type.
struct Typed<M>(PhantomData<M>);

impl<M: Message + Default + Serialize + DeserializeOwned> Transcode for Typed<M> {
    fn read(&self, json: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let message: M = serde_json::from_slice(json)?;
        Ok(message.encode(out)?)
    }

    fn write(&self, wire: &[u8], out: &mut Vec<u8>) -> Result<()> {
        Ok(serde_json::to_writer(out, &M::decode(wire)?)?)
    }
}

pub(super) fn prepare(sample: &Sample) -> Result<Box<dyn Measured>> {
    fn typed<M>(sample: &Sample) -> Box<dyn Measured>
    where
        M: Message + Default + Serialize + DeserializeOwned + 'static,
    {
        here(Typed::<M>(PhantomData), sample)
    }
    Ok(match sample.name {
        "greeter" => typed::<generated::Greeting>(sample),
        "user" => typed::<generated::User>(sample),
        "users100" => typed::<generated::UserList>(sample),
        "vector" => typed::<generated::Embedding>(sample),
        "nested" => typed::<generated::Nested>(sample),
        "search64k" => typed::<generated::SearchPage>(sample),
        other => bail!("no generated type for the sample `{other}`"),
    })
}
