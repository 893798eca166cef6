//! `[disco]`: what we tell about ourselves to whoever asks.

use super::{Setting, Value};

pub(super) const SETTINGS: &[Setting] = &[
    setting!(
        disco.contact,
        Value::Sample("[\"mailto:admin@example.org\"]"),
        at once,
        "Where users reach you: mailto:, xmpp: or https: addresses. Anybody may ask for them.",
        |given| {
            let list = "a list of addresses, such as [\"mailto:admin@example.org\"]";
            given.list(list, "an address with mailto:, xmpp: or https: before it", contact)?
        }
    ),
    setting!(
        disco.os,
        Value::Sample("\"Debian 13\""),
        at once,
        "The operating system that is named to anybody who asks. Nobody needs it.",
        |given| Some(given.text("one line of text, such as \"Debian 13\"", line)?)
    ),
];

fn contact(text: &str) -> Option<String> {
    let known = ["mailto:", "xmpp:", "https:"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    let stray = |c: char| c.is_whitespace() || c.is_control();
    (known && !text.contains(stray)).then(|| text.to_owned())
}

fn line(text: &str) -> Option<String> {
    let said = !text.trim().is_empty() && !text.contains(char::is_control);
    said.then(|| text.to_owned())
}
