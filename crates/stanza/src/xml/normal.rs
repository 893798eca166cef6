//! Taking apart what is in normal form (see [`super::fragment`]): by its markup alone, since in it
//! `<` and `>` stand for tags and nothing else, elements have no prefixes, and a namespace is
//! declared, before all attributes, where it differs from that around it.

use std::borrow::Cow;

use memchr::memchr;

/// What stands side by side in some XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node<'x> {
    /// Character data, escaped.
    Text(&'x str),
    /// An element, whole.
    Element(&'x str),
}

/// The nodes that stand side by side in this XML, in order. Together they are all of it.
pub fn nodes(xml: &str) -> impl Iterator<Item = Node<'_>> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let text = memchr(b'<', rest.as_bytes()).unwrap_or(rest.len());
        let is_text = text > 0;
        let length = if is_text { text } else { element_length(rest) };
        let (node, after) = rest.split_at(length);
        rest = after;
        Some(match is_text {
            true => Node::Text(node),
            false => Node::Element(node),
        })
    })
}

/// How long the element at the front is. (What is not in normal form is one to its end.)
fn element_length(xml: &str) -> usize {
    let (mut at, mut depth) = (0_usize, 0_usize);
    while let Some(length) = memchr(b'>', &xml.as_bytes()[at..]) {
        let tag = &xml.as_bytes()[at..=at + length];
        at += tag.len();
        if tag.starts_with(b"</") {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with(b"/>") {
            depth += 1;
        }
        if depth == 0 {
            return at;
        }
        match memchr(b'<', &xml.as_bytes()[at..]) {
            Some(text) => at += text,
            None => break,
        }
    }
    xml.len()
}

/// Whether this element has that name, in the namespace that is in force around it.
pub fn is(element: &str, name: &str) -> bool {
    let rest = element
        .strip_prefix('<')
        .and_then(|it| it.strip_prefix(name));
    rest.is_some_and(|rest| rest.starts_with(['>', '/', ' ']) && !rest.starts_with(" xmlns='"))
}

/// The start tag of an element, open even where the element is empty.
pub fn start_tag(element: &str) -> Cow<'_, str> {
    let end = memchr(b'>', element.as_bytes()).map_or(element.len(), |at| at + 1);
    let tag = &element[..end];
    match tag.strip_suffix("/>") {
        Some(open) => Cow::Owned(format!("{open}>")),
        None => Cow::Borrowed(tag),
    }
}

/// What stands between the tags of an element.
pub fn content(element: &str) -> &str {
    let begin = memchr(b'>', element.as_bytes()).map_or(element.len(), |at| at + 1);
    let end = element.rfind("</").unwrap_or(element.len());
    element.get(begin..end).unwrap_or_default()
}

/// The character data that stands directly in this XML, without what its elements hold.
pub fn text(xml: &str) -> String {
    let mut text = String::new();
    for node in nodes(xml) {
        if let Node::Text(escaped) = node {
            unescape(escaped, &mut text);
        }
    }
    text
}

/// A text (not XML) that is the same for all that have the same infoset: the attributes of each element are in
/// order, and named by their namespaces. A server may write them in another order each time.
pub fn in_order(xml: &str) -> String {
    let mut ordered = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some(begin) = memchr(b'<', rest.as_bytes()) {
        let length =
            memchr(b'>', &rest.as_bytes()[begin..]).map_or(rest.len() - begin, |at| at + 1);
        let (before, tag) = rest[..begin + length].split_at(begin);
        ordered.push_str(before);
        tag_in_order(tag, &mut ordered);
        rest = &rest[begin + length..];
    }
    ordered.push_str(rest);
    ordered
}

fn tag_in_order(tag: &str, out: &mut String) {
    // Values hold no apostrophe.
    let mut parts = tag.split('\'');
    let Some((name, first)) = parts.next().and_then(|it| it.split_once(' ')) else {
        return out.push_str(tag);
    };
    out.push_str(name);
    let mut prefixes: Vec<(&str, &str)> = Vec::new();
    let mut attributes: Vec<(&str, &str, &str)> = Vec::new();
    let mut written = first;
    // The last part is the end of the tag.
    while let Some(value) = parts.next() {
        let name = written.trim_start().trim_end_matches('=');
        match name.split_once(':') {
            Some(("xmlns", prefix)) => prefixes.push((prefix, value)),
            Some((prefix, local)) => {
                let declared = prefixes.iter().rev().find(|it| it.0 == prefix);
                attributes.push((declared.map_or(prefix, |it| it.1), local, value));
            }
            None => attributes.push(("", name, value)),
        }
        written = parts.next().unwrap_or_default();
    }
    attributes.sort_unstable();
    for (namespace, local, value) in attributes {
        for part in [" {", namespace, "}", local, "='", value, "'"] {
            out.push_str(part);
        }
    }
    out.push_str(written);
}

/// Appends text without the references that [`crate::stanza::escape_text`] writes.
fn unescape(text: &str, out: &mut String) {
    const REFERENCES: [(&str, char); 8] = [
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&amp;", '&'),
        ("&apos;", '\''),
        ("&quot;", '"'),
        ("&#x9;", '\t'),
        ("&#xA;", '\n'),
        ("&#xD;", '\r'),
    ];
    let mut rest = text;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = REFERENCES.iter().find(|(name, _)| rest.starts_with(name));
        let (length, meant) = found.map_or((1, '&'), |(name, meant)| (name.len(), *meant));
        out.push(meant);
        rest = &rest[length..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_told_apart_and_are_all() {
        let xml = "a<b/><c d='&gt;/'><b>x</b></c>&lt;<e></e>";
        let found: Vec<Node<'_>> = nodes(xml).collect();
        assert_eq!(
            found,
            [
                Node::Text("a"),
                Node::Element("<b/>"),
                Node::Element("<c d='&gt;/'><b>x</b></c>"),
                Node::Text("&lt;"),
                Node::Element("<e></e>"),
            ]
        );
        assert_eq!(nodes("").count(), 0);
    }

    #[test]
    fn what_is_not_balanced_ends_all_the_same() {
        for xml in ["<a", "<a>", "</a>", "<a><b></a>", "x<", "<a/></b>"] {
            let length: usize = nodes(xml)
                .map(|(Node::Text(it) | Node::Element(it))| it.len())
                .sum();
            assert_eq!(length, xml.len(), "{xml}");
        }
    }

    #[test]
    fn what_has_the_same_infoset_has_the_same_order() {
        let ordered = in_order("<a xmlns='u' c='2' b='1'>x<d/>&lt;<e f='='>y</e></a>z");
        let same = in_order("<a xmlns='u' b='1' c='2'>x<d/>&lt;<e f='='>y</e></a>z");
        assert_eq!(ordered, same);
        let one = "<a xmlns:n1='urn:p' n1:x='1' xmlns:n2='urn:q' n2:x='2' x='3'/>";
        let other = "<a x='3' xmlns:n1='urn:q' n1:x='2' xmlns:n2='urn:p' n2:x='1'/>";
        assert_eq!(in_order(one), in_order(other));
        let all = [
            one,
            "<a xmlns:n1='urn:p' n1:x='2' xmlns:n2='urn:q' n2:x='1' x='3'/>",
            "<a x='3'/>",
            "<a x='3'></a>",
            "<a><a x='3'/></a>",
            "<a/>x='3'",
            "<a",
            "",
        ];
        let told: std::collections::BTreeSet<String> = all.into_iter().map(in_order).collect();
        assert_eq!(told.len(), all.len(), "{told:?}");
        assert_eq!(in_order("no markup"), "no markup");
    }

    #[test]
    fn names_count_with_the_namespace_around() {
        for element in ["<a/>", "<a>", "<a b='1'/>"] {
            assert!(is(element, "a"), "{element}");
        }
        for element in [
            "<ab/>",
            "<a xmlns=''/>",
            "<a xmlns='urn:x' b='1'/>",
            "a",
            "<a",
        ] {
            assert!(!is(element, "a"), "{element}");
        }
    }

    #[test]
    fn an_element_is_its_tags_and_what_stands_between() {
        let element = "<a b='&gt;'>x<a>y&amp;</a>&#xD;z</a>";
        assert_eq!(start_tag(element), "<a b='&gt;'>");
        assert_eq!(content(element), "x<a>y&amp;</a>&#xD;z");
        assert_eq!(text(content(element)), "x\rz");
        assert_eq!((&*start_tag("<a/>"), content("<a/>")), ("<a>", ""));
        assert_eq!(text("&amp;lt;&bogus;"), "&lt;&bogus;");
    }
}
