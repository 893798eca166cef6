//! One framed stanza → names resolved, payloads normalised, or its fault with the head that
//! stands before it.
//!
//! Every stanza gets a parser of its own, so that what is wrong with it ends with it.

mod build;
mod salvage;

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use memchr::{memchr, memmem::Finder};

use super::frame::Stanza;
use super::namespaces::{Declared, Place, Scope};
use super::scan::{NotXml, Scanner};
use super::tokens::{self, Names, Wrong};
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
    names: RefCell<Names>,
}

impl Reader {
    /// A reader for the stream that this start tag opens, and the start tag's own element.
    pub fn open(start_tag: &[u8], limits: Bounds) -> Result<(Self, Element), NotXml> {
        let outside = Self {
            declared: Declared::default(),
            limits,
            start_tag: Arc::default(),
            names: RefCell::default(),
        };
        outside.enter(start_tag)
    }

    /// A reader for what stands inside the element of this start tag, and the element itself.
    pub fn enter(&self, start_tag: &[u8]) -> Result<(Self, Element), NotXml> {
        let bytes = unfold_line_ends(start_tag);
        let mut builder = self.builder(Place::Payload, 0);
        let names = &mut *self.names.borrow_mut();
        let read = tokens::read(&bytes, names, &mut builder);
        if let Err(Wrong::Names(why) | Wrong::NotXml(why)) = read {
            return Err(NotXml(why));
        }
        let (element, scope) = builder.finish_open();
        let declared = scope.into_declared();
        let element = element.ok_or(NotXml("a start tag that cannot be read"))?;
        let inside = Self {
            declared,
            limits: self.limits,
            start_tag: start_tag.into(),
            names: RefCell::default(),
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
            text: Arc::default(),
            fault: None,
            size: bytes.len(),
            unread: Some(Unread {
                stream: Arc::clone(&self.start_tag),
                cut: stanza.cut,
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
        let bytes = unfold_line_ends(tag);
        let mut builder = self.builder(Place::Stanza, 0);
        tokens::read(&bytes, &mut self.names.borrow_mut(), &mut builder).ok()?;
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
        let clean;
        let names = &mut *self.names.borrow_mut();
        let mut builder = self.builder(place, size);
        match tokens::read(&bytes, names, &mut builder) {
            Ok(()) => {}
            Err(Wrong::Names(why)) => {
                // That may have been in the middle of the very tag whose attributes say whom to answer.
                // Take out what is wrong, and read on for the names alone.
                clean = salvage::without_faults(&bytes);
                builder = self.builder(place, 0);
                builder.fault(Fault::Malformed(why));
                // What is wrong again leaves what was read before it.
                let _ = tokens::read(&clean, names, &mut builder);
            }
            Err(Wrong::NotXml(why)) => return Err(NotXml(why)),
        }
        if stanza.cut > 0 {
            builder.fault(Fault::TooLong);
        }
        Ok(builder.finish(size))
    }

    fn builder<'x>(&self, place: Place, bytes: usize) -> Builder<'_, 'x> {
        Builder::new(Scope::new(&self.declared), self.limits, place, bytes)
    }
}

/// The tag at the front.
pub fn start_tag(bytes: &[u8]) -> Option<&[u8]> {
    let (length, ended) = Scanner::default().markup(bytes).ok()?;
    ended.and_then(|_| bytes.get(..length))
}

/// XML 1.0 section 2.11: line ends are line feeds, before anything else is looked at. ejabberd
/// sends carriage returns bare where a client had written `&#13;`.
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
