//! A document → its markup, piece by piece, in constant memory.
//!
//! A whole parser would have to hold the longest attribute of what is skipped, and ends for good
//! at much that costs nobody anything. So only the markup is looked at: whether every element is
//! ended by a tag of its own name. Elements that are wanted are kept as bytes, for a parser each.

use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::path::Path;

use super::input::{Input, Position};
use super::problem::{Place, Reason};
use super::progress::Progress;
use xmpp_stanza::xml::NotXml;
use xmpp_stanza::xml::scan::{Markup, Scanner};

/// So much of a tag is kept: more than any sound element of the format needs.
pub const MAX_TAG: usize = 64 * 1024;
/// So deep the names of open elements are remembered. Further in, they are only counted.
const MAX_NAMES: usize = 4096;
/// As much of a name is compared.
const MAX_NAME: usize = 1024;

pub struct Cutter {
    input: Input,
    scanner: Scanner,
    /// What the names of open elements hash to, from the outermost.
    names: Vec<u64>,
    /// How many more are open inside of these.
    deeper: usize,
    begun: bool,
    /// Where the element begins that is kept.
    begin: Position,
    /// Where the piece of markup begins.
    markup: Position,
    /// Its first bytes; none between two pieces.
    head: Vec<u8>,
    length: usize,
    keep: Keep,
}

/// What one look at the input brings.
enum Piece {
    /// The end of the document.
    End,
    /// Less than a whole piece of markup.
    Part,
    /// The end of a piece of markup, or of the hope that there is one.
    Markup(Result<Markup, NotXml>),
}

/// What is kept of what is read.
#[derive(Default)]
struct Keep {
    /// The depth at which something new begins: what is inside of it belongs to it.
    depth: usize,
    limit: usize,
    around: &'static [u8],
    bytes: Vec<u8>,
    cut: bool,
}

impl Keep {
    fn begin_anew(&mut self) {
        if self.bytes.capacity() > MAX_TAG {
            self.bytes = Vec::new(); // one large element must not hold its memory for ever
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(self.around);
        self.cut = false;
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = (self.limit + self.around.len()).saturating_sub(self.bytes.len());
        self.cut |= bytes.len() > room;
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Cutter {
    /// A cutter at the beginning of a document, which keeps each piece of markup by itself.
    pub fn new(read: Box<dyn Read + Send>, file: &Path, progress: Progress) -> Self {
        let input = Input::new(read, file, progress);
        let begin = input.position();
        let mut cutter = Self {
            input,
            scanner: Scanner::default(),
            names: Vec::new(),
            deeper: 0,
            begun: false,
            begin,
            markup: begin,
            head: Vec::new(),
            length: 0,
            keep: Keep::default(),
        };
        cutter.keep_tags();
        cutter
    }

    /// From the next piece of markup on, keeps each by itself.
    pub fn keep_tags(&mut self) {
        (self.keep.depth, self.keep.limit, self.keep.around) = (usize::MAX, MAX_TAG, b"");
    }

    /// From the next piece of markup on, keeps whole elements at this depth, up to so many bytes,
    /// with `around` before each.
    pub fn keep_elements(&mut self, depth: usize, limit: usize, around: &'static [u8]) {
        (self.keep.depth, self.keep.limit, self.keep.around) = (depth, limit, around);
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.names.len() + self.deeper
    }

    /// Where the last piece of markup, or the element that is kept, begins.
    pub fn begin(&self) -> Place {
        self.input.place(self.begin)
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.input.position().byte
    }

    /// What was kept of it, and whether there was more.
    pub fn kept(&mut self) -> (&mut Vec<u8>, bool) {
        let keep = &mut self.keep;
        (&mut keep.bytes, keep.cut)
    }

    /// Whether anything but white space and comments was there at all.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// The next piece of markup; none at the end of the document. Or why the document cannot be
    /// read on, and where.
    pub fn next(&mut self) -> Result<Option<Markup>, (Reason, Place)> {
        loop {
            let ended = self.piece().map_err(|reason| {
                let here = self.input.position();
                (reason, self.input.place(here))
            })?;
            match ended {
                Piece::End => return Ok(None),
                Piece::Part => {}
                Piece::Markup(Ok(markup)) => match self.ended(markup) {
                    Ok(()) => return Ok(Some(markup)),
                    Err(why) => return Err((why, self.input.place(self.markup))),
                },
                Piece::Markup(Err(NotXml(why))) => {
                    return Err((Reason::NotXml(why), self.input.place(self.markup)));
                }
            }
        }
    }

    /// Takes what is there, up to the end of a piece of markup.
    fn piece(&mut self) -> Result<Piece, Reason> {
        let input = self.input.fill()?;
        let depth = self.names.len() + self.deeper;
        if input.is_empty() {
            return match depth == 0 && self.length == 0 {
                true => Ok(Piece::End),
                false => Err(Reason::Cut),
            };
        }
        let text = self.scanner.text(input);
        let before = &input[..text];
        if depth == 0 && !before.iter().all(u8::is_ascii_whitespace) {
            return Err(Reason::NotXml("text outside the root element"));
        }
        if depth > self.keep.depth {
            self.keep.push(before);
        }
        if text > 0 {
            self.input.consume(text);
            return Ok(Piece::Part);
        }
        if self.length == 0 {
            self.markup = self.input.position();
            self.head.clear();
            if depth <= self.keep.depth {
                self.begin = self.markup;
                self.keep.begin_anew();
            }
        }
        let rest = self.input.fill()?;
        let (taken, ended) = match self.scanner.markup(rest) {
            Ok(scanned) => scanned,
            Err(not_xml) => return Ok(Piece::Markup(Err(not_xml))),
        };
        let markup = &rest[..taken];
        self.keep.push(markup);
        let room = MAX_NAME.saturating_sub(self.head.len());
        self.head.extend_from_slice(&markup[..taken.min(room)]);
        self.input.consume(taken);
        self.length += taken;
        let Some(markup) = ended else {
            return Ok(Piece::Part);
        };
        self.length = 0;
        Ok(Piece::Markup(Ok(markup)))
    }

    fn ended(&mut self, markup: Markup) -> Result<(), Reason> {
        match markup {
            Markup::Start | Markup::Empty => {
                if self.begun && self.depth() == 0 {
                    return Err(Reason::NotXml("a second root element"));
                }
                self.begun = true;
                if markup == Markup::Empty {
                    return Ok(());
                }
                if self.names.len() < MAX_NAMES {
                    self.names.push(hash(name(&self.head, 1)));
                } else {
                    self.deeper += 1;
                }
            }
            Markup::End if self.deeper > 0 => self.deeper -= 1,
            Markup::End => {
                if self.names.pop() != Some(hash(name(&self.head, 2))) {
                    return Err(Reason::NotXml("an end tag without a matching start tag"));
                }
            }
            Markup::Other => {}
        }
        Ok(())
    }
}

/// The name in a tag, behind so many bytes.
fn name(tag: &[u8], behind: usize) -> &[u8] {
    let tag = tag.get(behind..).unwrap_or_default();
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
    &tag[..tag.iter().position(ends).unwrap_or(tag.len())]
}

fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}
