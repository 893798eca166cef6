//! The table of settings, as people read it.

use std::fmt::Write;

use super::table::{Value, settings};

/// How wide a line of the example may be.
const WIDTH: usize = 100;

const HEADER: &str = "\
# Copy to component.toml (looked for in the working directory, then in
# /etc/xmpp-private-storage/), set component.jid, component.secret and access.domains, and you are
# done: all others are shown with their defaults. Each setting can also be given as an environment
# variable, which wins over the file: PRIVATE_STORAGE_COMPONENT_SECRET,
# PRIVATE_STORAGE_LIMITS_MAX_USER_BYTES, and so on; lists are separated by commas there.
";

/// `component.example.toml`.
#[must_use]
pub fn example() -> String {
    let mut text = HEADER.to_owned();
    let mut section = "";
    for setting in settings() {
        if setting.section != section {
            section = setting.section;
            let _ = write!(text, "\n[{section}]\n");
        }
        comment(setting.about, &mut text);
        let (mark, value) = match setting.value {
            Value::Required(value) | Value::Default(value) => ("", value),
            Value::PostgresDefault(value) | Value::Sample(value) => ("# ", value),
        };
        let _ = writeln!(text, "{mark}{} = {value}", setting.name);
    }
    text
}

/// Writes this as a comment.
fn comment(words: &str, out: &mut String) {
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line.clear();
        }
        line.push_str(if line.is_empty() { "# " } else { " " });
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(out, "{line}");
    }
}
