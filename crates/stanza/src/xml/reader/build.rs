//! Parser events → a stanza's skeleton and the normalised text of its payloads.

use std::collections::HashSet;
use std::sync::Arc;

use rxml::NcName;

use super::Bounds;
use crate::stanza::{Attribute, Element, Fault, Namespace, Received, ns};
use crate::xml::fragment::FragmentWriter;
use crate::xml::namespaces::{Application, Place, Scope, forbidden_declaration, rewrite};

/// A start tag of which not all has been read.
#[derive(Debug)]
struct StartTag {
    prefix: Option<NcName>,
    name: NcName,
    attributes: Vec<(Option<NcName>, NcName, String)>,
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

#[derive(Debug)]
pub struct Builder<'s> {
    scope: Scope<'s>,
    limits: Bounds,
    place: Place,
    writer: FragmentWriter,
    /// Open elements, whether in the skeleton or not. Those in the skeleton are the outermost.
    depth: usize,
    start_tag: Option<StartTag>,
    skeleton: Vec<Open>,
    stanza: Option<Element>,
    fault: Option<Fault>,
}

impl<'s> Builder<'s> {
    /// A builder for an element that begins in this scope, at this place.
    pub fn new(scope: Scope<'s>, limits: Bounds, place: Place) -> Self {
        Self {
            scope,
            limits,
            place,
            writer: FragmentWriter::new(limits.text),
            depth: 0,
            start_tag: None,
            skeleton: Vec::new(),
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

    /// `<prefix:name`
    pub fn open(&mut self, prefix: Option<NcName>, name: NcName) {
        self.start_tag = Some(StartTag {
            prefix,
            name,
            attributes: Vec::new(),
        });
    }

    /// ` prefix:name='value'`
    pub fn attribute(&mut self, prefix: Option<NcName>, name: NcName, value: String) {
        if let Some(tag) = &mut self.start_tag {
            tag.attributes.push((prefix, name, value));
        }
    }

    /// The `>` of a start tag: all names in it can be resolved now.
    pub fn head_close(&mut self) {
        let Some(tag) = self.start_tag.take() else {
            return;
        };
        self.depth += 1;
        let attributes = self.resolve_attributes(tag.attributes);
        let namespace = match self.scope.element(tag.prefix.as_ref()) {
            Some(namespace) => namespace,
            None => self.undeclared(),
        };
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
        let (namespace, application) = rewrite(place, namespace, &tag.name);
        if too_many {
            self.fault(Fault::TooMany);
            in_skeleton = false;
        }
        let begin = self.write_start(&written, &tag.name, &attributes, in_skeleton);
        if in_skeleton {
            self.enter(namespace, tag.name, attributes, begin, application);
        }
    }

    pub fn text(&mut self, text: &str) {
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

    /// The end of the element that was opened last.
    pub fn foot(&mut self) {
        if self.fault.is_none() && self.depth > 1 && self.writer.end().is_err() {
            self.fault(Fault::TooLong);
        }
        if self.depth == self.skeleton.len() {
            self.leave();
        }
        self.scope.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
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
            text,
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

    fn resolve_attributes(&mut self, raw: Vec<(Option<NcName>, NcName, String)>) -> Vec<Attribute> {
        // First what is declared, since it holds for the whole tag wherever it stands in it.
        let mut declared = Vec::new();
        let mut others = Vec::with_capacity(raw.len());
        for (prefix, name, value) in raw {
            let declares = match &prefix {
                None if *name == *"xmlns" => Some(None),
                Some(prefix) if **prefix == *"xmlns" => Some(Some(name.clone())),
                _ => None,
            };
            match declares {
                Some(prefix) => declared.push((prefix, value)),
                None => others.push((prefix, name, value)),
            }
        }
        if !all_differ(declared.iter().map(|(prefix, _)| prefix)) {
            self.fault(Fault::Malformed("a prefix declared twice"));
        }
        for (prefix, namespace) in declared {
            match forbidden_declaration(prefix.as_ref(), &namespace) {
                Some(why) => self.fault(Fault::Malformed(why)),
                None => self.scope.declare(self.depth, prefix, &namespace),
            }
        }
        let mut attributes = Vec::with_capacity(others.len());
        for (prefix, name, value) in others {
            let namespace = match self.scope.attribute(prefix.as_ref()) {
                Some(namespace) => namespace,
                None => self.undeclared(),
            };
            attributes.push(Attribute {
                namespace,
                name,
                value,
            });
        }
        // Equal namespaces are one and the same (see `Scope`), and may be too long to hash for each.
        if !all_differ(
            attributes
                .iter()
                .map(|a| (Arc::as_ptr(&a.namespace), &a.name)),
        ) {
            self.fault(Fault::Malformed("an attribute given twice"));
        }
        attributes
    }

    /// What an undeclared prefix stands for: a namespace that equals no other, least of all none,
    /// or else `z:from` would pass for `from`.
    fn undeclared(&mut self) -> Namespace {
        self.fault(Fault::Malformed("a prefix that is not declared"));
        Namespace::from("\0")
    }

    /// Writes a payload's start tag, and returns where it begins.
    fn write_start(
        &mut self,
        namespace: &Namespace,
        name: &NcName,
        attributes: &[Attribute],
        whole: bool,
    ) -> usize {
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
            Some(parent) => parent.element.children.push(element),
            None => self.stanza = Some(element),
        }
    }
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
