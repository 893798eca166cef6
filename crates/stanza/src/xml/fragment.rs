//! The normal form of a payload: self-contained XML that needs no scope around it.
//!
//! Elements are written without prefixes, each declaring its namespace where it differs from its
//! parent's; attributes that have a namespace get a prefix declared on their own element. What
//! is equal as an infoset need not be equal in bytes before, and is well-formed anywhere after.

use rxml::NcName;

use super::tokens::USUAL_DEPTH;

use crate::stanza::{Namespace, escape_attribute, escape_text, ns};

/// Writes one stanza's payloads, up to a bound on their length.
#[derive(Debug)]
pub struct FragmentWriter {
    text: String,
    limit: usize,
    /// The default namespace in force around it, if it is not written by itself.
    around: Option<Namespace>,
    /// The default namespace and the name of every open element.
    open: Vec<(Namespace, NcName)>,
    /// Whether the last start tag still waits for its `>`.
    pending: bool,
}

/// The bound on the length was reached, and nothing more is written.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl FragmentWriter {
    /// A writer that stops at `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
            around: None,
            open: Vec::new(),
            pending: false,
        }
    }

    /// The same, with room for so many bytes to begin with.
    pub fn with_room(limit: usize, bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes.min(limit)),
            open: Vec::with_capacity(USUAL_DEPTH),
            ..Self::new(limit)
        }
    }

    /// A writer of what stands in this default namespace.
    pub fn inside(namespace: Namespace) -> Self {
        let around = Some(namespace);
        Self {
            around,
            ..Self::new(usize::MAX)
        }
    }

    /// How many bytes have been written. At the end of an element, where it ends.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// A start tag, with attributes of these namespaces, names and values. `whole`: declare the namespace in
    /// any case, so that the element can be cut out and stand alone.
    pub fn start<'a>(
        &mut self,
        namespace: &Namespace,
        name: &NcName,
        attributes: impl IntoIterator<Item = (&'a Namespace, &'a NcName, &'a str)>,
        whole: bool,
    ) -> Result<usize, TooLong> {
        self.close_start_tag();
        let begin = self.text.len();
        self.text.push('<');
        self.text.push_str(name);
        let inherited = self.open.last().map(|(namespace, _)| namespace);
        let inherited = inherited.or(self.around.as_ref());
        if whole || inherited.is_none_or(|inherited| inherited != namespace) {
            self.attribute("xmlns", namespace);
        }
        let mut prefixes: Vec<&Namespace> = Vec::new();
        for (namespace, local, value) in attributes {
            match &**namespace {
                "" => self.attribute(local, value),
                ns::XML => self.attribute(&format!("xml:{local}"), value),
                _ => {
                    // The last prefix is enough of a cache: hashing would cost every element
                    // for what only a hostile one needs, and declaring one twice is harmless.
                    if prefixes.last() != Some(&namespace) {
                        prefixes.push(namespace);
                        let declaration = format!("xmlns:n{}", prefixes.len());
                        self.attribute(&declaration, namespace);
                    }
                    let qualified = format!("n{}:{local}", prefixes.len());
                    self.attribute(&qualified, value);
                }
            }
            self.check()?;
        }
        self.pending = true;
        self.open.push((namespace.clone(), name.clone()));
        self.check()?;
        Ok(begin)
    }

    pub fn text(&mut self, text: &str) -> Result<(), TooLong> {
        if self.open.is_empty() || text.is_empty() {
            return Ok(()); // beside the payloads
        }
        self.close_start_tag();
        escape_text(text, &mut self.text);
        self.check()
    }

    /// Content of the open element, which is in normal form already.
    pub fn content(&mut self, xml: &str) -> Result<(), TooLong> {
        if !xml.is_empty() {
            self.close_start_tag();
            self.text.push_str(xml);
        }
        self.check()
    }

    pub fn end(&mut self) -> Result<(), TooLong> {
        let Some((_, name)) = self.open.pop() else {
            return Ok(());
        };
        if self.pending {
            self.text.push_str("/>");
            self.pending = false;
        } else {
            self.text.push_str("</");
            self.text.push_str(&name);
            self.text.push('>');
        }
        self.check()
    }

    pub fn into_text(self) -> String {
        self.text
    }

    fn close_start_tag(&mut self) {
        if self.pending {
            self.text.push('>');
            self.pending = false;
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push_str("='");
        escape_attribute(value, &mut self.text);
        self.text.push('\'');
    }

    fn check(&self) -> Result<(), TooLong> {
        if self.text.len() > self.limit {
            Err(TooLong)
        } else {
            Ok(())
        }
    }
}
