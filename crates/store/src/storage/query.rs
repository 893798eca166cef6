//! What is asked for, and what is found.

use crate::{Owner, ReadError, Store};

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

/// Reads. This may wait for the disk.
pub fn find(store: &Store, query: &Query) -> Result<Vec<Elements>, ReadError> {
    let Query {
        owner,
        namespace,
        names,
        or_all,
    } = query;
    let find_one = |name: &String| {
        let mut text = String::new();
        let under = if store.read(owner, namespace, Some(name), &mut text)? > 0 {
            Under::Name
        } else if *or_all && store.read(owner, namespace, None, &mut text)? > 0 {
            Under::Namespace
        } else {
            Under::Nothing
        };
        Ok(Elements { text, under })
    };
    names.iter().map(find_one).collect()
}
