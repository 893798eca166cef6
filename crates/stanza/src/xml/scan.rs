//! Finds where markup begins and ends in a byte stream, and nothing more: no names, no values.
//! It may be stopped and continued at any byte.

use memchr::{memchr, memchr3};

/// A whole piece of markup that has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Markup {
    /// `<a …>`
    Start,
    /// `<a …/>`
    Empty,
    /// `</a>`
    End,
    /// A comment, a CDATA section or a processing instruction.
    Other,
}

/// Why the stream cannot be read on: it is not XML, so no boundary in it can be trusted.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct NotXml(pub &'static str);

#[derive(Debug, Clone, Copy)]
enum State {
    Text,
    /// At `<`, or just behind it.
    Begin,
    Less,
    /// After `<!` and this many bytes more.
    Bang(usize),
    /// In a start tag, outside quotes; whether the last byte was `/`.
    StartTag(bool),
    /// In a start tag, inside these quotes.
    Quoted(u8),
    EndTag,
    /// In markup that ends with these bytes, of which so many have been seen.
    Until(&'static [u8; 3], usize),
}

const COMMENT: &[u8] = b"--";
const CDATA: &[u8] = b"[CDATA[";

#[derive(Debug)]
pub struct Scanner {
    state: State,
    /// The bytes after `<!`, which decide what it opens.
    bang: [u8; CDATA.len()],
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Text,
            bang: [0; CDATA.len()],
        }
    }
}

impl Scanner {
    /// How many bytes of character data stand at the front of `input`: 0 inside markup, and at
    /// a `<`.
    pub fn text(&mut self, input: &[u8]) -> usize {
        if !matches!(self.state, State::Text) {
            return 0;
        }
        match memchr(b'<', input) {
            Some(at) => {
                self.state = State::Begin;
                at
            }
            None => input.len(),
        }
    }

    /// Takes markup from the front of `input`, which [`Scanner::text`] has brought to its `<`:
    /// how many bytes, and which kind if it ended there.
    pub fn markup(&mut self, input: &[u8]) -> Result<(usize, Option<Markup>), NotXml> {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            let (taken, ended) = match self.state {
                State::Text | State::Begin => {
                    self.state = State::Less;
                    (1, None)
                }
                State::Less => (self.less(rest[0])?, None),
                State::Bang(seen) => (self.bang(rest[0], seen)?, None),
                State::StartTag(slash) => self.start_tag(rest, slash),
                State::Quoted(quote) => (self.quoted(rest, quote), None),
                State::EndTag => match memchr(b'>', rest) {
                    Some(at) => (at + 1, Some(Markup::End)),
                    None => (rest.len(), None),
                },
                State::Until(end, seen) => self.until(rest, end, seen),
            };
            at += taken;
            if ended.is_some() {
                self.state = State::Text;
                return Ok((at, ended));
            }
        }
        Ok((at, None))
    }

    fn less(&mut self, byte: u8) -> Result<usize, NotXml> {
        self.state = match byte {
            b'/' => State::EndTag,
            b'!' => State::Bang(0),
            b'?' => State::Until(b"\0?>", 1),
            b'>' | b'<' => return Err(NotXml("a tag without a name")),
            _ => State::StartTag(false),
        };
        Ok(1)
    }

    fn bang(&mut self, byte: u8, seen: usize) -> Result<usize, NotXml> {
        self.bang[seen] = byte;
        let so_far = &self.bang[..=seen];
        self.state = if so_far == COMMENT {
            State::Until(b"-->", 0)
        } else if so_far == CDATA {
            State::Until(b"]]>", 0)
        } else if COMMENT.starts_with(so_far) || CDATA.starts_with(so_far) {
            State::Bang(seen + 1)
        } else {
            return Err(NotXml("a document type declaration"));
        };
        Ok(1)
    }

    fn start_tag(&mut self, rest: &[u8], slash: bool) -> (usize, Option<Markup>) {
        let Some(at) = memchr3(b'>', b'"', b'\'', rest) else {
            self.state = State::StartTag(rest.ends_with(b"/"));
            return (rest.len(), None);
        };
        let slash = if at == 0 { slash } else { rest[at - 1] == b'/' };
        match rest[at] {
            b'>' if slash => (at + 1, Some(Markup::Empty)),
            b'>' => (at + 1, Some(Markup::Start)),
            quote => {
                self.state = State::Quoted(quote);
                (at + 1, None)
            }
        }
    }

    fn quoted(&mut self, rest: &[u8], quote: u8) -> usize {
        match memchr(quote, rest) {
            Some(at) => {
                self.state = State::StartTag(false);
                at + 1
            }
            None => rest.len(),
        }
    }

    /// `?>` is looked for as `\0?>` with its first byte already seen, so that all three ends are
    /// found by one rule: two bytes that may repeat, and `>`.
    fn until(
        &mut self,
        rest: &[u8],
        end: &'static [u8; 3],
        seen: usize,
    ) -> (usize, Option<Markup>) {
        let least = usize::from(end[0] == 0);
        let mut seen = seen.max(least);
        for (at, byte) in rest.iter().enumerate() {
            seen = if *byte == end[seen] {
                seen + 1
            } else if seen == 2 && *byte == end[1] {
                2 // `--->`, `]]]>` and `??>`: the last of them still count
            } else {
                least + usize::from(*byte == end[least])
            };
            if seen == end.len() {
                return (at + 1, Some(Markup::Other));
            }
        }
        self.state = State::Until(end, seen);
        (rest.len(), None)
    }
}
