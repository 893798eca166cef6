//! See `xmpp_private_storage_fuzz::tokens`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| xmpp_private_storage_fuzz::tokens(data));
