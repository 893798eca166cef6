//! Cuts the byte stream into stanzas before any of it is parsed.
//!
//! A parser's errors are final, and a user can type stanzas that a server forwards and our
//! parser refuses. So the stream is cut first, by markup alone, and each stanza is parsed by
//! itself (see [`super::reader`]). For well-formed XML the cut is exact. Past the size limit a
//! stanza is only counted, in constant memory, up to its end.

use std::borrow::Cow;
use std::mem;

use super::scan::{Markup, NotXml, Scanner};

/// What was cut from the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The stream's own start tag, whole.
    Open(Cow<'a, [u8]>),
    /// One whole stanza.
    Stanza(Stanza<'a>),
    Close,
}

/// One stanza's bytes, from `<` to `>`, or as many of them as the limit allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza<'a> {
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
    /// How many bytes there were beyond those.
    pub cut: usize,
}

impl Stanza<'_> {
    /// The same, with bytes of its own.
    pub fn into_owned(self) -> Stanza<'static> {
        Stanza {
            bytes: Cow::Owned(self.bytes.into_owned()),
            ..self
        }
    }
}

/// Cuts one stream. A new stream wants a new framer.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    /// That of the frames to come.
    next_limit: usize,
    scanner: Scanner,
    /// Open elements: 0 before the stream's start tag, 1 between stanzas.
    depth: usize,
    /// Bytes of the current frame; 0 where there is none.
    length: usize,
    /// As many of them as were read in earlier calls and fit the limit.
    kept: Vec<u8>,
}

impl Framer {
    /// A framer for stanzas of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            next_limit: limit,
            scanner: Scanner::default(),
            depth: 0,
            length: 0,
            kept: Vec::new(),
        }
    }

    /// Sets another limit, for the frames to come: of the current one, bytes may be gone already.
    pub fn set_limit(&mut self, limit: usize) {
        self.next_limit = limit;
    }

    /// Takes bytes from the front of `input` up to the end of the next frame; `None` when all of
    /// it was taken and no frame is complete.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, NotXml> {
        let all = *input;
        let mut begin = 0; // of the current frame, in `all`
        let mut at = 0;
        while at < all.len() {
            let text = self.scanner.text(&all[at..]);
            if self.length > 0 {
                self.length += text;
            } else if all[at..at + text].iter().any(|byte| is_control(*byte)) {
                return Err(NotXml("a control character between stanzas"));
            }
            at += text;
            if at == all.len() {
                break;
            }
            if self.length == 0 {
                begin = at;
                self.limit = self.next_limit;
            }
            let (taken, ended) = self.scanner.markup(&all[at..])?;
            at += taken;
            self.length += taken;
            if let Some(markup) = ended
                && let Some(frame) = self.ended(markup, &all[begin..at])?
            {
                *input = &all[at..];
                return Ok(Some(frame));
            }
        }
        if self.length > 0 {
            self.keep(&all[begin..]);
        }
        *input = &[];
        Ok(None)
    }

    /// A piece of markup has ended, and perhaps a frame with it. `last` is what this call has
    /// read of the frame.
    fn ended<'a>(&mut self, markup: Markup, last: &'a [u8]) -> Result<Option<Frame<'a>>, NotXml> {
        match (markup, self.depth) {
            (Markup::Other, 0 | 1) => {
                self.begin_anew();
                return Ok(None);
            }
            (Markup::Empty | Markup::End, 0) => return Err(NotXml("no stream was opened")),
            (Markup::Start, _) => self.depth += 1,
            (Markup::End, _) => self.depth -= 1,
            (Markup::Empty | Markup::Other, _) => {}
        }
        let frame = match (markup, self.depth) {
            (Markup::Start, 1) if self.length > self.limit => {
                return Err(NotXml("a stream header over the limit"));
            }
            (Markup::Start, 1) => Frame::Open(self.bytes(last)),
            (Markup::End, 0) => Frame::Close,
            (Markup::Empty | Markup::End, 1) => Frame::Stanza(Stanza {
                bytes: self.bytes(last),
                cut: self.length.saturating_sub(self.limit),
            }),
            _ => return Ok(None),
        };
        self.begin_anew();
        Ok(Some(frame))
    }

    fn bytes<'a>(&mut self, last: &'a [u8]) -> Cow<'a, [u8]> {
        if self.kept.is_empty() {
            return Cow::Borrowed(&last[..last.len().min(self.limit)]);
        }
        self.keep(last);
        Cow::Owned(mem::take(&mut self.kept))
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn begin_anew(&mut self) {
        // A new buffer each time: one large stanza must not hold its memory for ever.
        self.kept = Vec::new();
        self.length = 0;
    }
}

/// Control characters that XML 1.0 has no place for.
fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "<?xml version='1.0'?><s:stream xmlns:s='x' id='<>'>";

    fn show(frame: Frame<'_>) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match frame {
            Frame::Open(bytes) => format!("open {}", text(&bytes)),
            Frame::Stanza(Stanza { bytes, cut: 0 }) => format!("stanza {}", text(&bytes)),
            Frame::Stanza(Stanza { bytes, cut }) => format!("cut {} and {cut}", text(&bytes)),
            Frame::Close => "close".into(),
        }
    }

    /// Feeds the input in pieces of every size up to its own.
    fn frames(limit: usize, input: &str) -> Vec<String> {
        let mut results: Vec<Vec<String>> = Vec::new();
        for size in (1..=input.len()).rev() {
            let mut framer = Framer::new(limit);
            let mut found = Vec::new();
            for mut piece in input.as_bytes().chunks(size) {
                loop {
                    match framer.next(&mut piece) {
                        Ok(Some(frame)) => found.push(show(frame)),
                        Ok(None) => break,
                        Err(NotXml(why)) => {
                            found.push(format!("not XML: {why}"));
                            break;
                        }
                    }
                }
                if found.last().is_some_and(|f| f.starts_with("not XML")) {
                    break;
                }
            }
            results.push(found);
        }
        assert!(results.windows(2).all(|w| w[0] == w[1]), "{results:?}");
        results.swap_remove(0)
    }

    #[test]
    fn cuts_at_stanzas_however_the_bytes_arrive() {
        let stanzas = [
            "<a/>",
            "<a b='/>' c=\">'\"/>",
            "<a><a><b/></a></a>",
            "<a><!-- <b> --- ></a> --><![CDATA[</a>]]]]><![CDATA[>]]></a>",
            "<a><?pi </a> ??></a>",
            "<a / >x</a>",
        ];
        let between = ["", " \n", "<!-- <x> -->", "text", "<?pi?>"];
        for gap in between {
            let input = format!("{HEADER}{}{gap}</s:stream>", stanzas.join(gap));
            let mut expected = vec!["open <s:stream xmlns:s='x' id='<>'>".to_owned()];
            expected.extend(stanzas.iter().map(|s| format!("stanza {s}")));
            expected.push("close".into());
            assert_eq!(frames(1000, &input), expected, "with {gap:?} between");
        }
    }

    #[test]
    fn skips_what_is_over_the_limit_up_to_its_end() {
        let input = "<s><a>0123456789</a><b/><c x='0123456789'/><d></d></s>";
        assert_eq!(
            frames(10, input),
            [
                "open <s>",
                "cut <a>0123456 and 7",
                "stanza <b/>",
                "cut <c x='0123 and 9",
                "stanza <d></d>",
                "close"
            ]
        );
    }

    #[test]
    fn another_limit_is_for_the_frames_to_come() {
        let mut framer = Framer::new(10);
        for (limit, input, found) in [
            (10, "<s>", "open <s>"),
            (10, "<a>0123456789", ""),
            (1000, "</a>", "cut <a>0123456 and 7"),
            (1000, "<b>0123456789</b>", "stanza <b>0123456789</b>"),
            (1000, "<c>0123456789", ""),
            (10, "</c>", "stanza <c>0123456789</c>"),
            (10, "<d>0123456789</d>", "cut <d>0123456 and 7"),
        ] {
            framer.set_limit(limit);
            let frame = framer.next(&mut input.as_bytes()).unwrap();
            assert_eq!(frame.map(show).unwrap_or_default(), found);
        }
    }

    #[test]
    fn what_is_not_xml_ends_the_stream() {
        for (input, why) in [
            ("<s><a/><!DOCTYPE a>", "a document type declaration"),
            ("<s>\0<a/>", "a control character between stanzas"),
            ("</s>", "no stream was opened"),
            ("<s/>", "no stream was opened"),
            ("<s><>", "a tag without a name"),
        ] {
            let found = frames(100, input);
            assert_eq!(found.last().unwrap(), &format!("not XML: {why}"), "{input}");
        }
    }
}
