//! One infoset, written in one of the many ways that XML has for it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::infoset::{Child, Item};

const XML: &str = "http://www.w3.org/XML/1998/namespace";

const COMMENT: &str = "<!-- a comment, with - and > in it -->";

/// What [`write`] has written, as a server passes it on: XMPP has no comments.
pub fn without_comments(xml: &str) -> String {
    xml.replace(COMMENT, "")
}

/// Decisions, taken one after another as they are needed, over and over.
pub fn styles() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..40)
}

/// Writes an element so that it stands anywhere.
pub fn write(item: &Item, styles: &[u8]) -> String {
    let mut writer = Writer {
        out: String::new(),
        styles: styles.iter().cycle().copied(),
        prefixes: Vec::new(),
    };
    writer.element(item, None);
    writer.out
}

/// Writes what another parser has read. (minidom's own writer fails where a child declares a prefix
/// again.)
pub fn plain(element: &minidom::Element) -> String {
    write(&super::infoset::of(element), &[1])
}

/// An attribute's value between single quotes.
pub fn attribute(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#x{:x};", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

struct Writer<I> {
    out: String,
    styles: I,
    /// Prefixes in scope, each with its namespace; the last of a name counts.
    prefixes: Vec<(String, String)>,
}

impl<I: Iterator<Item = u8>> Writer<I> {
    fn choose(&mut self, among: u8) -> u8 {
        self.styles.next().unwrap_or(0) % among
    }

    /// `default`: the default namespace in scope, where it is known.
    fn element(&mut self, item: &Item, default: Option<&str>) {
        let in_scope = self.prefixes.len();
        let mut declarations = String::new();
        let prefixed = !item.namespace.is_empty() && self.choose(3) == 0;
        let name = if prefixed {
            let prefix = self.prefix(&item.namespace, &mut declarations);
            format!("{prefix}:{}", item.name)
        } else {
            if default != Some(&item.namespace) || self.choose(4) == 0 {
                declarations += &format!(" xmlns='{}'", attribute(&item.namespace));
            }
            item.name.clone()
        };
        let mut attributes = String::new();
        for (namespace, name, value) in &item.attributes {
            let name = match namespace.as_str() {
                "" => name.clone(),
                XML => format!("xml:{name}"),
                namespace => {
                    let prefix = self.prefix(namespace, &mut declarations);
                    format!("{prefix}:{name}")
                }
            };
            let quote = if self.choose(2) == 0 { '\'' } else { '"' };
            let space = ["", " ", "\n"][usize::from(self.choose(3))];
            let value = self.references(value, true);
            attributes += &format!(" {name}{space}={space}{quote}{value}{quote}");
        }
        let both = if self.choose(2) == 0 {
            declarations + &attributes
        } else {
            attributes + &declarations
        };
        let default = if prefixed {
            default
        } else {
            Some(item.namespace.as_str())
        };
        if item.children.is_empty() && self.choose(2) == 0 {
            self.out += &format!("<{name}{both}/>");
        } else {
            self.out += &format!("<{name}{both}>");
            for child in &item.children {
                match child {
                    Child::Text(text) => self.text(text),
                    Child::Element(element) => self.element(element, default),
                }
            }
            self.out += &format!("</{name}>");
        }
        self.prefixes.truncate(in_scope);
    }

    /// A prefix for this namespace: one in scope, or one declared here, perhaps again.
    fn prefix(&mut self, namespace: &str, declarations: &mut String) -> String {
        let known = self
            .prefixes
            .iter()
            .rev()
            .find(|(_, bound)| bound == namespace);
        if let Some((prefix, _)) = known.cloned() {
            let hidden = self.prefixes.iter().rev().find(|(name, _)| *name == prefix);
            if hidden.is_some_and(|(_, bound)| bound == namespace) {
                return prefix;
            }
        }
        // Few names, so that they are often bound again further in; but never twice in one tag.
        let mut number = self.choose(3);
        while declarations.contains(&format!(" xmlns:p{number}=")) {
            number += 1;
        }
        let prefix = format!("p{number}");
        // What this tag has used already must keep its meaning.
        let taken = self.prefixes.iter().any(|(name, _)| *name == prefix);
        let prefix = if taken {
            format!("q{}", self.prefixes.len())
        } else {
            prefix
        };
        *declarations += &format!(" xmlns:{prefix}='{}'", attribute(namespace));
        self.prefixes.push((prefix.clone(), namespace.to_owned()));
        prefix
    }

    fn text(&mut self, text: &str) {
        if self.choose(4) == 0 && !text.contains("]]>") && !text.contains('\r') {
            self.out += &format!("<![CDATA[{text}]]>");
        } else {
            let text = self.references(text, false);
            self.out += &text;
        }
        if self.choose(5) == 0 {
            self.out += COMMENT;
        }
    }

    fn references(&mut self, text: &str, in_attribute: bool) -> String {
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '<' => out += "&lt;",
                '&' => out += "&amp;",
                '>' => out += "&gt;",
                '\'' => out += "&apos;",
                '"' => out += "&#34;",
                '\r' => out += "&#13;",
                '\t' | '\n' if in_attribute => out += &format!("&#{};", u32::from(c)),
                c if self.choose(20) == 0 => out += &format!("&#x{:X};", u32::from(c)),
                c => out.push(c),
            }
        }
        out
    }
}
