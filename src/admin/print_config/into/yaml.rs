//! YAML as a tree that knows the places of its keys.

use saphyr_parser::{Event, Parser, Span};

/// Deeper is nothing that a server takes.
const DEEPEST: usize = 64;

#[derive(Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

/// Where a node begins, and where it ends if that is on the same line.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 0.
    pub column: usize,
    pub end: usize,
}

#[derive(Debug)]
pub enum Value {
    Scalar(String),
    Mapping(Vec<Entry>),
    Sequence(Vec<Node>),
    /// It stands for another node.
    Alias,
}

#[derive(Debug)]
pub struct Entry {
    pub key: Node,
    pub value: Node,
}

impl Node {
    pub fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Those of a mapping.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Those of a sequence.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(nodes) => nodes,
            _ => &[],
        }
    }

    /// Those under this key: ejabberd merges some that are there more than once.
    pub fn all<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a Entry> {
        let entries = self.entries().iter();
        entries.filter(move |entry| entry.key.scalar() == Some(key))
    }
}

/// Reads the first document; an error says where it is.
pub fn read(text: &str) -> Result<Node, String> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let place = Place::of(span);
        let value = match event {
            Event::Scalar(text, ..) => Value::Scalar(text.into_owned()),
            Event::Alias(_) => Value::Alias,
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                if open.len() == DEEPEST {
                    return Err(format!("line {}: nested too deeply", place.line));
                }
                open.push(Open {
                    place,
                    is_mapping: matches!(event, Event::MappingStart(..)),
                    nodes: Vec::new(),
                });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(closed) => {
                    let (place, value) = (closed.place, closed.value());
                    match open.last_mut() {
                        Some(outer) => outer.nodes.push(Node { place, value }),
                        None => return Ok(Node { place, value }),
                    }
                    continue;
                }
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            Some(outer) => outer.nodes.push(Node { place, value }),
            None => return Ok(Node { place, value }),
        }
    }
    Err("there is nothing in it".to_owned())
}

/// A mapping or sequence whose end was not read yet.
struct Open {
    place: Place,
    is_mapping: bool,
    /// In a mapping, keys and values by turns.
    nodes: Vec<Node>,
}

impl Open {
    fn value(self) -> Value {
        if !self.is_mapping {
            return Value::Sequence(self.nodes);
        }
        let mut nodes = self.nodes.into_iter();
        let mut entries = Vec::new();
        while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
            entries.push(Entry { key, value });
        }
        Value::Mapping(entries)
    }
}

impl Place {
    fn of(span: Span) -> Self {
        Self {
            line: span.start.line(),
            column: span.start.col(),
            end: span.end.col(),
        }
    }
}
