//! One value, as the file or the environment gave it, and the questions a key asks of it.

use std::ops::RangeInclusive;

use toml::de::DeValue;

/// How much of a wrong value a message repeats, in characters.
const SHOWN: usize = 80;

/// One value, before anything is known about it.
pub(super) enum Given<'a> {
    /// From a variable: always text; numbers and lists are read out of it.
    Variable(&'a str),
    /// From the file: of a type, which must be the right one.
    File(&'a DeValue<'a>),
}

/// Why a value cannot be used.
pub(super) struct Wrong {
    /// What is wrong, when that is only a part of the value.
    pub found: Option<String>,
    /// What would have been right, as in "expected …".
    pub expected: String,
}

impl Wrong {
    pub fn expected(expected: impl Into<String>) -> Self {
        Wrong {
            found: None,
            expected: expected.into(),
        }
    }
}

impl Given<'_> {
    /// A text that `read` understands.
    pub fn text<T>(&self, expected: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Wrong> {
        let text = match self {
            Given::Variable(text) => Some(*text),
            Given::File(DeValue::String(text)) => Some(text.as_ref()),
            Given::File(_) => None,
        };
        text.and_then(read).ok_or_else(|| Wrong::expected(expected))
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Wrong> {
        let names: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.text(&names.join(" or "), |text| {
            words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, meaning)| *meaning)
        })
    }

    /// Yes or no.
    pub fn truth(&self) -> Result<bool, Wrong> {
        match self {
            Given::Variable("true") => Ok(true),
            Given::Variable("false") => Ok(false),
            Given::File(DeValue::Boolean(value)) => Ok(*value),
            // Quotes around a word are easily overlooked by whoever wrote them.
            Given::File(DeValue::String(_)) => {
                Err(Wrong::expected("true or false, without quotes"))
            }
            Given::Variable(_) | Given::File(_) => Err(Wrong::expected("true or false")),
        }
    }

    /// A whole number in a range, of any type that holds the whole range.
    pub fn whole<T: TryFrom<u64>>(
        &self,
        range: RangeInclusive<u64>,
        what: &str,
    ) -> Result<T, Wrong> {
        let number = match self {
            Given::Variable(text) => text.parse().ok(),
            Given::File(DeValue::Integer(integer)) => {
                u64::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
            Given::File(_) => None,
        };
        number
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                let (least, most) = range.into_inner();
                // Quotes around a number are easily overlooked by whoever wrote them.
                let quotes = match self {
                    Given::File(DeValue::String(_)) => ", without quotes",
                    _ => "",
                };
                Wrong::expected(format!("{what} from {least} to {most}{quotes}"))
            })
    }

    /// A list of texts that `read` understands; in a variable, commas separate them.
    pub fn list<T>(
        &self,
        list: &str,
        item: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, Wrong> {
        match self {
            Given::Variable(text) => text
                .split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(Given::Variable)
                .map(|given| given.item(item, &read))
                .collect(),
            Given::File(DeValue::Array(array)) => array
                .iter()
                .map(|value| Given::File(value.get_ref()).item(item, &read))
                .collect(),
            Given::File(_) => Err(Wrong::expected(list)),
        }
    }

    fn item<T>(&self, expected: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, Wrong> {
        self.text(expected, read).map_err(|wrong| Wrong {
            found: Some(self.shown()),
            ..wrong
        })
    }

    /// The value as a message repeats it.
    pub fn shown(&self) -> String {
        match self {
            Given::Variable(text) => quoted(text),
            Given::File(DeValue::String(text)) => quoted(text),
            Given::File(DeValue::Integer(number)) => shortened(&number.to_string()),
            Given::File(DeValue::Float(number)) => shortened(&number.to_string()),
            Given::File(DeValue::Boolean(value)) => value.to_string(),
            Given::File(_) => self.kind().to_owned(),
        }
    }

    /// What sort of value it is: all that a message may say of a secret.
    pub fn kind(&self) -> &'static str {
        match self {
            Given::Variable(_) | Given::File(DeValue::String(_)) => "a string",
            Given::File(DeValue::Integer(_) | DeValue::Float(_)) => "a number",
            Given::File(DeValue::Boolean(_)) => "true or false",
            Given::File(DeValue::Datetime(_)) => "a date",
            Given::File(DeValue::Array(_)) => "a list",
            Given::File(DeValue::Table(_)) => "a table",
        }
    }
}

/// In quotes and with escapes, so that a message stays one line whatever was typed.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The known name that is nearest to what was typed, if it is near enough to be meant.
pub(super) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // No name is nearly that long, and the work grows with its length.
    if typed.len() > 80 {
        return None;
    }
    // One letter in three: beyond that, guesses mislead more than they help.
    let near = (typed.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(typed, name), name))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_what_is_near_is_proposed() {
        let known = ["jid", "server", "secret"];
        assert_eq!(nearest("sercet", known), Some("secret"));
        assert_eq!(nearest("Server", known), Some("server"));
        assert_eq!(nearest("password", known), None);
        assert_eq!(nearest(&"secret".repeat(1000), known), None);
    }
}
