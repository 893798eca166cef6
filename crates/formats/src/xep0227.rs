//! XEP-0227, Portable Import/Export Format: one file → the users in it.
//!
//! `server-data` holds hosts, a host holds users, a user holds (beside much that is skipped) the
//! private data. A file may be pulled in by another in place of a host or a user (XInclude); the
//! caller opens it.

mod meaning;

use std::io::Read;
use std::path::Path;

use super::cut::{Cutter, MAX_TAG};
use super::problem::{Place, Problem, Reason};
use super::progress::Progress;
use super::user::{Collector, Limits, User, reader_limits};
use meaning::Meaning;
use memchr::memmem;
use xmpp_stanza::stanza::ns;
use xmpp_stanza::xml::NotXml;
use xmpp_stanza::xml::frame::Stanza;
use xmpp_stanza::xml::reader::Reader;
use xmpp_stanza::xml::scan::Markup;

pub use meaning::account;

/// What is put around an element to have it read as a payload.
const AROUND: (&[u8], &[u8]) = (b"<q>", b"</q>");

/// What a file is about to tell.
#[derive(Debug)]
pub enum Next {
    /// A user, whole.
    User(User),
    /// What could not be read. If it was the rest of the file, the end comes next.
    Problem(Problem),
    /// Another file, to be read here.
    Include(Include),
    End,
}

/// Another file, as this one names it.
#[derive(Debug)]
pub struct Include {
    pub href: String,
    pub within: Within,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub enum Within {
    Nothing,
    /// In place of a host.
    ServerData,
    /// In place of a user of this host.
    Host(String),
}

/// One file that is being read.
pub struct Document {
    cutter: Cutter,
    limits: Limits,
    within: Within,
    /// The open elements that mean something, from the outermost, each with the reader for what
    /// it holds.
    open: Vec<(Level, Reader)>,
    /// The reader for the root element.
    outside: Option<Reader>,
    user: Option<Collector>,
    /// Whether what is skipped was named, with everything in it.
    is_named: bool,
    ended: bool,
}

/// An element that holds something that means something.
#[derive(Debug, Clone)]
pub enum Level {
    ServerData,
    /// Of users; its JID as the file has it.
    Host(String),
    /// Of private data, among other things.
    User,
    Private,
}

impl Document {
    /// A file at its beginning.
    pub fn new(
        read: Box<dyn Read + Send>,
        file: &Path,
        within: Within,
        limits: Limits,
        progress: Progress,
    ) -> Self {
        let outside = Reader::open(b"<none>", reader_limits(&limits)).ok();
        Self {
            cutter: Cutter::new(read, file, progress),
            limits,
            within,
            open: Vec::new(),
            outside: outside.map(|(reader, _)| reader),
            user: None,
            is_named: false,
            ended: false,
        }
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.cutter.bytes()
    }

    pub fn next(&mut self) -> Next {
        while !self.ended {
            let markup = match self.cutter.next() {
                Ok(Some(markup)) => markup,
                Ok(None) if self.cutter.has_begun() => break,
                Ok(None) => {
                    let place = self.cutter.begin();
                    return self.end(Reason::Foreign, place);
                }
                Err((reason, place)) => return self.end(reason, place),
            };
            let next = match markup {
                Markup::Start => self.start(false),
                Markup::Empty => self.start(true),
                Markup::End => self.leave(),
                Markup::Other => None,
            };
            if let Some(next) = next {
                return next;
            }
        }
        Next::End
    }

    /// Nothing more of this file can be read.
    fn end(&mut self, reason: Reason, place: Place) -> Next {
        self.ended = true;
        let jid = self.user.take().map(|user| user.jid().to_owned());
        Next::Problem(Problem { place, jid, reason })
    }

    /// An element has begun; where it is `empty` it has ended, too.
    fn start(&mut self, empty: bool) -> Option<Next> {
        let outer = self.cutter.depth() - usize::from(!empty);
        if outer != self.open.len() {
            return self.skipped(outer);
        }
        if let Some((Level::Private, _)) = self.open.last() {
            if empty {
                self.take();
            }
            return None;
        }
        let (tag, cut) = self.cutter.kept();
        if cut {
            let reason = Reason::Structure("a start tag over 64 KiB");
            return Some(self.not_understood(reason));
        }
        open_only(tag);
        let reader = self.open.last().map(|(_, reader)| reader);
        let entered = match reader.or(self.outside.as_ref()) {
            Some(reader) => reader.enter(tag),
            None => Err(NotXml("a start tag that cannot be read")),
        };
        let (reader, element) = match entered {
            Ok(entered) => entered,
            Err(NotXml(why)) => return Some(self.not_understood(Reason::Structure(why))),
        };
        self.is_named = false;
        let level = match self.meaning(&element) {
            Ok(Meaning::Level(level)) => level,
            Ok(Meaning::User(user)) => {
                self.user = Some(user);
                Level::User
            }
            Ok(Meaning::Include(include)) => return Some(Next::Include(include)),
            Ok(Meaning::Nothing) => return None,
            Err(reason) => return Some(self.not_understood(reason)),
        };
        if empty {
            return self.left(&level);
        }
        self.open.push((level, reader));
        self.keep();
        None
    }

    /// An element that should have said something: it is skipped. If it is the root, so is all.
    fn not_understood(&mut self, reason: Reason) -> Next {
        let place = self.cutter.begin();
        if self.open.is_empty() {
            return self.end(reason, place);
        }
        self.is_named = true;
        self.problem(reason, place)
    }

    fn problem(&self, reason: Reason, place: Place) -> Next {
        let jid = self.user.as_ref().map(|user| user.jid().to_owned());
        Next::Problem(Problem { place, jid, reason })
    }

    /// An element has begun inside of something that is skipped, and so many are open around it. It may
    /// be private data all the same.
    fn skipped(&mut self, outer: usize) -> Option<Next> {
        if self.is_named || matches!(self.open.last(), Some((Level::Private, _))) {
            return None;
        }
        // A user may have anything further inside, in offline messages or PEP say.
        let is_of_a_user = matches!(self.open.last(), Some((Level::User, _)));
        if is_of_a_user && outer > self.open.len() + 1 {
            return None;
        }
        let (tag, ..) = self.cutter.kept();
        memmem::find(tag, ns::PRIVATE.as_bytes())?;
        open_only(tag);
        let (_, reader) = self.open.last()?;
        let (_, element) = reader.enter(tag).ok()?;
        let is_private = &*element.namespace == ns::PRIVATE;
        let place = self.cutter.begin();
        is_private.then(|| self.problem(self.misplaced(&element), place))
    }

    fn leave(&mut self) -> Option<Next> {
        let depth = self.cutter.depth();
        if matches!(self.open.last(), Some((Level::Private, _))) && depth == self.open.len() {
            self.take();
        }
        if depth >= self.open.len() {
            return None;
        }
        let (level, _) = self.open.pop()?;
        self.keep();
        self.left(&level)
    }

    fn left(&mut self, level: &Level) -> Option<Next> {
        match level {
            Level::User => self.user.take().map(|user| Next::User(user.finish())),
            _ => None,
        }
    }

    /// What is worth keeping of what comes next.
    fn keep(&mut self) {
        match (self.open.last(), &self.user) {
            (Some((Level::Private, _)), Some(user)) => {
                let depth = self.open.len();
                self.cutter.keep_elements(depth, user.room(), AROUND.0);
            }
            _ => self.cutter.keep_tags(),
        }
    }

    /// An element of private data has been read.
    fn take(&mut self) {
        let place = self.cutter.begin();
        let (bytes, cut) = self.cutter.kept();
        let (Some((_, reader)), Some(user)) = (self.open.last(), &mut self.user) else {
            return;
        };
        if cut {
            user.too_much(place);
        } else {
            bytes.extend_from_slice(AROUND.1);
            let around = Stanza {
                bytes: bytes.as_slice().into(),
                cut: 0,
            };
            user.take(reader, &around, place);
        }
        self.keep();
    }
}

/// Makes the tag of an empty element one that only opens it.
fn open_only(tag: &mut Vec<u8>) {
    if tag.ends_with(b"/>") {
        tag.truncate(tag.len() - 2);
        tag.push(b'>');
    }
}

const _: () = assert!(MAX_TAG == 64 * 1024, "as the message says");
