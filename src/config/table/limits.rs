//! `[limits]`: how much one stanza, one namespace and one user may hold, and all that is under way.

use super::{BYTES, Setting, Value};

pub(super) const SETTINGS: &[Setting] = &[
    setting!(
        limits.max_stanza_bytes,
        Value::Default("1048576"),
        at once,
        "The longest stanza that is accepted. Servers have limits of their own, usually lower.",
        // RFC 6120, section 13.12, asks for no less.
        |given| given.whole(10_000..=64 << 20, BYTES)?
    ),
    setting!(
        limits.max_namespace_bytes,
        Value::Default("393216"),
        at once,
        "How much one user may keep in one namespace. All of it is sent in one answer, which the \
         server must let through: Prosody closes the connection if it is over 524288.",
        |given| given.whole(1 << 10..=64 << 20, BYTES)?
    ),
    setting!(
        limits.max_user_bytes,
        Value::Default("10485760"),
        at once,
        "How much one user may keep altogether, so that nobody fills the disk. Where this is lower \
         than max_namespace_bytes, that is as low; both set so are refused.",
        |given| given.whole(1 << 10..=1 << 40, BYTES)?
    ),
    setting!(
        limits.max_user_elements,
        Value::Default("1000"),
        at once,
        "How many elements one user may keep altogether.",
        |given| given.whole(1..=1_000_000, "a number of elements")?
    ),
    setting!(
        limits.max_depth,
        Value::Default("256"),
        at once,
        "How deeply elements may be nested. No known client comes near this.",
        // ejabberd itself dies of 3,500.
        |given| given.whole(16..=1_024, "a number of levels")?
    ),
    setting!(
        limits.max_open_bytes,
        Value::Default("33554432"),
        at once,
        "How much all requests that have no answer yet may take in memory. Over this, nothing more \
         is read from the server for a moment.",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
    setting!(
        limits.max_user_open_bytes,
        Value::Default("4194304"),
        at once,
        "How much the requests of one user that have no answer yet may take in memory. Over this, \
         more requests of that user are refused.",
        |given| given.whole(1 << 10..=64 << 30, BYTES)?
    ),
    setting!(
        limits.max_unsent_bytes,
        Value::Default("8388608"),
        at once,
        "How much the answers that the server has not taken yet may take in memory. Over this, \
         nothing more is read from the server for a moment.",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
];
