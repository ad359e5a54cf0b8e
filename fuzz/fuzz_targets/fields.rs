//! Single fields, as HTTP rules have them, held against the reference.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portolan_fuzz::fields(bytes));
