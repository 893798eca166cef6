//! Whom an answer goes to, and in which wrapping.

use super::error::StanzaError;
use crate::stanza::{Element, Namespace, Reply, escape_attribute, ns, write_attribute};

/// The addresses and the id of an answer, as XEP-0049 wants it when asked directly, or as
/// XEP-0355 wants it when a server handed the request over.
#[derive(Debug, Clone)]
pub struct Envelope {
    outer: Header,
    delegated: Option<Delegated>,
}

/// The attributes of one IQ that is an answer.
#[derive(Debug, Clone)]
struct Header {
    id: Option<String>,
    from: String,
    to: String,
}

#[derive(Debug, Clone)]
struct Delegated {
    /// The version of XEP-0355 in which we were asked, and so answer.
    namespace: Namespace,
    inner: Header,
}

impl Envelope {
    /// The envelope for an answer to this IQ. `from` is our address as the sender wrote it, or
    /// our own domain: servers close the link on a foreign one.
    pub fn to(iq: &Element, sender: &str, from: &str) -> Self {
        Self {
            outer: Header {
                id: iq.attribute("id").map(str::to_owned),
                from: from.to_owned(),
                to: sender.to_owned(),
            },
            delegated: None,
        }
    }

    /// The same, around an answer to the IQ that was handed over inside of it. Servers compare
    /// its addresses and its id byte for byte.
    pub fn wrapping(
        mut self,
        inner: &Element,
        sender: &str,
        bare: &str,
        namespace: &Namespace,
    ) -> Self {
        self.delegated = Some(Delegated {
            namespace: Namespace::clone(namespace),
            inner: Header {
                id: inner.attribute("id").map(str::to_owned),
                from: inner.attribute("to").unwrap_or(bare).to_owned(),
                to: sender.to_owned(),
            },
        });
        self
    }

    /// Whom the answer is for in the end.
    pub fn asker(&self) -> &str {
        let inner = self.delegated.as_ref().map(|delegated| &delegated.inner);
        &inner.unwrap_or(&self.outer).to
    }

    /// An answer with the payload that is appended to it: finished XML of about so many bytes, or nothing.
    pub fn result(&self, bytes: usize, payload: impl FnOnce(&mut String)) -> Reply {
        self.write("result", bytes, payload)
    }

    /// An error; `child` is the request's own payload, where it is to be repeated.
    pub fn error(&self, error: &StanzaError, child: Option<&str>) -> Reply {
        let child = child.unwrap_or_default();
        self.write("error", child.len() + 300, |out| {
            out.push_str(child);
            error.write(out);
        })
    }

    /// A result without a payload.
    pub fn empty_result(&self) -> Reply {
        self.result(0, |_| {})
    }

    /// No answer has more bytes than this beside its payload.
    pub fn at_most(&self) -> usize {
        let inner = self.delegated.as_ref().map_or(0, |d| d.inner.at_most());
        self.outer.at_most() + inner
    }

    /// No white space anywhere between the elements: Prosody drops the answer for it. And an
    /// outer `result` whatever the inner type: ejabberd never answers its client otherwise.
    fn write(&self, kind: &str, bytes: usize, payload: impl FnOnce(&mut String)) -> Reply {
        let around = if self.delegated.is_some() { 512 } else { 256 };
        let mut out = String::with_capacity(bytes + around);
        match &self.delegated {
            None => {
                self.outer.open(&mut out, None, kind);
                payload(&mut out);
            }
            Some(Delegated { namespace, inner }) => {
                self.outer.open(&mut out, None, "result");
                out.push_str("<delegation xmlns='");
                out.push_str(namespace);
                out.push_str("'><forwarded xmlns='");
                out.push_str(ns::FORWARD);
                out.push_str("'>");
                inner.open(&mut out, Some(ns::CLIENT), kind);
                payload(&mut out);
                out.push_str("</iq></forwarded></delegation>");
            }
        }
        out.push_str("</iq>");
        out
    }
}

impl Header {
    /// How long it may become when it is written: every character may need to be escaped.
    fn at_most(&self) -> usize {
        let id = self.id.as_deref().unwrap_or_default();
        300 + (id.len() + self.from.len() + self.to.len()) * "&quot;".len()
    }

    fn open(&self, out: &mut String, namespace: Option<&str>, kind: &str) {
        out.push_str("<iq");
        let attributes = [
            ("xmlns", namespace),
            ("type", Some(kind)),
            ("id", self.id.as_deref()),
            ("from", Some(&self.from)),
            ("to", Some(&self.to)),
        ];
        for (name, value) in attributes {
            if let Some(value) = value {
                write_attribute(name, value, out);
            }
        }
        out.push('>');
    }
}

/// The refusal of a presence subscription, between two bare addresses.
pub fn unsubscribed(from: &str, to: &str) -> Reply {
    let mut out = String::from("<presence type='unsubscribed' from='");
    escape_attribute(from, &mut out);
    out.push_str("' to='");
    escape_attribute(to, &mut out);
    out.push_str("'/>");
    out
}
