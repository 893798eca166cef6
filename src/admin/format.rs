//! Amounts and names as an administrator reads them.

pub use crate::status::words::{bytes, count};

/// What users have named, without what would make a terminal do something.
pub fn shown(name: &str) -> String {
    let escaped = |c: char| c.escape_default().to_string();
    name.chars()
        .map(|c| {
            if c.is_control() {
                escaped(c)
            } else {
                c.to_string()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        assert_eq!(shown("jürgen\x1b[2J\n😀"), "jürgen\\u{1b}[2J\\n😀");
    }
}
