//! Payloads that are built from types.

use minidom::Element;

/// A payload that was built from types, as XML. Elements built from resolved names carry no
/// prefixes, which is what keeps minidom's writer from failing.
pub fn xml_of(payload: impl Into<Element>) -> String {
    String::from(&payload.into())
}
