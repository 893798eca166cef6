//! What may be put into a store: owners of whom every value has been read.
//!
//! What a store has is sliced into answers without being read again. A text in it that ends where
//! it should not would end the answer around it, and speak in our name from then on. So nothing is
//! put that is not [`Sound`], and here is the one place where something comes to be that. Users'
//! requests need none of it: their elements were read, and written again, when they came.

use std::collections::HashSet;
use std::fmt;
use std::mem;
use std::sync::Arc;

use crate::address::{self, Sender};
use crate::archive::Document;
use crate::bookmarks;
use crate::service::MAX_NAME_BYTES;
use crate::stanza::{Fault, ns};
use crate::store::{Entry, Owner};
use crate::xml::NotXml;
use crate::xml::frame::{Frame, Framer, Stanza};
use crate::xml::reader::{Bounds, Reader};

/// How deep elements may be nested: what `limits.max_depth` can be set to at most. What is
/// configured now is not asked, for what is put may be older.
const MAX_DEPTH: usize = 1024;

/// What stands around each element while it is read. It declares nothing, so that an element that
/// leans on what is around it is found out.
const AROUND: (&str, &str) = ("<q>", "</q>");

/// As much of a name is repeated.
const MAX_SHOWN: usize = 100;

/// An owner with what they have, which may be stored: the owner is one that requests have, and
/// each value holds as many elements as it says, of its own name and namespace, in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound(Document);

/// What may not be stored, and why. Of what it holds nothing is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    owner: Owner,
    /// Namespace and name; none where it is the owner.
    element: Option<(String, String)>,
    why: String,
}

impl Sound {
    /// Reads all of a document: what of it may be stored, and what may not; `None` where the owner
    /// may have nothing. Elements that say in another way what their normal form says are brought
    /// into that.
    #[must_use]
    pub fn of(document: Document) -> (Option<Self>, Vec<Bad>) {
        match Self::read(document) {
            Ok((sound, bad)) => (Some(sound), bad),
            Err(bad) => (None, vec![bad]),
        }
    }

    /// The same, where all of it must be.
    ///
    /// # Errors
    ///
    /// With the first that may not be stored.
    pub fn whole(document: Document) -> Result<Self, Bad> {
        let (sound, bad) = Self::read(document)?;
        match bad.into_iter().next() {
            None => Ok(sound),
            Some(bad) => Err(bad),
        }
    }

    /// What is sound of an owner's values, and which are bad; or else the owner is.
    fn read(document: Document) -> Result<(Self, Vec<Bad>), Bad> {
        let Document {
            owner,
            mut owner_data,
            note,
        } = document;
        if !is_an_account(&owner) {
            let why = "no account has this address, or not in this form";
            return Err(Bad::owner(owner, why));
        }
        let mut bad = Vec::new();
        let mut seen = HashSet::new();
        for mut entry in mem::take(&mut owner_data.entries) {
            let key = (entry.namespace.clone(), entry.name.clone());
            let read = match seen.insert(key.clone()) {
                true => normal_form(&entry),
                false => Err("it is there more than once".to_owned()),
            };
            match read {
                Ok(text) => {
                    entry.value.text = text;
                    owner_data.entries.push(entry);
                }
                Err(why) => bad.push(Bad {
                    owner: owner.clone(),
                    element: Some(key),
                    why,
                }),
            }
        }
        let is_readable = note.as_deref().is_none_or(bookmarks::is_note);
        if !is_readable {
            bad.push(Bad {
                owner: owner.clone(),
                element: None,
                why: "what is noted about this user's bookmarks cannot be read".to_owned(),
            });
        }
        let document = Document {
            owner,
            owner_data,
            note: note.filter(|_| is_readable),
        };
        Ok((Self(document), bad))
    }

    #[must_use]
    pub fn document(&self) -> &Document {
        &self.0
    }

    #[must_use]
    pub fn into_document(self) -> Document {
        self.0
    }
}

impl Bad {
    /// An owner of whom nothing may be stored.
    #[must_use]
    pub fn owner(owner: Owner, why: &str) -> Self {
        Self {
            owner,
            element: None,
            why: why.to_owned(),
        }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |name: &str| name.chars().take(MAX_SHOWN).collect::<String>();
        write!(f, "{}: ", short(self.owner.as_str()).escape_debug())?;
        if let Some((namespace, name)) = &self.element {
            write!(f, "{:?} in {:?}: ", short(name), short(namespace))?;
        }
        write!(f, "{}", self.why)
    }
}

/// Whether requests of some account are about this owner. (One who is kept byte for byte is such.)
fn is_an_account(owner: &Owner) -> bool {
    matches!(address::sender(owner.as_str()), Sender::User(jid, _) if jid == owner.as_str())
}

/// The text of a value in normal form, if it is what it should be; or else why not.
fn normal_form(entry: &Entry) -> Result<String, String> {
    if entry.namespace.is_empty() || entry.namespace == ns::PRIVATE {
        return Err("it has no namespace of its own".to_owned());
    }
    if entry.namespace.len() > MAX_NAME_BYTES || entry.name.len() > MAX_NAME_BYTES {
        return Err(format!(
            "its name or its namespace is over {MAX_NAME_BYTES} bytes"
        ));
    }
    let text = &*entry.value.text;
    // Where XML is well-formed these begin nothing else; a bare `<` is written as a reference.
    if text.contains("<!") || text.contains("<?") {
        let what = "a comment, a CDATA section, a declaration or an instruction";
        return Err(format!("it contains {what}, which is never stored"));
    }
    let (mut reader, _) = Reader::open(AROUND.0.as_bytes(), limits(0)).map_err(not_xml)?;
    let mut cutter = Cutter::of(text).map_err(not_xml)?;
    let mut normal = String::with_capacity(text.len());
    let mut elements = 0_u32;
    while let Some(element) = cutter.next()? {
        reader.set_bounds(limits(element.bytes.len()));
        normal.push_str(&one(entry, &element, &reader)?);
        elements = elements.saturating_add(1);
    }
    if elements != entry.value.elements || elements == 0 {
        return Err("it does not contain as many elements as it says".to_owned());
    }
    Ok(normal)
}

/// What bounds the reading of an element of so many bytes.
fn limits(bytes: usize) -> Bounds {
    Bounds {
        // As for a stanza: with every namespace written out, it may become twice as long.
        text: bytes.saturating_mul(2),
        depth: MAX_DEPTH,
        children: 1,
        containers: &[],
    }
}

/// The normal form of one element of a value.
fn one(entry: &Entry, element: &Stanza<'_>, reader: &Reader) -> Result<String, String> {
    let (open, close) = AROUND;
    let around = Stanza {
        bytes: [open.as_bytes(), &*element.bytes, close.as_bytes()]
            .concat()
            .into(),
        cut: 0,
    };
    let received = reader.read_payloads(&around).map_err(not_xml)?;
    let received = received.ok_or("it cannot be read")?;
    match received.fault {
        None => {}
        Some(Fault::Malformed(why)) => return Err(not_xml(NotXml(why))),
        Some(Fault::TooDeep) => {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        Some(Fault::TooLong) => {
            return Err("with every namespace written out it is far too long".to_owned());
        }
        Some(Fault::TooMany | Fault::Broken) => return Err(not_whole()),
    }
    match received.stanza.children.as_slice() {
        [child] if child.is(&entry.namespace, &entry.name) => {
            Ok(Arc::unwrap_or_clone(received.text))
        }
        [_] => Err("it contains an element with another name or namespace".to_owned()),
        _ => Err(not_whole()),
    }
}

/// Cuts a text into its elements, where it consists of nothing else.
struct Cutter<'t> {
    framer: Framer,
    rest: &'t [u8],
}

impl<'t> Cutter<'t> {
    fn of(text: &'t str) -> Result<Self, NotXml> {
        let mut framer = Framer::new(text.len().max(AROUND.0.len()));
        framer.next(&mut AROUND.0.as_bytes())?;
        let rest = text.as_bytes();
        Ok(Self { framer, rest })
    }

    fn next(&mut self) -> Result<Option<Stanza<'t>>, String> {
        let before = self.rest.len();
        if before == 0 {
            return Ok(None);
        }
        match self.framer.next(&mut self.rest).map_err(not_xml)? {
            // What was passed over stood beside it.
            Some(Frame::Stanza(element)) if element.bytes.len() == before - self.rest.len() => {
                Ok(Some(element))
            }
            _ => Err(not_whole()),
        }
    }
}

fn not_xml(NotXml(why): NotXml) -> String {
    format!("it is not XML as XMPP allows it: {why}")
}

fn not_whole() -> String {
    "it does not consist of whole elements only".to_owned()
}

#[cfg(test)]
mod tests;
