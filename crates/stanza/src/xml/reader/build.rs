//! Tokens → a stanza's skeleton and the normalised text of its payloads.

use std::borrow::Cow;
use std::collections::HashSet;
use std::mem;
use std::sync::Arc;

use rxml::NcName;

use super::Bounds;
use crate::stanza::{Attribute, Element, Fault, Namespace, Received, ns};
use crate::xml::fragment::FragmentWriter;
use crate::xml::names::QName;
use crate::xml::namespaces::{Application, Place, Scope, forbidden_declaration};
use crate::xml::tokens::{Tokens, USUAL_DEPTH};

/// Buffers for more attributes than this are not kept for the next tag.
const KEPT: usize = 64;

/// A start tag of which not all has been read, or one that has been: its buffers are used again.
#[derive(Debug, Default)]
struct StartTag<'x> {
    name: Option<QName>,
    declarations: Vec<(Option<NcName>, Cow<'x, str>)>,
    attributes: Vec<(QName, Cow<'x, str>)>,
    /// The attributes, their prefixes resolved.
    resolved: Vec<(Namespace, NcName, Cow<'x, str>)>,
}

/// An open element of the skeleton.
#[derive(Debug)]
struct Open {
    element: Element,
    /// Whether its children belong to the skeleton too. The containers among the open elements
    /// are always the outermost ones.
    container: bool,
    /// What its children are to XEP-0044.
    place_of_children: Place,
}

/// Reads what stands in `'x` under the declarations in `'s`.
#[derive(Debug)]
pub struct Builder<'s, 'x> {
    scope: Scope<'s>,
    limits: Bounds,
    place: Place,
    writer: FragmentWriter,
    /// Open elements, whether in the skeleton or not. Those in the skeleton are the outermost.
    depth: usize,
    start_tag: StartTag<'x>,
    skeleton: Vec<Open>,
    stanza: Option<Element>,
    fault: Option<Fault>,
}

impl<'s, 'x> Builder<'s, 'x> {
    /// A builder for an element that begins in this scope, at this place, and has so many bytes.
    pub fn new(scope: Scope<'s>, limits: Bounds, place: Place, bytes: usize) -> Self {
        Self {
            scope,
            limits,
            place,
            writer: FragmentWriter::with_room(limits.text, bytes),
            depth: 0,
            start_tag: StartTag::default(),
            skeleton: Vec::with_capacity(USUAL_DEPTH),
            stanza: None,
            fault: None,
        }
    }

    /// Notes a fault. From then on names and attributes are read, and no text is kept. What is
    /// malformed outweighs what is merely too large.
    pub fn fault(&mut self, fault: Fault) {
        if !matches!(self.fault, Some(Fault::Malformed(_))) {
            let first = self.fault.is_none();
            if first || matches!(fault, Fault::Malformed(_)) {
                self.fault = Some(fault);
            }
        }
    }

    /// The stanza, even where its end is missing. `None` when not even its start tag was read.
    pub fn finish(mut self, size: usize) -> Option<Received> {
        while !self.skeleton.is_empty() {
            self.leave();
        }
        let text = match self.fault {
            None => self.writer.into_text(),
            Some(_) => String::new(),
        };
        let fault = self.fault;
        self.stanza.map(|stanza| Received {
            stanza,
            text: Arc::new(text),
            fault,
            size,
            unread: None,
        })
    }

    /// The outermost element while it is still open, and the scope inside it.
    pub fn finish_open(mut self) -> (Option<Element>, Scope<'s>) {
        let element = self.skeleton.pop().map(|open| open.element);
        (element.filter(|_| self.fault.is_none()), self.scope)
    }

    /// Declares what the start tag declares, and resolves the prefixes of its attributes.
    fn resolve(&mut self) {
        let tag = &mut self.start_tag;
        let mut wrong = None;
        // First what is declared, since it holds for the whole tag wherever it stands in it.
        if !all_differ(tag.declarations.iter().map(|(prefix, _)| prefix)) {
            wrong = Some("a prefix declared twice");
        }
        for (prefix, namespace) in tag.declarations.drain(..) {
            match forbidden_declaration(prefix.as_ref(), &namespace) {
                Some(why) => wrong = wrong.or(Some(why)),
                None => self.scope.declare(self.depth, prefix, &namespace),
            }
        }
        // There may be very many.
        tag.resolved.reserve_exact(tag.attributes.len());
        for ((prefix, name), value) in tag.attributes.drain(..) {
            let namespace = self.scope.attribute(prefix.as_ref());
            let namespace = namespace.unwrap_or_else(|| {
                wrong = wrong.or(Some(UNDECLARED));
                undeclared()
            });
            tag.resolved.push((namespace, name, value));
        }
        if tag.attributes.capacity() > KEPT {
            tag.attributes = Vec::new();
        }
        // Equal namespaces are one and the same (see `Scope`), and may be too long to hash for each.
        let names = tag.resolved.iter();
        if !all_differ(names.map(|(namespace, name, _)| (Arc::as_ptr(namespace), name))) {
            wrong = wrong.or(Some("an attribute given twice"));
        }
        if let Some(why) = wrong {
            self.fault(Fault::Malformed(why));
        }
    }

    /// Writes a payload's start tag, and returns where it begins.
    fn write_start(&mut self, namespace: &Namespace, name: &NcName, whole: bool) -> usize {
        let containers = self
            .skeleton
            .iter()
            .take_while(|open| open.container)
            .count();
        if self.depth - containers > self.limits.depth {
            self.fault(Fault::TooDeep);
        }
        if self.fault.is_some() || self.depth == 1 {
            return self.writer.bytes();
        }
        let attributes = self.start_tag.resolved.iter();
        let attributes = attributes.map(|(of, name, value)| (of, name, &**value));
        match self.writer.start(namespace, name, attributes, whole) {
            Ok(begin) => begin,
            Err(_) => {
                self.fault(Fault::TooLong);
                0
            }
        }
    }

    fn enter(
        &mut self,
        namespace: Namespace,
        name: NcName,
        attributes: Vec<Attribute>,
        begin: usize,
        application: Application,
    ) {
        let container = match self.skeleton.last() {
            None => true,
            Some(parent) => self.limits.containers.iter().any(|listed| {
                *parent.element.name == *listed.parent
                    && *namespace == *listed.namespace
                    && *name == *listed.name
            }),
        };
        let place_of_children = if container && *namespace == *ns::ACCEPT {
            Place::ChildOf(application)
        } else if container && *namespace == *ns::FORWARD && *name == *"forwarded" {
            Place::Forwarded
        } else {
            Place::Payload
        };
        let bare = attributes.is_empty();
        self.skeleton.push(Open {
            element: Element {
                namespace,
                name,
                attributes,
                children: Vec::new(),
                range: begin..begin,
                bare,
            },
            container,
            place_of_children,
        });
    }

    fn leave(&mut self) {
        let Some(Open { mut element, .. }) = self.skeleton.pop() else {
            return;
        };
        element.range.end = self.writer.bytes();
        match self.skeleton.last_mut() {
            Some(parent) => {
                let children = &mut parent.element.children;
                if children.is_empty() {
                    // Most have one.
                    children.reserve_exact(1);
                }
                children.push(element);
            }
            None => self.stanza = Some(element),
        }
    }
}

impl<'x> Tokens<'x> for Builder<'_, 'x> {
    fn open(&mut self, name: QName) {
        self.start_tag.name = Some(name);
    }

    fn attribute(&mut self, name: QName, value: Cow<'x, str>) {
        let tag = &mut self.start_tag;
        match &name {
            (None, xmlns) if **xmlns == *"xmlns" => tag.declarations.push((None, value)),
            (Some(xmlns), _) if **xmlns == *"xmlns" => {
                tag.declarations.push((Some(name.1), value));
            }
            _ => tag.attributes.push((name, value)),
        }
    }

    /// All names in the start tag can be resolved now.
    fn head_close(&mut self) {
        let Some((prefix, name)) = self.start_tag.name.take() else {
            return;
        };
        self.depth += 1;
        self.resolve();
        let namespace = self.scope.element(prefix.as_ref()).unwrap_or_else(|| {
            self.fault(Fault::Malformed(UNDECLARED));
            undeclared()
        });
        if *namespace == *ns::XML {
            self.fault(Fault::Malformed(
                "an element in the namespace of the prefix xml",
            ));
        }
        let parent_is_in_skeleton = self.depth == self.skeleton.len() + 1;
        let mut place = if self.depth == 1 {
            self.place
        } else {
            Place::Payload
        };
        let mut in_skeleton = self.depth == 1;
        let mut too_many = false;
        if parent_is_in_skeleton && let Some(parent) = self.skeleton.last_mut() {
            parent.element.bare = false;
            place = parent.place_of_children;
            in_skeleton = parent.container;
            too_many = in_skeleton && parent.element.children.len() >= self.limits.children;
        }
        // The text keeps what the sender wrote; the skeleton is what we act on.
        let written = namespace.clone();
        let (namespace, application) = self.scope.rewrite(place, namespace, &name);
        if too_many {
            self.fault(Fault::TooMany);
            in_skeleton = false;
        }
        let begin = self.write_start(&written, &name, in_skeleton);
        let resolved = &mut self.start_tag.resolved;
        if in_skeleton {
            let attributes = mem::take(resolved).into_iter();
            let attributes = attributes.map(|(namespace, name, value)| Attribute {
                namespace,
                name,
                value: value.into_owned(),
            });
            let attributes = attributes.collect();
            self.enter(namespace, name, attributes, begin, application);
        } else if resolved.capacity() > KEPT {
            *resolved = Vec::new();
        } else {
            resolved.clear();
        }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.depth == self.skeleton.len()
            && let Some(open) = self.skeleton.last_mut()
        {
            open.element.bare = false;
        }
        if self.fault.is_none() && self.writer.text(text).is_err() {
            self.fault(Fault::TooLong);
        }
    }

    fn foot(&mut self) {
        if self.fault.is_none() && self.depth > 1 && self.writer.end().is_err() {
            self.fault(Fault::TooLong);
        }
        if self.depth == self.skeleton.len() {
            self.leave();
        }
        self.scope.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
    }
}

const UNDECLARED: &str = "a prefix that is not declared";

/// What an undeclared prefix stands for: a namespace that equals no other, least of all none, or else
/// `z:from` would pass for `from`.
fn undeclared() -> Namespace {
    Namespace::from("\0")
}

/// Whether no two are equal. A handful are compared with each other; more are hashed.
fn all_differ<T: Eq + std::hash::Hash>(items: impl Iterator<Item = T> + Clone) -> bool {
    let count = items.clone().count();
    if count <= 8 {
        let mut rest = items;
        while let Some(item) = rest.next() {
            if rest.clone().any(|other| other == item) {
                return false;
            }
        }
        true
    } else {
        let mut seen = HashSet::with_capacity(count);
        items.into_iter().all(|item| seen.insert(item))
    }
}
