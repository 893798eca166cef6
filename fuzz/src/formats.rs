//! Files of other servers: XEP-0227, and what Prosody's internal storage has of a user.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;

use arbitrary::Unstructured;
use xmpp_private_storage::formats::{Entry, Export, Import, Item, Limits, User, prosody_user};

use super::archive::is_taken;
use super::generate::Xml;
use super::infoset::{self, Token};
use super::is_xml;

/// Low, so that they are met.
const LIMITS: Limits = Limits {
    bytes: 4096,
    elements: 6,
    depth: 24,
    name_bytes: 64,
};

const FORMATS: [&str; 2] = [
    "urn:xmpp:pie:0",
    "http://www.xmpp.org/extensions/xep-0227.html#ns",
];
const PRIVATE: &str = "jabber:iq:private";

/// No panic; the same however the bytes arrive; no more than the limits allow; every entry sound
/// to two other parsers, and, where they take the whole document, equal to what they find in it;
/// what was read is written, and read again as it was.
pub fn xep0227(input: &[u8]) {
    let document = if is_xml(input) {
        input.to_vec()
    } else {
        let Ok(document) = document(input) else {
            return;
        };
        document
    };
    let items = read(Cursor::new(document.clone()));
    let sizes = input.to_vec();
    let again = read(Pieces(document.clone(), 0, sizes));
    assert_eq!(format!("{items:?}"), format!("{again:?}"), "in pieces");
    let users: Vec<&User> = items.iter().filter_map(as_user).collect();
    for user in &users {
        sound(&user.entries);
    }
    written_and_read(&users);
    let shown = String::from_utf8_lossy(&document);
    let parsed = infoset::by_rxml(&document).and_then(|tokens| {
        let same = infoset::by_roxmltree(&document)? == tokens;
        same.then_some(tokens).ok_or_else(String::new)
    });
    if let Ok(tokens) = parsed
        && users.len() == items.len()
    {
        compare(&users, &tokens, &shown);
    }
}

/// The same for what Prosody writes: any element, written as Lua in any way, comes out equal.
pub fn prosody(input: &[u8]) {
    let user =
        |text: &[u8]| prosody_user("u", "h", Path::new("f"), text, &LIMITS).expect("an address");
    if input.starts_with(b"return") || input.starts_with(b"--") {
        return sound(&user(input).entries);
    }
    let mut choices = Unstructured::new(input);
    let mut xml = Xml::new(&mut choices);
    if xml.element().is_err() {
        return;
    }
    let document = xml.out.into_bytes();
    let (Ok(tokens), Ok(other)) = (
        infoset::by_rxml(&document),
        infoset::by_roxmltree(&document),
    ) else {
        return;
    };
    if tokens != other {
        return;
    }
    let text = as_lua(&tokens, input);
    let user = user(text.as_bytes());
    sound(&user.entries);
    match user.entries.as_slice() {
        [entry] => assert_eq!(infoset::of(entry.xml.as_bytes()), tokens, "{text}"),
        _ => assert!(!user.problems.is_empty() || tokens.len() == 2, "{text}"),
    }
}

fn as_user(item: &Item) -> Option<&User> {
    match item {
        Item::User(user) => Some(user),
        Item::Problem(_) => None,
    }
}

fn read(document: impl Read + Send + 'static) -> Vec<Item> {
    Import::from_reader(document, Path::new("f"), LIMITS).collect()
}

/// A document of users, who have anything.
fn document(input: &[u8]) -> arbitrary::Result<Vec<u8>> {
    let mut choices = Unstructured::new(input);
    let mut xml = Xml::new(&mut choices);
    xml.out
        .push_str(&format!("<server-data xmlns='{}'>", FORMATS[0]));
    xml.between()?;
    xml.out.push_str("<host jid='h'>");
    let mut number = 0;
    while !xml.is_over() {
        number += 1;
        xml.between()?;
        xml.out.push_str(&format!("<user name='u{number}'>"));
        xml.element()?;
        xml.out.push_str(&format!("<query xmlns='{PRIVATE}'>"));
        xml.element()?;
        xml.element()?;
        xml.out.push_str("</query></user>");
    }
    xml.out.push_str("</host></server-data>");
    Ok(xml.out.into_bytes())
}

/// The elements of an entry, each as an infoset.
fn elements(entry: &Entry) -> Vec<Vec<Token>> {
    let all = format!("<all>{}</all>", entry.xml);
    let tokens = infoset::of(all.as_bytes());
    let children = infoset::children(&tokens);
    children.into_iter().map(<[Token]>::to_vec).collect()
}

fn sound(entries: &[Entry]) {
    assert!(entries.iter().map(|entry| entry.xml.len()).sum::<usize>() <= LIMITS.bytes);
    let count: usize = entries.iter().map(|entry| entry.elements as usize).sum();
    assert!(count <= LIMITS.elements);
    let brought = entries.iter();
    let brought: Vec<_> = brought
        .map(|it| (&*it.namespace, &*it.name, it.elements, &*it.xml))
        .collect();
    is_taken(&brought);
    for entry in entries {
        assert!(!entry.namespace.is_empty() && entry.namespace != PRIVATE);
        let elements = elements(entry);
        assert_eq!(elements.len(), entry.elements as usize);
        for element in elements {
            assert!(element[0].opens(&entry.namespace, &entry.name));
            assert!(infoset::depth(&element) <= LIMITS.depth);
        }
    }
}

fn written_and_read(users: &[&User]) {
    let mut export = Export::new(Vec::new()).expect("written");
    for user in users {
        let elements = user.entries.iter().map(|entry| &entry.xml);
        export.user(&user.jid, elements).expect("an address");
    }
    let document = export.finish().expect("written");
    let again = read(Cursor::new(document));
    assert_eq!(again.len(), users.len());
    for (user, again) in users.iter().zip(again.iter().filter_map(as_user)) {
        assert_eq!(user.jid, again.jid);
        assert_eq!(user.entries, again.entries);
    }
}

/// What the users have, against what stands in the document.
fn compare(users: &[&User], document: &[Token], shown: &str) {
    let mut expected = Vec::new();
    let is = |token: &Token, name| FORMATS.iter().any(|format| token.opens(format, name));
    let hosts = match document.first() {
        Some(root) if is(root, "host") => vec![document],
        _ => infoset::children(document),
    };
    for host in hosts {
        if is(&host[0], "host") {
            let inside = infoset::children(host);
            expected.extend(inside.into_iter().filter(|user| is(&user[0], "user")));
        }
    }
    assert_eq!(users.len(), expected.len(), "{shown}");
    for (user, expected) in users.iter().zip(expected) {
        let mut stored: BTreeMap<(String, String), Vec<Vec<Token>>> = BTreeMap::new();
        for query in infoset::children(expected) {
            if !query[0].opens(PRIVATE, "query") {
                continue;
            }
            for child in infoset::children(query) {
                if let Token::Start {
                    namespace, name, ..
                } = &child[0]
                {
                    let key = (namespace.clone(), name.clone());
                    stored.entry(key).or_default().push(child.to_vec());
                }
            }
        }
        for entry in &user.entries {
            let key = (entry.namespace.clone(), entry.name.clone());
            let (ours, theirs) = (elements(entry), stored.remove(&key).unwrap_or_default());
            match user.problems.is_empty() {
                true => assert_eq!(ours, theirs, "{shown}"),
                false => assert!(
                    ours.iter().all(|element| theirs.contains(element)),
                    "{shown}"
                ),
            }
        }
        if user.problems.is_empty() {
            let mut left = stored.values();
            assert!(left.all(|elements| is_lone_and_bare(elements)), "{shown}");
        }
    }
}

fn is_lone_and_bare(elements: &[Vec<Token>]) -> bool {
    let bare = |element: &[Token]| {
        element.len() == 2
            && matches!(&element[0], Token::Start { attributes, .. } if attributes.is_empty())
    };
    matches!(elements, [element] if bare(element))
}

/// An element as Prosody's internal storage would have it, in a notation of the input's choice.
fn as_lua(element: &[Token], choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle().copied();
    let mut choose = move |among: u8| choices.next().unwrap_or(0) % among;
    let mut out = "return { [\"it\"] =".to_owned();
    for token in element {
        match token {
            Token::Start {
                namespace,
                name,
                attributes,
            } => {
                out += &format!("{{ name = {}; attr = {{", string(name, choose(4)));
                out += &format!("xmlns = {},", string(namespace, choose(4)));
                for ((namespace, name), value) in attributes {
                    let key = match namespace.as_str() {
                        "" => name.clone(),
                        namespace => format!("{namespace}\u{1}{name}"),
                    };
                    let (key, value) = (string(&key, choose(4)), string(value, choose(4)));
                    out += &format!("[ {key} ] = {value};");
                }
                out += ["};", "}, -- a comment\n", "}; --[[ another ]]"][usize::from(choose(3))];
            }
            Token::Text(text) => out += &format!("{}; ", string(text, choose(4))),
            Token::End => out += "};",
        }
    }
    out.truncate(out.len() - 1);
    out + " };\n"
}

fn string(text: &str, style: u8) -> String {
    let plain = !text.contains(['\r', ']', '\u{0}']) && !text.starts_with('\n');
    match style {
        0 if plain => format!("[[{text}]]"),
        1 if plain => format!("[==[\n{text}]==]"),
        2 => {
            let escaped = text.replace('\\', "\\\\").replace('\'', "\\'");
            format!("'{}'", escaped.replace('\r', "\\r").replace('\n', "\\\n"))
        }
        _ => {
            let mut out = "\"".to_owned();
            for byte in text.bytes() {
                match byte {
                    b'"' => out.push_str("\\\""),
                    b'\\' => out.push_str("\\\\"),
                    b' '..=b'~' => out.push(char::from(byte)),
                    byte => out += &format!("\\{byte:03}"),
                }
            }
            out + "\""
        }
    }
}

/// A document that arrives in pieces of these sizes.
struct Pieces(Vec<u8>, usize, Vec<u8>);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Self(bytes, at, sizes) = self;
        let size = 1 + sizes
            .get(*at % sizes.len().max(1))
            .map_or(0, |byte| byte & 15);
        let rest = &bytes[*at..];
        let count = rest.len().min(usize::from(size)).min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        *at += count;
        Ok(count)
    }
}
