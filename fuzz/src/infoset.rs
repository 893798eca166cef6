//! What XML says, without how it is written: as two parsers find it that know nothing of ours.
//!
//! rxml's own namespaces are not used by the link (which runs its `RawParser`); roxmltree is
//! another parser altogether, and stricter: it finds attributes given twice.

use std::collections::BTreeMap;

use rxml::parser::CommentMode;
use rxml::{Event, Options, Parse, Parser, WithOptions};

/// One piece. A flat list of them, since no tree is safe from 10,000 levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A start tag.
    Start {
        namespace: String,
        name: String,
        /// (namespace, name) → value.
        attributes: BTreeMap<(String, String), String>,
    },
    /// Character data; never empty, and no two side by side.
    Text(String),
    /// An end tag.
    End,
}

impl Token {
    /// A start tag without attributes.
    pub fn start(namespace: &str, name: &str) -> Self {
        Self::Start {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            attributes: BTreeMap::new(),
        }
    }

    /// Whether it is the start of such an element.
    pub fn opens(&self, namespace: &str, name: &str) -> bool {
        matches!(self, Self::Start { namespace: ns, name: n, .. } if ns == namespace && n == name)
    }

    /// The value of an attribute without a namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let Self::Start { attributes, .. } = self else {
            return None;
        };
        let name = (String::new(), name.to_owned());
        attributes.get(&name).map(String::as_str)
    }
}

/// Appends character data to what came before it.
pub fn push_text(tokens: &mut Vec<Token>, text: &str) {
    match tokens.last_mut() {
        _ if text.is_empty() => {}
        Some(Token::Text(before)) => before.push_str(text),
        _ => tokens.push(Token::Text(text.to_owned())),
    }
}

/// The child elements of an element, each with all that is in it.
pub fn children(element: &[Token]) -> Vec<&[Token]> {
    let mut children = Vec::new();
    let (mut depth, mut begin) = (0_usize, 0);
    for (at, token) in element.iter().enumerate() {
        match token {
            Token::Start { .. } => {
                if depth == 1 {
                    begin = at;
                }
                depth += 1;
            }
            Token::Text(_) => {}
            Token::End => {
                depth -= 1;
                if depth == 1 {
                    children.push(&element[begin..=at]);
                }
            }
        }
    }
    children
}

/// How deep elements are nested; the outermost is level 1.
pub fn depth(tokens: &[Token]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for token in tokens {
        match token {
            Token::Start { .. } => depth += 1,
            Token::Text(_) => {}
            Token::End => depth -= 1,
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// As rxml's namespace-aware parser finds it; why not, where it refuses.
pub fn by_rxml(document: &[u8]) -> Result<Vec<Token>, String> {
    let mut parser = Parser::with_options(Options {
        max_token_length: document.len() + 1024,
        context: None,
        comments: CommentMode::Discard,
    });
    let (mut rest, mut tokens) = (document, Vec::new());
    loop {
        match parser.parse(&mut rest, true) {
            Ok(Some(Event::XmlDeclaration(..))) => {}
            Ok(Some(Event::StartElement(_, (namespace, name), attributes))) => {
                let attributes = attributes.iter().map(|((namespace, name), value)| {
                    ((namespace.to_string(), name.to_string()), value.clone())
                });
                tokens.push(Token::Start {
                    namespace: namespace.to_string(),
                    name: name.to_string(),
                    attributes: attributes.collect(),
                });
            }
            Ok(Some(Event::Text(_, text))) => push_text(&mut tokens, &text),
            Ok(Some(Event::EndElement(_))) => tokens.push(Token::End),
            Ok(None) => return Ok(tokens),
            Err(error) => return Err(format!("{error:?}")),
        }
    }
}

/// As roxmltree finds it; why not, where it refuses.
pub fn by_roxmltree(document: &[u8]) -> Result<Vec<Token>, String> {
    let document = std::str::from_utf8(document).map_err(|error| error.to_string())?;
    let document = roxmltree::Document::parse(document).map_err(|error| error.to_string())?;
    let mut tokens = Vec::new();
    let root = document.root_element();
    let mut node = root;
    loop {
        if node.is_element() {
            let attributes = node.attributes().map(|attribute| {
                let namespace = attribute.namespace().unwrap_or_default().to_owned();
                (
                    (namespace, attribute.name().to_owned()),
                    attribute.value().to_owned(),
                )
            });
            tokens.push(Token::Start {
                namespace: node.tag_name().namespace().unwrap_or_default().to_owned(),
                name: node.tag_name().name().to_owned(),
                attributes: attributes.collect(),
            });
        } else if node.is_text() {
            push_text(&mut tokens, node.text().unwrap_or_default());
        }
        if let Some(child) = node.first_child() {
            node = child;
            continue;
        }
        loop {
            if node.is_element() {
                tokens.push(Token::End);
            }
            if node == root {
                return Ok(tokens);
            }
            if let Some(next) = node.next_sibling() {
                node = next;
                break;
            }
            let Some(parent) = node.parent() else {
                return Ok(tokens);
            };
            node = parent;
        }
    }
}

/// As both parsers find it, and they agree.
pub fn of(document: &[u8]) -> Vec<Token> {
    let shown = || String::from_utf8_lossy(document);
    let tokens = by_rxml(document).unwrap_or_else(|why| panic!("rxml: {why}\n{}", shown()));
    let other =
        by_roxmltree(document).unwrap_or_else(|why| panic!("roxmltree: {why}\n{}", shown()));
    assert_eq!(tokens, other, "{}", shown());
    tokens
}
