//! Memory does not grow with what strangers send, nor with what the server does not take.
//!
//! Seen from outside, in the resident memory of the process at its highest.

mod endless;
mod expensive;
mod waiting;

use std::time::Duration;

use super::stage::Stage;

/// Long enough on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a stanza may cost that is made to be as expensive as can be: 130,000 attributes of eight
/// bytes are as many structures.
pub const WORST: u64 = 96 << 20;

/// A request of another user's, and the beginning of its answer.
pub const BOB: (&str, &str) = (
    "<iq type='get' id='bob' from='bob@localhost/pad' to='private.localhost'>\
     <query xmlns='jabber:iq:private'><a xmlns='urn:x'/></query></iq>",
    "<iq type='result' id='bob'",
);

/// By how much the process grew at its highest while this was done.
pub fn growth(stage: &mut Stage, what: impl FnOnce(&mut Stage)) -> u64 {
    stage.store("<warm xmlns='urn:up'>1</warm>");
    let before = stage.component.memory().expect("it runs");
    what(stage);
    let after = stage.component.memory().expect("it runs");
    let growth = after.peak - before.peak;
    println!("{} KiB, then {} KiB more", before.peak >> 10, growth >> 10);
    growth
}
