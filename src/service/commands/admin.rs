//! What administrators see and delete.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use xmpp_parsers::data_forms::{DataFormType, Field, FieldType};

use super::form::{Head, Listing, Submitted, confirmation, field, form};
use super::look::Look;
use super::own::{self, NOTHING};
use super::{Action, Step, bad_action, bad_payload, form_in, must_complete};
use crate::service::access;
use crate::service::error::StanzaError;
use crate::store::{Owner, Totals};

/// What the service knows of itself and of all that is stored.
pub fn statistics(head: &Head, linked: SystemTime, totals: &Totals) -> String {
    let since = DateTime::<Utc>::from(linked).format("%Y-%m-%d %H:%M:%S UTC");
    let least = if totals.whole { "" } else { "at least " };
    let facts = [
        ("version", "Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("linked", "Logged in since", since.to_string()),
        ("owners", "Users", format!("{least}{}", totals.owners)),
        (
            "elements",
            "Elements",
            format!("{least}{}", totals.amount.elements),
        ),
        ("bytes", "Bytes", format!("{least}{}", totals.amount.bytes)),
    ];
    let fact = |(name, label, value): (&str, &str, String)| {
        field(name, FieldType::TextSingle, label).with_value(&value)
    };
    let fields: Vec<Field> = facts.into_iter().map(fact).collect();
    let title = "Statistics of private storage".to_owned();
    let form = form(DataFormType::Result_, title, "", fields);
    let note = if totals.whole {
        "Everything was counted."
    } else {
        "There was not enough time to count everything."
    };
    head.completed("info", note, Some(form))
}

/// Asks whom it is about; that may be the last step.
pub fn address_form(head: &Head, is_last: bool, address: &str) -> String {
    let mut asked = field("jid", FieldType::JidSingle, "Address of the user");
    asked.required = true;
    if !address.is_empty() {
        asked = asked.with_value(address);
    }
    let (title, action) = match is_last {
        true => ("What one user has stored", "complete"),
        false => ("Delete all that one user has stored", "next"),
    };
    let fields = vec![asked];
    let form = form(DataFormType::Form, title.to_owned(), "", fields);
    head.executing(&[action], form)
}

/// Shows what is to be deleted, and asks whether it really is.
pub fn confirm(head: &Head, owner: &Owner, listing: &Listing) -> String {
    if listing.is_empty() {
        return head.completed("info", NOTHING, None);
    }
    let title = "Delete all that one user has stored".to_owned();
    let instructions = format!(
        "{} has {}. What is deleted cannot be brought back.",
        owner.as_str(),
        listing.sum
    );
    let mut fields = vec![Field::new("jid", FieldType::Hidden).with_value(owner.as_str())];
    fields.extend(listing.lines());
    fields.push(confirmation("Delete all of it"));
    let form = form(DataFormType::Form, title, &instructions, fields);
    head.executing(&["prev", "complete"], form)
}

/// A user was named, to be looked at.
pub fn named(action: Action, head: Head, submitted: &Submitted) -> Result<Step, StanzaError> {
    must_complete(action)?;
    let owner = owner(submitted)?;
    Ok(Step::Look(owner.clone(), Look::Stored(head, owner)))
}

/// A step of deleting a user: only the form of the last one has a box to check.
pub fn delete(
    action: Action,
    head: Head,
    submitted: Option<Submitted>,
) -> Result<Step, StanzaError> {
    if action == Action::Prev {
        let address = submitted.as_ref().and_then(|it| it.value("jid"));
        let form = address_form(&head, false, address.unwrap_or_default());
        return Ok(Step::Answer(form));
    }
    let submitted = form_in(submitted)?;
    let owner = owner(&submitted)?;
    match submitted.checked("confirm")? {
        None if matches!(action, Action::Execute | Action::Next) => {
            Ok(Step::Look(owner.clone(), Look::User(head, owner)))
        }
        None => Err(bad_action(
            "This step takes only the actions next and cancel.",
        )),
        Some(_) if action == Action::Next => Err(bad_action(
            "This step takes only the actions complete, prev and cancel.",
        )),
        Some(false) => {
            let answer = head.completed("warn", own::NOT_CONFIRMED, None);
            Ok(Step::Answer(answer))
        }
        Some(true) => {
            tracing::info!(
                "by ad-hoc command, an administrator deletes all that one user has stored"
            );
            tracing::debug!("that user is {}", owner.as_str());
            let done = head.completed("info", own::DELETED, None);
            Ok(Step::Remove(owner, None, done))
        }
    }
}

/// The user that a form names, normalised. It need not be of a domain that is served: what is
/// stored for one that was is looked after here too.
fn owner(submitted: &Submitted) -> Result<Owner, StanzaError> {
    let address = submitted.value("jid").map(str::trim);
    address
        .and_then(access::account)
        .ok_or_else(|| bad_payload("The form must name one user, such as juliet@example.org."))
}
