//! What is asked for, and what is found.

use crate::Owner;

/// What is asked for.
#[derive(Debug)]
pub struct Query {
    pub owner: Owner,
    /// The namespace of the elements.
    pub namespace: String,
    /// Their names, none twice.
    pub names: Vec<String>,
    /// Whether, where nothing is found under a name, all that is in the namespace is to be found instead.
    pub or_all: bool,
}

/// What is found under one name of a query.
#[derive(Debug, Default)]
pub struct Elements {
    /// The elements as text, one behind the other.
    pub text: String,
    pub under: Under,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Under {
    /// Under the name that was asked for.
    Name,
    /// In the namespace, under other names: all that is there, ordered by name.
    Namespace,
    #[default]
    Nothing,
}
