//! The contracts are of every sort, link, and their messages are messages.

use std::collections::HashSet;

use portolan_random::{Contract, Messages, Random, Syntax, rewrite};
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, Kind};

#[test]
fn contracts_link_and_their_messages_decode() {
    let mut seen = HashSet::new();
    for seed in 0..200 {
        let mut random = Random(seed);
        let syntax = Syntax::ALL[seed as usize % 4];
        let contract = Contract::random(&mut random, "random.test", syntax);
        let messages = Messages::new(&contract).for_prost_reflect();
        for name in contract.messages() {
            let wire = messages.wire(&mut random, name);
            let descriptor = messages.pool().get_message_by_name(name).unwrap();
            let message = DynamicMessage::decode(descriptor.clone(), &*wire).unwrap();
            let other = rewrite(&mut random, &descriptor, &wire);
            let again = DynamicMessage::decode(descriptor.clone(), &*other).unwrap();
            // As JSON: without unknown fields, and with every NaN the same.
            let value = |message| serde_json::to_value(message).unwrap();
            assert_eq!(value(message), value(again), "seed {seed} {name}");
            for field in descriptor.fields() {
                seen.insert(sort(&field));
            }
        }
    }
    // 17 kinds, each optional, required and repeated.
    assert_eq!(seen.len(), 17 * 3, "{seen:?}");
}

/// The kind and the cardinality, without names.
fn sort(field: &FieldDescriptor) -> (String, Cardinality) {
    let kind = match field.kind() {
        Kind::Message(_) => "message".to_owned(),
        Kind::Enum(_) => "enum".to_owned(),
        scalar => format!("{scalar:?}"),
    };
    (kind, field.cardinality())
}

#[test]
fn a_seed_makes_one_contract() {
    let contract =
        |seed| Contract::random(&mut Random(seed), "a", Syntax::Edition2023).descriptors();
    assert_eq!(contract(7), contract(7));
    assert_ne!(contract(7), contract(8));
}
