//! Prefix scopes, and the rewriting of XEP-0044.
//!
//! Names are matched by namespace and local name everywhere else; this is the one place that
//! knows of prefixes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rxml::NcName;

use super::tokens::USUAL_DEPTH;

use crate::stanza::{Namespace, ns};

/// What the stream's own start tag declared, in force for every stanza of the stream.
#[derive(Debug, Clone)]
pub struct Declared {
    default: Namespace,
    prefixes: HashMap<NcName, Namespace>,
    none: Namespace,
    xml: Namespace,
    accept: Namespace,
    /// What most stanzas declare: made once for all of them.
    usual: [Namespace; USUAL.len()],
}

const USUAL: [&str; 5] = [
    ns::CLIENT,
    ns::PRIVATE,
    ns::FORWARD,
    ns::DELEGATIONS[0],
    ns::DELEGATIONS[1],
];

impl Default for Declared {
    fn default() -> Self {
        let none: Namespace = Arc::from("");
        Self {
            default: none.clone(),
            prefixes: HashMap::new(),
            none,
            xml: Arc::from(ns::XML),
            accept: Arc::from(ns::ACCEPT),
            usual: USUAL.map(Arc::from),
        }
    }
}

impl Declared {
    pub fn default_namespace(&self) -> &str {
        &self.default
    }

    /// The same name, if it is one of the stream's own, or a usual one. They are few and short.
    fn name(&self, name: &str) -> Option<&Namespace> {
        let own = [&self.none, &self.default, &self.xml, &self.accept];
        let own = own.into_iter().chain(self.prefixes.values());
        let mut all = own.chain(&self.usual);
        all.find(|known| ***known == *name)
    }
}

/// The declarations in force at one point of a stanza. Look-ups are hashed: 10,000 declarations
/// fit into 200 KB, and whoever sends them must not buy quadratic work with them.
#[derive(Debug)]
pub struct Scope<'s> {
    outer: &'s Declared,
    /// Default namespaces declared in the stanza, each with the depth of its element.
    defaults: Vec<(usize, Namespace)>,
    prefixes: HashMap<NcName, Vec<Namespace>>,
    /// Which prefix was declared at which depth, in order: what leaving an element undoes.
    declared: Vec<(usize, NcName)>,
    /// Every name declared, once: names that are equal are one, so nobody compares or hashes a
    /// long one again for each of its uses.
    names: HashSet<Namespace>,
}

impl<'s> Scope<'s> {
    /// The scope in which a stanza of this stream begins.
    pub fn new(outer: &'s Declared) -> Self {
        Self {
            outer,
            defaults: Vec::with_capacity(USUAL_DEPTH),
            prefixes: HashMap::new(),
            declared: Vec::new(),
            names: HashSet::new(),
        }
    }

    /// A declaration on the element at `depth`: `xmlns:prefix`, or `xmlns` where there is none.
    pub fn declare(&mut self, depth: usize, prefix: Option<NcName>, namespace: &str) {
        let namespace = self.name(namespace);
        match prefix {
            None => self.defaults.push((depth, namespace)),
            Some(prefix) => {
                self.declared.push((depth, prefix.clone()));
                self.prefixes.entry(prefix).or_default().push(namespace);
            }
        }
    }

    fn name(&mut self, name: &str) -> Namespace {
        if let Some(known) = self.outer.name(name).or_else(|| self.names.get(name)) {
            return known.clone();
        }
        let new: Namespace = Arc::from(name);
        self.names.insert(new.clone());
        new
    }

    /// Forgets what the element at `depth` declared.
    pub fn leave(&mut self, depth: usize) {
        while self.defaults.last().is_some_and(|(at, _)| *at == depth) {
            self.defaults.pop();
        }
        while let Some((_, prefix)) = self.declared.pop_if(|(at, _)| *at == depth) {
            if let Some(namespaces) = self.prefixes.get_mut(&prefix) {
                namespaces.pop();
            }
        }
    }

    /// The namespace of an element; `None` for an undeclared prefix.
    pub fn element(&self, prefix: Option<&NcName>) -> Option<Namespace> {
        match prefix {
            Some(prefix) => self.prefix(prefix),
            None => Some(match self.defaults.last() {
                Some((_, namespace)) => namespace.clone(),
                None => self.outer.default.clone(),
            }),
        }
    }

    /// The namespace of an attribute: without a prefix it has none.
    pub fn attribute(&self, prefix: Option<&NcName>) -> Option<Namespace> {
        match prefix {
            Some(prefix) => self.prefix(prefix),
            None => Some(self.outer.none.clone()),
        }
    }

    fn prefix(&self, prefix: &NcName) -> Option<Namespace> {
        if **prefix == *"xml" {
            return Some(self.outer.xml.clone());
        }
        let inner = self.prefixes.get(prefix).and_then(|all| all.last());
        inner.or_else(|| self.outer.prefixes.get(prefix)).cloned()
    }

    /// XEP-0044: the namespace an element has for us, given where it stands. A stanza in
    /// `jabber:client` or `jabber:server`, and its children that RFC 6120 defines, come to be in
    /// `jabber:component:accept`.
    pub fn rewrite(
        &self,
        place: Place,
        namespace: Namespace,
        name: &str,
    ) -> (Namespace, Application) {
        let application = match &*namespace {
            ns::CLIENT => Application::Client,
            ns::SERVER => Application::Server,
            _ => Application::Component,
        };
        let rewritten = application != Application::Component
            && match place {
                Place::Stanza => true,
                Place::Forwarded => {
                    application == Application::Client
                        && matches!(name, "iq" | "message" | "presence")
                }
                Place::ChildOf(parent) => parent == application && is_application_child(name),
                Place::Payload => false,
            };
        if rewritten {
            (self.outer.accept.clone(), application)
        } else {
            (namespace, Application::Component)
        }
    }

    /// What is in force here, for all that stands inside.
    pub fn into_declared(self) -> Declared {
        let mut declared = self.outer.clone();
        if let Some((_, namespace)) = self.defaults.last() {
            declared.default = namespace.clone();
        }
        for (prefix, mut namespaces) in self.prefixes {
            if let Some(namespace) = namespaces.pop() {
                declared.prefixes.insert(prefix, namespace);
            }
        }
        declared
    }
}

/// Whether a declaration is one that XML namespaces forbid: `None` where it is fine.
pub fn forbidden_declaration(prefix: Option<&NcName>, namespace: &str) -> Option<&'static str> {
    let is_xml = prefix.is_some_and(|p| **p == *"xml");
    match (prefix, namespace) {
        (Some(p), _) if **p == *"xmlns" => Some("the prefix xmlns cannot be declared"),
        _ if is_xml != (namespace == ns::XML) => {
            Some("the prefix xml and its namespace belong only to each other")
        }
        (_, ns::XMLNS) => Some("the namespace of declarations cannot be bound"),
        (Some(_), "") => Some("a prefix cannot be undeclared"),
        _ => None,
    }
}

/// Where in a stanza an element stands, as far as XEP-0044 asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Stanza,
    /// A child of a stanza element, whose application namespace is this.
    ChildOf(Application),
    /// A child of `<forwarded/>`: a stanza of somebody's.
    Forwarded,
    /// Anywhere else: a payload, which is never touched.
    Payload,
}

/// The application namespace in which a stanza was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// `jabber:client`
    Client,
    /// `jabber:server`
    Server,
    /// Ours, or none that counts.
    Component,
}

/// The children that RFC 6120 and RFC 6121 define in the application namespace itself.
fn is_application_child(name: &str) -> bool {
    matches!(
        name,
        "error" | "body" | "subject" | "thread" | "show" | "status" | "priority"
    )
}
