//! What the fuzzers do with their bytes: each function takes the input of one
//! fuzzer, puts it to the transcoder and to its reference, and panics where the
//! two do not agree.
//!
//! `contract` has the message types and both transcoders, `input` says how
//! bytes choose a type and options, `agree` what agreeing means, and `seeds`
//! makes the first inputs. The fuzzers themselves, in `fuzz_targets/`, only
//! call these functions.

mod agree;
mod contract;
mod fields;
mod input;
mod seeds;

pub use fields::fields;
pub use seeds::{Target, corpus};

use agree::{agree_on_json, agree_on_wire, came_back};
use contract::{ours, reference};
use input::Input;

/// What the output holds before: it is appended to, and not touched.
const BEFORE: &[u8] = b"before";

/// JSON to wire bytes: the same messages are taken, for the same bytes.
pub fn json_to_wire(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let (ours_options, reference_options) = input.read_options();
    let mut out = BEFORE.to_vec();
    let by_ours = ours(input.rest)
        .json_to_wire(input.message, input.rest, &mut out, &ours_options)
        .map(|()| out);
    let mut out = BEFORE.to_vec();
    let by_reference = reference()
        .json_to_wire(input.message, input.rest, &mut out, &reference_options)
        .map(|()| out);
    agree_on_json(&input, by_ours, by_reference);
}

/// Wire bytes to JSON: the same messages are taken, for the same text.
pub fn wire_to_json(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let (ours_options, reference_options) = input.write_options();
    let mut out = BEFORE.to_vec();
    let by_ours = ours(input.rest)
        .wire_to_json(input.message, input.rest, &mut out, &ours_options)
        .map(|()| out);
    let mut out = BEFORE.to_vec();
    let by_reference = reference()
        .wire_to_json(input.message, input.rest, &mut out, &reference_options)
        .map(|()| out);
    agree_on_wire(&input, by_ours, by_reference);
}

/// Wire bytes to JSON and back: whatever is taken comes back whole, unknown
/// fields among it; and both readers read what was written alike.
pub fn round_trip(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else {
        return;
    };
    let (options, _) = input.write_options();
    let options = portolan_transcode::WriteOptions {
        keep_unknown: true,
        recursion_limit: 100,
        ..options
    };
    let write = |wire: &[u8]| {
        let mut json = Vec::new();
        ours(input.rest)
            .wire_to_json(input.message, wire, &mut json, &options)
            .map(|()| json)
    };
    let Ok(json) = write(input.rest) else {
        return;
    };
    // Of its exact size, so that the sanitizer notices a read behind its end.
    let json = json.into_boxed_slice();
    let read = portolan_transcode::ReadOptions {
        keep_unknown: true,
        ..Default::default()
    };
    let mut wire = Vec::new();
    let back = ours(input.rest)
        .json_to_wire(input.message, &json, &mut wire, &read)
        .map(|()| wire);
    let read = portolan_transcode_oracle::ReadOptions {
        keep_unknown: true,
        ..Default::default()
    };
    let mut wire = Vec::new();
    let by_reference = reference()
        .json_to_wire(input.message, &json, &mut wire, &read)
        .map(|()| wire);
    let text = Input {
        rest: &json,
        ..input
    };
    agree_on_json(&text, back.clone(), by_reference);
    let again = back.and_then(|wire| write(&wire.into_boxed_slice()));
    came_back(&text, again);
}
