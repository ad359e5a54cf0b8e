//! The questions: random contracts, messages of them in wire format and in
//! JSON, as they are and changed.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result};
use portolan_random::{Contract, Messages, Random, Syntax, mutate, rewrite, without_one};
use portolan_schema::{MessageId, Schema};
use portolan_transcode::{Error, ReadOptions, Transcoder, WriteOptions};
use prost_reflect::MessageDescriptor;

/// A contract as we and as prost-reflect have it; the latter says whether two
/// messages are the same.
pub(crate) struct World {
    pub(crate) name: String,
    pub(crate) descriptors: Vec<u8>,
    pub(crate) transcoder: Transcoder,
    pub(crate) messages: Messages,
    /// The same, with numbers that closed enums do not have.
    odd_messages: Messages,
}

/// A message in one form, to be brought into the other.
pub(crate) enum Form {
    Wire(Vec<u8>),
    Json(Vec<u8>),
}

/// One question.
pub(crate) struct Case {
    pub(crate) world: usize,
    pub(crate) message: String,
    pub(crate) form: Form,
    /// Whether closed enums may have numbers that they do not have.
    pub(crate) odd: bool,
    /// What we make of it.
    pub(crate) ours: Result<Vec<u8>, Error>,
}

/// All questions, contract by contract.
#[derive(Default)]
pub(crate) struct Cases {
    pub(crate) worlds: Vec<World>,
    pub(crate) all: Vec<Case>,
}

impl Cases {
    /// So many contracts of each syntax.
    pub(crate) fn random(seeds: Range<u64>) -> Result<Self> {
        let mut cases = Self::default();
        for seed in seeds {
            for syntax in Syntax::ALL {
                cases.contract(seed, syntax)?;
            }
        }
        Ok(cases)
    }

    fn contract(&mut self, seed: u64, syntax: Syntax) -> Result<()> {
        let mut random = Random(seed ^ (syntax as u64) << 40);
        let name = format!("{syntax:?} {seed}");
        let contract = Contract::random(&mut random, "random", syntax);
        let descriptors = contract.descriptors();
        let schema = Schema::from_descriptor_sets([&*descriptors]);
        let schema = schema.with_context(|| format!("the contract {name} does not link"))?;
        let world = World {
            messages: Messages::new(&contract),
            odd_messages: Messages::new(&contract).with_unknown_numbers(),
            transcoder: Transcoder::new(Arc::new(schema)),
            descriptors,
            name,
        };
        self.worlds.push(world);
        for message in contract.messages() {
            for _ in 0..3 {
                self.message(&mut random, message);
            }
        }
        Ok(())
    }

    /// A message in its forms: as an encoder writes it, in other bytes, with a
    /// field less, as JSON, and as JSON that was changed.
    fn message(&mut self, random: &mut Random, name: &str) {
        let Some(world) = self.worlds.last() else {
            return;
        };
        let odd = random.chance(3);
        let messages = match odd {
            true => &world.odd_messages,
            false => &world.messages,
        };
        let wire = messages.wire(random, name);
        let other = rewrite(random, &world.reflected(name), &wire);
        let json = world.write(name, &wire);
        let less = without_one(random, &wire);
        let mut forms = vec![Form::Wire(wire), Form::Wire(other), Form::Wire(less)];
        if let Ok(json) = json {
            let text = String::from_utf8_lossy(&json).into_owned();
            let changed = (0..4).map(|_| Form::Json(mutate(random, &text)));
            forms.extend(changed.collect::<Vec<_>>());
            forms.push(Form::Json(json));
        }
        for form in forms {
            let ours = match &form {
                Form::Wire(wire) => world.write(name, wire),
                Form::Json(json) => world.read(name, json),
            };
            self.all.push(Case {
                world: self.worlds.len() - 1,
                message: name.to_owned(),
                form,
                odd,
                ours,
            });
        }
    }
}

impl World {
    pub(crate) fn reflected(&self, name: &str) -> MessageDescriptor {
        let found = self.messages.pool().get_message_by_name(name);
        found.expect("the message is one of the contract")
    }

    fn id(&self, name: &str) -> MessageId {
        let found = self.transcoder.schema().message_by_name(name);
        found.expect("the message is one of the contract")
    }

    pub(crate) fn write(&self, name: &str, wire: &[u8]) -> Result<Vec<u8>, Error> {
        let (mut json, options) = (Vec::new(), WriteOptions::default());
        self.transcoder
            .wire_to_json(self.id(name), wire, &mut json, &options)?;
        Ok(json)
    }

    fn read(&self, name: &str, json: &[u8]) -> Result<Vec<u8>, Error> {
        let (mut wire, options) = (Vec::new(), ReadOptions::default());
        self.transcoder
            .json_to_wire(self.id(name), json, &mut wire, &options)?;
        Ok(wire)
    }
}
