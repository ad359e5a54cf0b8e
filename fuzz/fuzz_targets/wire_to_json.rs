//! Wire bytes to JSON, held against the reference.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portolan_fuzz::wire_to_json(bytes));
