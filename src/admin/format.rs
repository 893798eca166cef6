//! Amounts and names as an administrator reads them.

use std::path::Path;

/// So many bytes, in the largest unit that leaves a number before the point.
pub fn bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1023.95 && unit + 1 < units.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", units[unit])
}

pub fn count(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

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
    fn bytes_are_told_in_a_unit_that_fits() {
        let told = [0, 1023, 1024, 1_048_575, 1_048_576, 5 << 30].map(bytes);
        let expected = [
            "0 bytes",
            "1023 bytes",
            "1.0 KiB",
            "1.0 MiB",
            "1.0 MiB",
            "5.0 GiB",
        ];
        assert_eq!(told, expected);
    }

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
