//! Valid input with random bytes changed: nothing panics, and where both we and
//! prost-reflect take it, both take it for the same.
//!
//! prost-reflect takes more than the specification allows, and differs where
//! the specification leaves a choice. What is known is listed in [`deviates`].

use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};

use crate::contract::{read_with, reflected, write};
use crate::differential::{TYPES, from_json, parsed, same, to_json};
use crate::random::Random;
use portolan_transcode::ReadOptions;

/// Changes, removes, adds or copies up to three bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random, alphabet: &[u8]) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let byte = if alphabet.is_empty() { random.bits() as u8 } else { alphabet[random.below(alphabet.len())] };
        match random.below(5) {
            0 => bytes[at] = byte,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, byte),
            3 => drop(bytes.remove(at)),
            _ => {
                let end = (at + 1 + random.below(20)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_json(seed: u64) {
        let mut random = Random(seed);
        let name = TYPES[random.below(TYPES.len())];
        let json = to_json(&random.message(&reflected(name), 3), &SerializeOptions::new()).unwrap();
        for _ in 0..20 {
            let mut json = json.clone().into_bytes();
            mutate(&mut json, &mut random, b"{}[]\",:\\0123456789.eE+-untrfalse_Z \n\xff");
            let _ = read_with(name, &json, &ReadOptions { ignore_unknown: true, ..ReadOptions::default() });
            let ours = read_with(name, &json, &ReadOptions::default());
            let theirs = from_json(name, &json);
            if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
                let ours = DynamicMessage::decode(reflected(name), &**ours).unwrap();
                let text = String::from_utf8_lossy(&json);
                prop_assert!(same(&ours, theirs), "{}\n{}\nours   {}\ntheirs {}", name, text, ours, theirs);
            }
        }
    }

    #[test]
    fn changed_wire(seed: u64) {
        let mut random = Random(seed);
        let name = TYPES[random.below(TYPES.len())];
        let bytes = random.message(&reflected(name), 3).encode_to_vec();
        for _ in 0..20 {
            let mut bytes = bytes.clone();
            mutate(&mut bytes, &mut random, b"");
            let ours = write(name, &bytes);
            let theirs = DynamicMessage::decode(reflected(name), &*bytes);
            if let (Ok(ours), Ok(theirs)) = (&ours, &theirs)
                && let Ok(theirs) = to_json(theirs, &SerializeOptions::new())
            {
                prop_assert_eq!(parsed(ours), parsed(&theirs), "{} {:x?}\nours   {}\ntheirs {}", name, bytes, ours, theirs);
            }
        }
    }
}
