//! Elements as trees: made by choice, written in any spelling, and compared as infosets.

use arbitrary::{Result, Unstructured};

use super::infoset::{self, Token};

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const NAMES: &[&str] = &["x", "e", "nick", "conference", "storage", "item", "iq", "é"];
const NAMESPACES: &[&str] = &[
    "urn:x",
    "urn:y",
    "storage:bookmarks",
    "urn:xmpp:bookmarks:1",
    "jabber:client",
    "a&b'\"<",
    "http://jabber.org/protocol/pubsub",
    "",
];
const PREFIXES: &[&str] = &["p", "q", "r", "n1", "n2", "ns0", "tns0", "xmlish"];
const TEXTS: &[&str] = &[
    "x", " ", "\n", "\t", "<", "&", "'", "\"", ">", "]]>", "é", "😀", "\u{7f}", "\u{2028}", "/>",
];
/// More than minidom's parser takes in one attribute, and about as much as real servers let through.
const LONG: [usize; 2] = [9_000, 60_000];
/// As deep as the stage lets anything be, below what stands around.
const DEEP: usize = 28;

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub namespace: String,
    pub name: String,
    /// (namespace, name), value; no name twice.
    pub attributes: Vec<((String, String), String)>,
    pub nodes: Vec<Node>,
}

/// What stands in an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Text(String),
    Tree(Tree),
}

impl Tree {
    /// An element with nothing in it.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            attributes: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// The element whose tokens these are, and no more.
    pub fn of(tokens: &[Token]) -> Self {
        let mut open: Vec<Self> = Vec::new();
        for token in tokens {
            match token {
                Token::Start {
                    namespace,
                    name,
                    attributes,
                } => {
                    let mut tree = Self::new(namespace, name);
                    tree.attributes
                        .extend(attributes.iter().map(|(k, v)| (k.clone(), v.clone())));
                    open.push(tree);
                }
                Token::Text(text) => {
                    if let Some(tree) = open.last_mut() {
                        tree.nodes.push(Node::Text(text.clone()));
                    }
                }
                Token::End => {
                    let tree = open.pop().expect("an open element");
                    match open.last_mut() {
                        Some(around) => around.nodes.push(Node::Tree(tree)),
                        None => return tree,
                    }
                }
            }
        }
        panic!("it is not closed: {tokens:?}");
    }

    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Whether it has no attribute, no text and no child.
    pub fn is_bare(&self) -> bool {
        self.attributes.is_empty() && self.nodes.is_empty()
    }

    /// The value of an attribute without a namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        let found = all.find(|((namespace, n), _)| namespace.is_empty() && n == name);
        found.map(|(_, value)| &**value)
    }

    /// Gives it this attribute, in place of one that it has.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        let name = (String::new(), name.to_owned());
        self.attributes.retain(|(its, _)| *its != name);
        self.attributes.push((name, value.into()));
        self
    }

    /// Puts this at its end.
    pub fn holding(mut self, tree: Self) -> Self {
        self.nodes.push(Node::Tree(tree));
        self
    }

    /// The elements in it.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Tree(tree) => Some(tree),
            Node::Text(_) => None,
        })
    }

    /// The character data right in it.
    pub fn text(&self) -> String {
        let texts = self.nodes.iter().map(|node| match node {
            Node::Text(text) => &**text,
            Node::Tree(_) => "",
        });
        texts.collect()
    }

    /// Its infoset.
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        self.push_tokens(&mut tokens);
        tokens
    }

    fn push_tokens(&self, tokens: &mut Vec<Token>) {
        tokens.push(Token::Start {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            attributes: self.attributes.iter().cloned().collect(),
        });
        for node in &self.nodes {
            match node {
                Node::Text(text) => infoset::push_text(tokens, text),
                Node::Tree(tree) => tree.push_tokens(tokens),
            }
        }
        tokens.push(Token::End);
    }

    /// The longest value or text anywhere in it, in bytes.
    pub fn longest(&self) -> usize {
        let values = self.attributes.iter().map(|(_, value)| value.len());
        let nodes = self.nodes.iter().map(|node| match node {
            Node::Text(text) => text.len(),
            Node::Tree(tree) => tree.longest(),
        });
        values.chain(nodes).max().unwrap_or(0)
    }
}

/// Makes trees that are one user's, and writes them.
pub struct Trees<'u, 'd> {
    pub choices: &'u mut Unstructured<'d>,
    /// Stands in texts and values, so that whoever gets to see one can be held to be the user.
    pub mark: &'static str,
}

impl Trees<'_, '_> {
    /// Any element; `fuel` bounds how many are in it.
    pub fn any(&mut self, fuel: usize) -> Result<Tree> {
        let namespace = NAMESPACES[self.choose(NAMESPACES.len())?];
        let mut tree = Tree::new(namespace, NAMES[self.choose(NAMES.len())?]);
        self.dress(&mut tree)?;
        self.fill(&mut tree, fuel)?;
        Ok(tree)
    }

    /// Gives an element attributes of any kind.
    pub fn dress(&mut self, tree: &mut Tree) -> Result<()> {
        for _ in 0..[0, 0, 1, 2, 3][self.choose(5)?] {
            let name = match self.choose(8)? {
                0 => (XML.to_owned(), "lang".to_owned()),
                1 | 2 => (String::new(), ["k", "v", "é"][self.choose(3)?].to_owned()),
                _ => {
                    let namespace = NAMESPACES[self.choose(NAMESPACES.len() - 1)?];
                    (namespace.to_owned(), ["a", "b"][self.choose(2)?].to_owned())
                }
            };
            if tree.attributes.iter().all(|(its, _)| *its != name) {
                let value = self.text()?;
                tree.attributes.push((name, value));
            }
        }
        Ok(())
    }

    /// Puts texts and elements of any kind into one.
    pub fn fill(&mut self, tree: &mut Tree, fuel: usize) -> Result<()> {
        for _ in 0..self.choose(4)?.min(fuel) {
            match self.choose(6)? {
                0 | 1 => {
                    let text = self.text()?;
                    push_text(tree, &text);
                }
                2 if fuel > 3 && self.one_in(8)? => {
                    let mut deep = Tree::new("urn:x", "deep");
                    for level in 0..self.choose(DEEP)? {
                        let namespace = NAMESPACES[level % 3];
                        deep = Tree::new(namespace, "deep").holding(deep);
                    }
                    tree.nodes.push(Node::Tree(deep));
                }
                _ => {
                    let inside = self.any(fuel / 2)?;
                    tree.nodes.push(Node::Tree(inside));
                }
            }
        }
        Ok(())
    }

    /// Text with the user's mark in it, or without any; never empty.
    pub fn text(&mut self) -> Result<String> {
        let mut text = String::new();
        match self.choose(64)? {
            1 => text.push_str(&"l".repeat(LONG[self.choose(LONG.len())?])),
            2..32 => text.push_str(self.mark),
            _ => {}
        }
        for _ in 0..=self.choose(3)? {
            text.push_str(TEXTS[self.choose(TEXTS.len())?]);
        }
        Ok(text)
    }

    /// As XML, where no default namespace is declared but this one, and no prefix.
    pub fn write(&mut self, tree: &Tree, default: &str, out: &mut String) -> Result<()> {
        self.write_in(tree, default, &mut Vec::new(), out)
    }

    fn write_in(
        &mut self,
        tree: &Tree,
        default: &str,
        scope: &mut Vec<(&'static str, String)>,
        out: &mut String,
    ) -> Result<()> {
        let (in_scope, mut default) = (scope.len(), default.to_owned());
        let mut tag = String::new();
        let by_default = tree.namespace.is_empty() || !self.one_in(4)?;
        let name = if by_default {
            if default != tree.namespace {
                declare("xmlns", &tree.namespace, &mut tag);
                default.clone_from(&tree.namespace);
            }
            tree.name.clone()
        } else {
            let prefix = self.prefix(&tree.namespace, in_scope, scope, &mut tag)?;
            format!("{prefix}:{}", tree.name)
        };
        if self.one_in(16)? {
            // Of no use, and in the way of nothing.
            self.prefix("urn:unused", in_scope, scope, &mut tag)?;
        }
        for ((namespace, name), value) in &tree.attributes {
            let name = match &**namespace {
                "" => name.clone(),
                XML => format!("xml:{name}"),
                _ => {
                    let prefix = self.prefix(namespace, in_scope, scope, &mut tag)?;
                    format!("{prefix}:{name}")
                }
            };
            declare(&name, value, &mut tag);
        }
        out.push_str(&format!("<{name}{tag}"));
        if tree.nodes.is_empty() && !self.one_in(4)? {
            out.push_str("/>");
        } else {
            out.push('>');
            for node in &tree.nodes {
                match node {
                    Node::Text(text) => escape(text, out),
                    Node::Tree(tree) => self.write_in(tree, &default, scope, out)?,
                }
            }
            out.push_str(&format!("</{name}>"));
        }
        scope.truncate(in_scope);
        Ok(())
    }

    /// A prefix that stands for this namespace in this tag: one that does already, or one that is
    /// declared here, perhaps once more, or over another.
    fn prefix(
        &mut self,
        namespace: &str,
        in_scope: usize,
        scope: &mut Vec<(&'static str, String)>,
        tag: &mut String,
    ) -> Result<&'static str> {
        let of = |prefix: &str, scope: &[(&str, String)]| {
            let bound = scope.iter().rev().find(|(its, _)| *its == prefix);
            bound.is_some_and(|(_, its)| its == namespace)
        };
        let known = PREFIXES.iter().find(|prefix| of(prefix, scope));
        let is_here = scope[in_scope..].iter().any(|(_, its)| its == namespace);
        if let Some(prefix) = known
            && (is_here || !self.one_in(3)?)
        {
            // Noted as this tag's own, or it might be declared over.
            scope.push((prefix, namespace.to_owned()));
            return Ok(prefix);
        }
        let first = self.choose(PREFIXES.len())?;
        let all = PREFIXES.iter().cycle().skip(first).take(PREFIXES.len());
        let used = |prefix: &str| scope[in_scope..].iter().any(|(its, _)| *its == prefix);
        let prefix = all.copied().find(|prefix| !used(prefix)).expect("enough");
        declare(&format!("xmlns:{prefix}"), namespace, tag);
        scope.push((prefix, namespace.to_owned()));
        Ok(prefix)
    }

    pub fn one_in(&mut self, among: usize) -> Result<bool> {
        Ok(self.choose(among)? == among - 1)
    }

    pub fn choose(&mut self, among: usize) -> Result<usize> {
        self.choices.int_in_range(0..=among - 1)
    }
}

/// Appends character data.
pub fn push_text(tree: &mut Tree, text: &str) {
    match tree.nodes.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ => tree.nodes.push(Node::Text(text.to_owned())),
    }
}

fn declare(name: &str, value: &str, tag: &mut String) {
    tag.push_str(&format!(" {name}='"));
    escape(value, tag);
    tag.push('\'');
}

/// Appends text as it may stand anywhere, also in an attribute.
pub fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push_str(&format!("&#{};", u32::from(c))),
            _ => out.push(c),
        }
    }
}
