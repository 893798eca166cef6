//! Amounts and names as an administrator reads them.

use std::path::Path;

pub use crate::status::words::{bytes, count};

/// A file that was named on the command line: a timer's log must say where it is. `-` is none.
pub fn file(path: &Path) -> String {
    let absolute = std::path::absolute(path).ok();
    let absolute = absolute.filter(|_| path != Path::new("-"));
    absolute.as_deref().unwrap_or(path).display().to_string()
}

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
    fn a_file_is_told_by_its_absolute_path() {
        let told = ["/a/b", "-"].map(|path| file(Path::new(path)));
        assert_eq!(told, ["/a/b", "-"]);
        let told = file(Path::new("./b"));
        assert!(told.starts_with('/') && told.ends_with("/b"), "{told}");
        assert!(!told.contains("./"), "{told}");
    }

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        assert_eq!(shown("jürgen\x1b[2J\n😀"), "jürgen\\u{1b}[2J\\n😀");
    }
}
