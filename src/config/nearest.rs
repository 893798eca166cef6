//! What somebody may have meant who mistyped a name.

/// The known name that is nearest to what was typed, if it is near enough to be meant.
pub(super) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // One letter in three: beyond that, guesses mislead more than they help.
    let near = (typed.chars().count() / 3).clamp(1, 3);
    // No name is nearly that long, and the work grows with its length.
    if typed.len() > 80 {
        return None;
    }
    known
        .into_iter()
        .map(|name| (distance(typed, name), name))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters have to be added, dropped, replaced or swapped with their neighbour to come
/// from one word to the other (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 0..from.len() {
        let mut row = vec![i + 1];
        for j in 0..to.len() {
            let replaced = last[j] + usize::from(from[i] != to[j]);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j] {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (from, to, letters) in [
            ("secret", "secret", 0),
            ("sercet", "secret", 1),
            ("secert", "secret", 1),
            ("jid", "id", 1),
            ("", "jid", 3),
            ("domain", "domains", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from, to), letters, "{from} {to}");
            assert_eq!(distance(to, from), letters, "{to} {from}");
        }
    }

    #[test]
    fn only_what_is_near_is_proposed() {
        let known = ["jid", "server", "secret"];
        assert_eq!(nearest("sercet", known), Some("secret"));
        assert_eq!(nearest("Server", known), Some("server"));
        assert_eq!(nearest("password", known), None);
        assert_eq!(nearest(&"secret".repeat(1000), known), None);
    }
}
