//! Wire bytes to JSON and back: nothing is lost.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portolan_fuzz::round_trip(bytes));
