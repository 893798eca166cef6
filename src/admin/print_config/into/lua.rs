//! Lua, as far as Prosody's files are written in it: what they include, whose part begins where, and what is
//! set for the whole server.

use std::iter::Peekable;
use std::vec::IntoIter;

/// What a file says, and in which line, from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Statement {
    pub line: usize,
    pub what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// A host or a component of this name.
    Host(String),
    /// What is included: a name or a pattern.
    Include(String),
    /// A setting of the global part, which ends with the first host: the strings, numbers and names in its
    /// value.
    Global(String, Vec<String>),
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A name or a number.
    Word(String),
    /// A string, without what it is quoted by.
    Text(String),
    Sign(char),
}

/// Each token with its line.
type Tokens = Peekable<IntoIter<(usize, Token)>>;

/// What a file says, in order.
pub fn read(text: &str) -> Vec<Statement> {
    let mut tokens = tokens(text).into_iter().peekable();
    let mut statements = Vec::new();
    let mut is_global = true;
    while let Some((line, token)) = tokens.next() {
        let Token::Word(word) = token else {
            continue;
        };
        let what = match &*word {
            "VirtualHost" | "Host" | "host" | "Component" | "component" => {
                string(&mut tokens).map(|name| {
                    // A component may have a kind; options in braces are all that is said of a host.
                    let _ = string(&mut tokens);
                    is_global = table(&mut tokens).is_some();
                    What::Host(name)
                })
            }
            "Include" | "include" => string(&mut tokens).map(What::Include),
            _ => value(&mut tokens)
                .filter(|_| is_global)
                .map(|values| What::Global(word, values)),
        };
        statements.extend(what.map(|what| Statement { line, what }));
    }
    statements
}

/// A string that is an argument, in parentheses or without.
fn string(tokens: &mut Tokens) -> Option<String> {
    tokens.next_if(|(_, it)| *it == Token::Sign('('));
    let text = tokens.next_if(|(_, it)| matches!(it, Token::Text(_)));
    let text = text.map(|(_, it)| it.into_word());
    tokens.next_if(|(_, it)| *it == Token::Sign(')'));
    text
}

/// What a name is set to; from Prosody 13 on, a table without `=` is added to what it is.
fn value(tokens: &mut Tokens) -> Option<Vec<String>> {
    if tokens.next_if(|(_, it)| *it == Token::Sign('=')).is_none() {
        return table(tokens);
    }
    table(tokens).or_else(|| tokens.next().map(|(_, it)| vec![it.into_word()]))
}

/// What is in a table, and in those in it.
fn table(tokens: &mut Tokens) -> Option<Vec<String>> {
    tokens.next_if(|(_, it)| *it == Token::Sign('{'))?;
    let (mut values, mut open) = (Vec::new(), 1);
    while open > 0 {
        match tokens.next()?.1 {
            Token::Sign('{') => open += 1,
            Token::Sign('}') => open -= 1,
            Token::Sign(_) => {}
            it => values.push(it.into_word()),
        }
    }
    Some(values)
}

impl Token {
    fn into_word(self) -> String {
        match self {
            Self::Word(word) | Self::Text(word) => word,
            Self::Sign(sign) => sign.to_string(),
        }
    }
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let (mut tokens, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let (token, behind) = token(first, rest);
        tokens.extend(token.map(|it| (line, it)));
        let length = rest.len() - behind.len();
        line += rest.bytes().take(length).filter(|it| *it == b'\n').count();
        rest = behind;
    }
    tokens
}

/// The first token, or none if it is white space or a comment; and what is behind.
fn token(first: char, text: &str) -> (Option<Token>, &str) {
    if let Some(comment) = text.strip_prefix("--") {
        let to_the_end = || comment.split_at(comment.find('\n').unwrap_or(comment.len()));
        return (None, long(comment).unwrap_or_else(to_the_end).1);
    }
    if let Some((string, behind)) = long(text) {
        return (Some(Token::Text(string.to_owned())), behind);
    }
    let is_word = |it: char| it.is_ascii_alphanumeric() || "_.".contains(it);
    if is_word(first) {
        let (word, behind) =
            text.split_at(text.find(|it: char| !is_word(it)).unwrap_or(text.len()));
        return (Some(Token::Word(word.to_owned())), behind);
    }
    let behind = text.get(first.len_utf8()..).unwrap_or_default();
    match first {
        '"' | '\'' => {
            let (string, behind) = quoted(first, behind);
            (Some(Token::Text(string)), behind)
        }
        _ => (
            (!first.is_whitespace()).then_some(Token::Sign(first)),
            behind,
        ),
    }
}

/// What stands between `[[` and `]]`, or with any number of `=` between the brackets; and what is behind.
fn long(text: &str) -> Option<(&str, &str)> {
    let level = text.strip_prefix('[')?;
    let body = level.trim_start_matches('=');
    let equals = level.len() - body.len();
    let body = body.strip_prefix('[')?;
    let end = format!("]{}]", "=".repeat(equals));
    Some(body.split_once(&end).unwrap_or((body, "")))
}

/// A string up to this quote, and what is behind. Of escapes only those are read that stand for the
/// character itself: names and ports have no others.
fn quoted(quote: char, text: &str) -> (String, &str) {
    let (mut string, mut rest) = (String::new(), text.chars());
    while let Some(it) = rest.next() {
        match it {
            '\\' => string.extend(rest.next()),
            _ if it == quote => break,
            _ => string.push(it),
        }
    }
    (string, rest.as_str())
}
