//! The part of Lua in which Prosody writes its data: `return`, and a table of tables, strings,
//! numbers and booleans. It is read, never run: anything that could do something is an error.

mod strings;

/// A value. Numbers matter as keys alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `nil`, and what no data of ours is made of: booleans, and numbers that are no integers.
    Other,
    Integer(i64),
    /// A string: any bytes.
    String(Vec<u8>),
    Table(Table),
}

/// A table's fields, as they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table(Vec<(Value, Value)>);

/// What is wrong, and at which byte.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    pub why: &'static str,
    pub at: usize,
}

/// As deep as Lua itself goes; Prosody writes at most 127 levels.
const MAX_DEPTH: usize = 190;
/// What a field takes in memory, about.
const FIELD: usize = 96;

impl Table {
    /// What stands under a string.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut fields = self.0.iter().rev();
        let found =
            fields.find(|(known, _)| matches!(known, Value::String(s) if s == key.as_bytes()));
        found.map(|(_, value)| value)
    }

    /// All that stands under strings.
    pub fn named(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.0.iter().filter_map(|(key, value)| match key {
            Value::String(key) => Some((key.as_slice(), value)),
            _ => None,
        })
    }

    /// What stands under 1, 2, 3, …
    pub fn sequence(&self) -> Vec<&Value> {
        let mut numbered: Vec<(i64, &Value)> = Vec::new();
        for (key, value) in &self.0 {
            if let Value::Integer(at) = key {
                numbered.push((*at, value));
            }
        }
        numbered.sort_by_key(|(at, _)| *at);
        // Of two under one number the later counts.
        numbered.reverse();
        numbered.dedup_by_key(|(at, _)| *at);
        numbered.reverse();
        let first = numbered.iter().position(|(at, _)| *at == 1);
        let numbered = numbered.into_iter().skip(first.unwrap_or(usize::MAX));
        let numbered = numbered.zip(1..).take_while(|((at, _), count)| at == count);
        numbered.map(|((_, value), _)| value).collect()
    }
}

/// Reads a file that returns a table, which may take so many bytes of memory.
pub fn parse(text: &[u8], memory: usize) -> Result<Table, Error> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        memory,
    };
    parser.blank()?;
    if parser.word() != b"return" {
        return parser.fail("it does not begin with return");
    }
    parser.blank()?;
    let Value::Table(table) = parser.value()? else {
        return parser.fail("it does not return a table");
    };
    parser.blank()?;
    if parser.peek() == Some(b';') {
        parser.at += 1;
        parser.blank()?;
    }
    match parser.peek() {
        None => Ok(table),
        Some(_) => parser.fail("there is more than one value"),
    }
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    memory: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, why: &'static str) -> Result<T, Error> {
        Err(Error { why, at: self.at })
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, token: &[u8]) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        match self.memory.checked_sub(bytes) {
            Some(left) => self.memory = left,
            None => return self.fail(TOO_MUCH),
        }
        Ok(())
    }

    fn blank(&mut self) -> Result<(), Error> {
        loop {
            let blanks = self.rest().iter().take_while(|byte| is_space(**byte));
            self.at += blanks.count();
            if !self.take(b"--") {
                return Ok(());
            }
            match self.long_bracket() {
                Some(level) => drop(self.long_string(level)?),
                None => self.at += self.rest().iter().take_while(|b| **b != b'\n').count(),
            }
        }
    }

    fn word(&mut self) -> &[u8] {
        let rest = self.rest();
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let length = rest.iter().take_while(is_part).count();
        let begin = self.at;
        self.at += length;
        self.text.get(begin..self.at).unwrap_or_default()
    }

    fn value(&mut self) -> Result<Value, Error> {
        match self.peek() {
            Some(b'{') => self.table().map(Value::Table),
            Some(quote @ (b'"' | b'\'')) => self.string(quote).map(Value::String),
            Some(b'[') => match self.long_bracket() {
                Some(level) => self.long_string(level).map(Value::String),
                None => self.fail("a [ where no key is allowed"),
            },
            Some(b'0'..=b'9' | b'-' | b'.') => self.number(),
            // As Prosody writes infinities, and what is no number.
            Some(b'(')
                if [&b"(1/0)"[..], b"(-1/0)", b"(0/0)"]
                    .iter()
                    .any(|n| self.take(n)) =>
            {
                Ok(Value::Other)
            }
            _ => {
                let begin = self.at;
                match self.word() {
                    b"true" | b"false" | b"nil" => Ok(Value::Other),
                    _ => {
                        self.at = begin;
                        self.fail("something that is not plain data")
                    }
                }
            }
        }
    }

    fn table(&mut self) -> Result<Table, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail("tables nested too deeply");
        }
        self.at += 1; // {
        let mut fields = Vec::new();
        let mut count = 0;
        loop {
            self.blank()?;
            if self.take(b"}") {
                self.depth -= 1;
                return Ok(Table(fields));
            }
            self.charge(FIELD)?;
            fields.push(self.field(&mut count)?);
            self.blank()?;
            if !self.take(b";") && !self.take(b",") && self.peek() != Some(b'}') {
                return self.fail("a field that does not end");
            }
        }
    }

    fn field(&mut self, count: &mut i64) -> Result<(Value, Value), Error> {
        let begin = self.at;
        let key = if self.peek() == Some(b'[') && self.bracket_level().is_none() {
            self.at += 1;
            self.blank()?;
            let key = self.value()?;
            self.blank()?;
            if !self.take(b"]") {
                return self.fail("a key without its ]");
            }
            Some(key)
        } else if self
            .peek()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        {
            Some(Value::String(self.word().to_vec()))
        } else {
            None
        };
        if let Some(key) = key {
            self.blank()?;
            if self.peek() == Some(b'=') {
                self.at += 1;
                self.blank()?;
                return Ok((key, self.value()?));
            }
            self.at = begin; // true, false and nil are words, too
        }
        *count += 1;
        Ok((Value::Integer(*count), self.value()?))
    }

    fn number(&mut self) -> Result<Value, Error> {
        let begin = self.at;
        let negative = self.take(b"-");
        let digits = self.at;
        while let Some(byte) = self.peek() {
            let sign_of_exponent = matches!(byte, b'+' | b'-')
                && self.at > digits
                && matches!(self.text.get(self.at - 1), Some(b'e' | b'E' | b'p' | b'P'));
            if !byte.is_ascii_alphanumeric() && byte != b'.' && !sign_of_exponent {
                break;
            }
            self.at += 1;
        }
        let text = self.text.get(digits..self.at).unwrap_or_default();
        let text = std::str::from_utf8(text).unwrap_or_default();
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let integer = match hexadecimal {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        if let Some(integer) = integer {
            return Ok(Value::Integer(if negative { -integer } else { integer }));
        }
        if hexadecimal.is_some() || text.parse::<f64>().is_ok_and(|_| is_decimal(text)) {
            return Ok(Value::Other);
        }
        self.at = begin;
        self.fail("a number that cannot be read")
    }
}

/// What [`Error::why`] says when the bound on memory was reached.
pub const TOO_MUCH: &str = "too much data";

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn is_decimal(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
}
