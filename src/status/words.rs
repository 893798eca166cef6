//! How amounts, moments and states are put into words, wherever they are told.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::known::Bookmarks;

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

/// A moment, to the second.
pub fn moment(moment: &DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long something has lasted, or will, in the largest unit that fits.
pub fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [
        (86_400, "day", "days"),
        (3_600, "hour", "hours"),
        (60, "minute", "minutes"),
    ];
    let fits = units.into_iter().find(|(unit, ..)| seconds >= *unit);
    match fits {
        Some((unit, one, more)) => count(seconds / unit, one, more),
        None => count(seconds, "second", "seconds"),
    }
}

/// How long it is from one moment to another, or nothing if that is past.
pub fn between(from: &DateTime<Utc>, to: &DateTime<Utc>) -> Duration {
    (*to - *from).to_std().unwrap_or_default()
}

/// Where no domain needs to delegate.
pub const NO_DELEGATION: &str = "delegation: none is expected, since access.delegation is \"none\"";

/// Whether room bookmarks are kept in step, and if not, why.
pub fn bookmarks(state: Bookmarks) -> &'static str {
    match state {
        Bookmarks::InStep => "kept in step with PEP",
        Bookmarks::Off => "not kept in step with PEP, as bookmarks.mode says",
        Bookmarks::NoAccess => {
            "not kept in step with PEP: the component has no access to it (XEP-0356)"
        }
        Bookmarks::Silent => "not kept in step with PEP for now: it does not answer",
    }
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
    fn time_is_told_in_the_largest_unit_that_fits() {
        let told = [0, 1, 59, 60, 7_199, 7_200, 90_000, 200_000];
        let told = told.map(|seconds| lasting(Duration::from_secs(seconds)));
        let expected = [
            "0 seconds",
            "1 second",
            "59 seconds",
            "1 minute",
            "1 hour",
            "2 hours",
            "1 day",
            "2 days",
        ];
        assert_eq!(told, expected);
    }
}
