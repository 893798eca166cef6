//! Lua's strings: between quotes, with escapes, and in long brackets.

use super::{Error, Parser, is_space};

impl Parser<'_> {
    /// A string between quotes, with its escapes.
    pub fn string(&mut self, quote: u8) -> Result<Vec<u8>, Error> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let plain = |byte: &&u8| **byte != quote && !matches!(**byte, b'\\' | b'\n' | b'\r');
            let length = self.rest().iter().take_while(plain).count();
            self.charge(length)?;
            out.extend_from_slice(self.rest().get(..length).unwrap_or_default());
            self.at += length;
            match self.peek() {
                Some(byte) if byte == quote => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.charge(1)?;
                    self.escape(&mut out)?;
                }
                _ => return self.fail("a string without an end"),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(letter) = self.text.get(self.at + 1).copied() else {
            return self.fail("a string without an end");
        };
        let begin = self.at;
        self.at += 2;
        let byte = match letter {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' | b'\n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'\\' | b'"' | b'\'' => letter,
            b'\r' => {
                self.take(b"\n");
                b'\n'
            }
            b'z' => {
                let blanks = self.rest().iter().take_while(|byte| is_space(**byte));
                self.at += blanks.count();
                return Ok(());
            }
            b'x' => match self.digits(2, 16).map(u8::try_from) {
                Some(Ok(byte)) if self.at == begin + 4 => byte,
                _ => return self.fail("an escape that cannot be read"),
            },
            b'u' if self.take(b"{") => {
                let character = self.digits(8, 16).and_then(char::from_u32);
                match (character, self.take(b"}")) {
                    (Some(character), true) => {
                        let mut bytes = [0; 4];
                        out.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
                        return Ok(());
                    }
                    _ => return self.fail("an escape that cannot be read"),
                }
            }
            b'0'..=b'9' => {
                self.at -= 1;
                match self.digits(3, 10).map(u8::try_from) {
                    Some(Ok(byte)) => byte,
                    _ => return self.fail("an escape that cannot be read"),
                }
            }
            _ => return self.fail("an escape that Lua does not know"),
        };
        out.push(byte);
        Ok(())
    }

    /// A number of at most so many digits.
    fn digits(&mut self, most: usize, radix: u32) -> Option<u32> {
        let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
        let length = self.rest().iter().take(most).take_while(is_digit).count();
        let text = std::str::from_utf8(self.rest().get(..length)?).ok()?;
        let number = u32::from_str_radix(text, radix).ok();
        self.at += length;
        number
    }

    /// The level of the long bracket that opens here, if one does: 0 for `[[`.
    pub fn bracket_level(&self) -> Option<usize> {
        let after = self.rest().strip_prefix(b"[")?;
        let level = after.iter().take_while(|byte| **byte == b'=').count();
        (after.get(level) == Some(&b'[')).then_some(level)
    }

    /// The same, and goes into it.
    pub fn long_bracket(&mut self) -> Option<usize> {
        let level = self.bracket_level()?;
        self.at += level + 2;
        Some(level)
    }

    /// The rest of a string in long brackets of this level.
    pub fn long_string(&mut self, level: usize) -> Result<Vec<u8>, Error> {
        let _ = self.take(b"\r\n") || self.take(b"\n");
        let close = [b"]", "=".repeat(level).as_bytes(), b"]"].concat();
        let rest = self.rest();
        let Some(length) = memchr::memmem::find(rest, &close) else {
            return self.fail("a string without an end");
        };
        self.charge(length)?;
        let text = self.rest().get(..length).unwrap_or_default();
        let mut out = Vec::with_capacity(length);
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'\r' if text.get(at + 1) == Some(&b'\n') => {}
                b'\r' => out.push(b'\n'),
                byte => out.push(*byte),
            }
        }
        self.at += length + close.len();
        Ok(out)
    }
}
