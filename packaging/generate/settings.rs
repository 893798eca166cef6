//! What can be set, as `component.example.toml` tells it. Tests hold that file to the program's own
//! table of keys, so nothing is told here that is not so.

const EXAMPLE: &str = include_str!("../../component.example.toml");

/// Keys that one comment is about: a comment speaks of the keys that follow it without another.
pub struct Group {
    /// As in `[section]`.
    pub section: &'static str,
    /// Each key with the example's value, which is its default unless the comment says otherwise.
    pub keys: Vec<(&'static str, &'static str)>,
    /// What they are for.
    pub about: String,
}

impl Group {
    /// The environment twin of a key.
    pub fn variable(&self, key: &str) -> String {
        format!("PRIVATE_STORAGE_{}_{key}", self.section).to_uppercase()
    }
}

/// All settings, in the order of the example.
pub fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut section = "";
    let mut about: Vec<&str> = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            section = name;
            // Above the first section, the file speaks of itself.
            about.clear();
        } else if let Some(key) = key(line) {
            match groups.last_mut() {
                Some(group) if about.is_empty() && group.section == section => group.keys.push(key),
                _ => groups.push(Group {
                    section,
                    keys: vec![key],
                    about: about.join(" "),
                }),
            }
            about.clear();
        } else if let Some(comment) = line.strip_prefix("# ") {
            about.push(comment);
        }
    }
    groups
}

/// A line that sets a key, or would without the `# ` before it.
fn key(line: &'static str) -> Option<(&'static str, &'static str)> {
    let (name, value) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(plain).then_some((name, value))
}
