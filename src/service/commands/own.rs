//! What users do with their own data.

use xmpp_parsers::data_forms::DataFormType;

use super::form::{Head, Listing, NONE, Submitted, confirmation, form};
use super::{Action, Step, bad_payload, must_complete};
use crate::service::error::StanzaError;
use crate::service::get::MAX_NAME_BYTES;
use crate::store::Owner;

/// What there is to read where there is nothing.
pub const NOTHING: &str = "Nothing is stored.";

/// What is answered where the box was not checked.
pub const NOT_CONFIRMED: &str = "Not confirmed, so nothing was deleted.";

/// What is answered when it is done.
pub const DELETED: &str = "Deleted.";

pub fn stored(head: &Head, owner: &Owner, listing: &Listing) -> String {
    if listing.is_empty() {
        return head.completed("info", NOTHING, None);
    }
    let title = format!("What is stored for {}", owner.as_str());
    let result = form(DataFormType::Result_, title, "", listing.results());
    head.completed("info", &format!("{}.", listing.sum), Some(result))
}

pub fn choose(head: &Head, listing: &Listing) -> String {
    if listing.is_empty() {
        return head.completed("info", NOTHING, None);
    }
    let title = "Delete one namespace".to_owned();
    let instructions = "Choose what to delete. It cannot be brought back.";
    let fields = listing.choice();
    let form = form(DataFormType::Form, title, instructions, fields);
    head.executing(&["complete"], form)
}

/// Whether really to delete all.
pub fn confirm(head: &Head, listing: &Listing) -> String {
    if listing.is_empty() {
        return head.completed("info", NOTHING, None);
    }
    let title = "Delete everything".to_owned();
    let instructions = format!(
        "You have {} in private storage. What is deleted cannot be brought back.",
        listing.sum
    );
    let fields = vec![confirmation("Delete all of it")];
    let form = form(DataFormType::Form, title, &instructions, fields);
    head.executing(&["complete"], form)
}

pub fn chosen(
    action: Action,
    head: Head,
    owner: Owner,
    submitted: &Submitted,
) -> Result<Step, StanzaError> {
    must_complete(action)?;
    let namespace = submitted
        .value("namespace")
        .filter(|namespace| namespace.len() <= MAX_NAME_BYTES)
        .ok_or_else(|| bad_payload("The form must name one namespace of at most 1,024 bytes."))?;
    if namespace == NONE {
        let note = "Nothing was chosen, so nothing was deleted.";
        return Ok(Step::Answer(head.completed("warn", note, None)));
    }
    let done = head.completed("info", DELETED, None);
    Ok(Step::Remove(owner, Some(namespace.to_owned()), done))
}

/// The box was checked, or not.
pub fn confirmed(
    action: Action,
    head: Head,
    owner: Owner,
    submitted: &Submitted,
) -> Result<Step, StanzaError> {
    must_complete(action)?;
    match submitted.checked("confirm")? {
        None => Err(bad_payload("The form must say whether this is confirmed.")),
        Some(false) => Ok(Step::Answer(head.completed("warn", NOT_CONFIRMED, None))),
        Some(true) => {
            let done = head.completed("info", DELETED, None);
            Ok(Step::Remove(owner, None, done))
        }
    }
}
