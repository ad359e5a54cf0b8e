//! JSON to wire bytes, held against the reference.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portolan_fuzz::json_to_wire(bytes));
