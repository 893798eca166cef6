//! One framed stanza → names resolved, payloads normalised, or its fault with the head that
//! stands before it.
//!
//! Every stanza gets a parser of its own, so that what is wrong with it ends with it.

mod build;
mod salvage;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use memchr::{memchr, memmem::Finder};
use rxml::error::EndOrError;
use rxml::parser::CommentMode;
use rxml::{Error, Options, Parse, RawEvent, RawParser, WithOptions};

use super::frame::Stanza;
use super::namespaces::{Declared, Place, Scope};
use super::scan::{NotXml, Scanner};
use crate::stanza::{Container, Element, Fault, Received, Unread, ns};
use build::Builder;
use xps_base::panics;

/// What bounds the reading of one stanza.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long the payloads may become with every namespace written out, in bytes.
    pub text: usize,
    /// How deep elements may be nested in what is kept as text; the outermost is level 1.
    pub depth: usize,
    /// How many children of one element are kept apart.
    pub children: usize,
    /// The elements whose children are wanted apart in the skeleton. What is under any other is
    /// kept as text alone.
    pub containers: &'static [Container],
}

/// How much the parser is handed at once. It looks for the end of a text in all that it is handed,
/// and again for each token that it cuts from it: what is handed whole costs its length squared.
const PIECE: usize = 4096;

/// A longer start tag than this is none of an answer's: those have two addresses and an id.
const LONGEST_HEAD: usize = 16 * 1024;

/// What stands in the start tag of every answer to an IQ.
static ANSWERS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| ["result", "error"].map(Finder::new));

/// Reads stanzas of one stream.
#[derive(Debug, Clone)]
pub struct Reader {
    declared: Declared,
    limits: Bounds,
    /// The start tag that was entered last.
    start_tag: Arc<[u8]>,
}

impl Reader {
    /// A reader for the stream that this start tag opens, and the start tag's own element.
    pub fn open(start_tag: &[u8], limits: Bounds) -> Result<(Self, Element), NotXml> {
        let outside = Self {
            declared: Declared::default(),
            limits,
            start_tag: Arc::default(),
        };
        outside.enter(start_tag)
    }

    /// A reader for what stands inside the element of this start tag, and the element itself.
    pub fn enter(&self, start_tag: &[u8]) -> Result<(Self, Element), NotXml> {
        let mut builder = self.builder(Place::Payload);
        let bytes = unfold_line_ends(start_tag);
        match parse(&bytes, start_tag.len(), &mut builder) {
            Ok(()) => {}
            Err(error) => return Err(NotXml(reason(&error))),
        }
        let (element, scope) = builder.finish_open();
        let declared = scope.into_declared();
        let element = element.ok_or(NotXml("a start tag that cannot be read"))?;
        let inside = Self {
            declared,
            limits: self.limits,
            start_tag: start_tag.into(),
        };
        Ok((inside, element))
    }

    /// The default namespace of what stands inside.
    pub fn default_namespace(&self) -> &str {
        self.declared.default_namespace()
    }

    /// Sets other limits for the stanzas to come.
    pub fn set_bounds(&mut self, limits: Bounds) {
        self.limits = limits;
    }

    /// The same as [`Reader::read`], but of an answer to an IQ only the start tag is read, and its bytes
    /// are taken: it may be long, nobody may have asked for it, and whoever has can read it elsewhere.
    pub fn receive(&self, stanza: &mut Stanza<'_>) -> Result<Option<Received>, NotXml> {
        if let Some(stanza) = self
            .answer_head(stanza)
            .map(|head| self.unread(head, stanza))
        {
            return Ok(Some(stanza));
        }
        self.read(stanza)
    }

    fn unread(&self, head: Element, stanza: &mut Stanza<'_>) -> Received {
        let mut bytes = std::mem::take(&mut stanza.bytes).into_owned();
        bytes.shrink_to_fit(); // it was gathered in a buffer that may be twice as long
        Received {
            stanza: head,
            text: String::new(),
            fault: None,
            size: bytes.len(),
            unread: Some(Unread {
                stream: Arc::clone(&self.start_tag),
                cut: stanza.cut,
                longest_markup: stanza.longest_markup,
                bytes,
            }),
        }
    }

    /// Reads what was left of a stanza.
    pub fn read_late(unread: &Unread, limits: Bounds) -> Result<Option<Received>, NotXml> {
        let (reader, _) = Self::open(&unread.stream, limits)?;
        reader.read(&Stanza {
            bytes: Cow::Borrowed(&unread.bytes),
            cut: unread.cut,
            longest_markup: unread.longest_markup,
        })
    }

    /// The start tag of a stanza that is an answer to an IQ, if it can be read by itself.
    pub fn answer_head(&self, stanza: &Stanza<'_>) -> Option<Element> {
        let tag = start_tag(&stanza.bytes).filter(|tag| tag.len() <= LONGEST_HEAD)?;
        if !ANSWERS.iter().any(|kind| kind.find(tag).is_some()) {
            return None;
        }
        let head = self.head(stanza)?;
        let is_answer = matches!(head.attribute("type"), Some("result" | "error"));
        (is_answer && head.is(ns::ACCEPT, "iq")).then_some(head)
    }

    /// The outermost element of a stanza, without what it holds, if its start tag can be read by
    /// itself.
    pub fn head(&self, stanza: &Stanza<'_>) -> Option<Element> {
        let tag = start_tag(&stanza.bytes)?;
        let mut builder = self.builder(Place::Stanza);
        parse(&unfold_line_ends(tag), tag.len(), &mut builder).ok()?;
        let head = builder.finish(tag.len())?;
        head.fault.is_none().then_some(head.stanza)
    }

    /// Reads one stanza: `None` where not even its start tag could be read, `Err` only for what
    /// is not XML at all.
    pub fn read(&self, stanza: &Stanza<'_>) -> Result<Option<Received>, NotXml> {
        self.read_at(Place::Stanza, stanza)
    }

    /// The same for an element that is no stanza, and whose children are payloads.
    pub fn read_payloads(&self, around: &Stanza<'_>) -> Result<Option<Received>, NotXml> {
        self.read_at(Place::Payload, around)
    }

    fn read_at(&self, place: Place, stanza: &Stanza<'_>) -> Result<Option<Received>, NotXml> {
        panics::test_at("parse", &stanza.bytes);
        let bytes = unfold_line_ends(&stanza.bytes);
        let size = stanza.bytes.len();
        let mut builder = self.builder(place);
        match parse(&bytes, stanza.longest_markup, &mut builder) {
            Ok(()) => {}
            Err(error) if is_about_namespaces(&error) => {
                // The parser has stopped for good, perhaps in the middle of the very tag whose
                // attributes say whom to answer. Take out what it refuses, and read on for the
                // names alone.
                let clean = salvage::without_faults(&bytes);
                builder = self.builder(place);
                builder.fault(Fault::Malformed(reason(&error)));
                // A second refusal leaves what was read before it.
                let _ = parse(&clean, stanza.longest_markup, &mut builder);
            }
            Err(error) => return Err(NotXml(reason(&error))),
        }
        if stanza.cut {
            builder.fault(Fault::TooLong);
        }
        Ok(builder.finish(size))
    }

    fn builder(&self, place: Place) -> Builder<'_> {
        Builder::new(Scope::new(&self.declared), self.limits, place)
    }
}

/// The tag at the front.
pub fn start_tag(bytes: &[u8]) -> Option<&[u8]> {
    let (length, ended) = Scanner::default().markup(bytes).ok()?;
    ended.and_then(|_| bytes.get(..length))
}

fn parse(bytes: &[u8], longest_markup: usize, builder: &mut Builder<'_>) -> Result<(), Error> {
    let mut parser = RawParser::with_options(Options {
        // No name and no value is longer than the markup it stands in. (Text is cut at this, and
        // reserved at this for every reference: it should not be the stanza's whole length.)
        max_token_length: longest_markup.max(1024) + 8,
        context: None,
        comments: CommentMode::Discard,
    });
    for mut piece in bytes.chunks(PIECE) {
        loop {
            match parser.parse(&mut piece, false) {
                Ok(Some(event)) => match event {
                    RawEvent::XmlDeclaration(..) => {}
                    RawEvent::ElementHeadOpen(_, (prefix, name)) => builder.open(prefix, name),
                    RawEvent::Attribute(_, (prefix, name), value) => {
                        builder.attribute(prefix, name, value);
                    }
                    RawEvent::ElementHeadClose(_) => builder.head_close(),
                    RawEvent::Text(_, text) => builder.text(&text),
                    RawEvent::ElementFoot(_) => builder.foot(),
                },
                // All of the piece was read.
                Ok(None) | Err(EndOrError::NeedMoreData) => break,
                Err(EndOrError::Error(error)) => return Err(error),
            }
        }
    }
    // A stream's start tag and a cut stanza end in the middle.
    Ok(())
}

/// Whether an error is one against XML namespaces, or a construct that XMPP forbids: the stanza's
/// end can be trusted all the same.
fn is_about_namespaces(error: &Error) -> bool {
    matches!(
        error,
        Error::MultiColonName(_)
            | Error::EmptyNamePart(_)
            | Error::InvalidLocalName(_)
            | Error::UndeclaredNamespacePrefix(_)
            | Error::ReservedNamespacePrefix
            | Error::ReservedNamespaceName
            | Error::EmptyNamespaceUri
            | Error::DuplicateAttribute
            | Error::RestrictedXml(_)
    )
}

/// An error in words that hold nothing of what was received.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::MultiColonName(_) | Error::EmptyNamePart(_) | Error::InvalidLocalName(_) => {
            "a name with misplaced colons"
        }
        Error::ReservedNamespacePrefix | Error::ReservedNamespaceName => {
            "a reserved prefix or namespace was declared"
        }
        Error::EmptyNamespaceUri => "a prefix cannot be undeclared",
        Error::RestrictedXml(what) => what,
        Error::InvalidUtf8Byte(_) => "invalid UTF-8",
        Error::UndeclaredEntity => "an entity that is not declared",
        Error::InvalidChar(..) => "a character that XML does not allow",
        Error::ElementMismatch => "an end tag without a matching start tag",
        Error::InvalidEof(_) => "the end in the middle of an element",
        _ => "not well-formed XML",
    }
}

/// XML 1.0 section 2.11: line ends are line feeds, before anything else is looked at. rxml takes
/// a carriage return in an attribute's value for a forbidden character, and ejabberd sends them
/// bare where a client had written `&#13;`.
fn unfold_line_ends<'a>(bytes: &'a [u8]) -> Cow<'a, [u8]> {
    let Some(first) = memchr(b'\r', bytes) else {
        return Cow::Borrowed(bytes);
    };
    let mut out = bytes[..first].to_vec();
    let mut rest = &bytes[first..];
    while let Some(at) = memchr(b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\n');
        rest = &rest[at + 1..];
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}
