//! Ad-hoc commands (XEP-0050) at our own address: users look after their own data, administrators
//! after everybody's.
//!
//! Nothing is remembered between the steps of a command: what a step needs comes back in its form,
//! and a session's id proves by itself that it was given to this asker for this command. So memory
//! is bounded, a restart in between does no harm, and no step is taken on trust: each one looks
//! again at who asks.

mod admin;
mod form;
mod look;
mod own;
mod session;

use std::time::{Duration, SystemTime};

use jid::Jid;
use xmpp_parsers::disco::{Identity, Item};

use super::access;
use super::error::{Condition, StanzaError, unreadable};
use super::settings::Settings;
use crate::stanza::Element;
use crate::store::{Owner, Storage};

use form::{Head, Listing, Submitted};
pub use look::Look;

/// The namespace of commands, and the node that lists them.
pub const NAMESPACE: &str = "http://jabber.org/protocol/commands";

/// How long is counted for the statistics. A thread of those that read is taken meanwhile.
const PATIENCE: Duration = Duration::from_millis(200);

/// What comes of one step of a command.
#[derive(Debug)]
pub enum Step {
    /// This is the answer's payload.
    Answer(String),
    /// The store is looked at first, in the order of this owner's requests.
    Look(Owner, Look),
    /// What this owner has in one namespace, or all of it, is deleted; then this is the answer's
    /// payload.
    Remove(Owner, Option<String>, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Stored,
    DeleteNamespace,
    DeleteAll,
    Statistics,
    User,
    DeleteUser,
}

/// What the asker wants of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Execute,
    Next,
    Complete,
    Prev,
    Cancel,
}

impl Command {
    const ALL: [Self; 6] = [
        Self::Stored,
        Self::DeleteNamespace,
        Self::DeleteAll,
        Self::Statistics,
        Self::User,
        Self::DeleteUser,
    ];

    /// Its node, which people type too, and its name.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Stored => ("stored", "What is stored"),
            Self::DeleteNamespace => ("delete-namespace", "Delete one namespace"),
            Self::DeleteAll => ("delete-all", "Delete everything"),
            Self::Statistics => ("statistics", "Statistics"),
            Self::User => ("user", "What one user has stored"),
            Self::DeleteUser => ("delete-user", "Delete all that one user has stored"),
        }
    }

    fn of(node: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.names().0 == node)
    }

    fn is_for_admins(self) -> bool {
        matches!(self, Self::Statistics | Self::User | Self::DeleteUser)
    }
}

/// Who asks, and what may be told them.
#[derive(Debug)]
pub struct Asker<'s> {
    settings: &'s Settings,
    from: &'s str,
    /// Since when the server has let us in.
    linked: SystemTime,
}

impl<'s> Asker<'s> {
    /// Whoever the server says that this is.
    pub fn new(settings: &'s Settings, from: &'s str, linked: SystemTime) -> Self {
        Self {
            settings,
            from,
            linked,
        }
    }

    /// The account of whoever asks, if they may execute this.
    fn may(&self, command: Command) -> Result<Owner, StanzaError> {
        if !command.is_for_admins() {
            return access::direct(self.settings, self.from, None);
        }
        match access::account(self.from) {
            Some(owner) if self.settings.admins.contains(&owner) => Ok(owner),
            _ => {
                let text = "This command is only for the administrators in access.admins.";
                Err(StanzaError::new(Condition::Forbidden, text))
            }
        }
    }

    /// What comes of this step; `xml` is all of the command's element.
    pub fn plan(&self, element: &Element, xml: &str) -> Result<Step, StanzaError> {
        let node = element.attribute("node").ok_or_else(|| {
            StanzaError::new(Condition::BadRequest, "A command must name its node.")
        })?;
        let command = Command::of(node).ok_or_else(|| {
            StanzaError::new(Condition::ItemNotFound, "There is no such command here.")
        })?;
        let asker = self.may(command)?;
        let action = action(element.attribute("action"))?;
        let Some(session) = element.attribute("sessionid") else {
            return match action {
                Action::Execute => Ok(self.begin(command, asker)),
                _ => Err(bad_action("A command begins with the action execute.")),
            };
        };
        if !session::fits(session, node, &asker) {
            let text =
                "This session belongs to another command or another user: please start again.";
            return Err(refusal("bad-sessionid", text));
        }
        let head = Head::new(command.names().0, session.to_owned());
        if action == Action::Cancel {
            return Ok(Step::Answer(head.canceled()));
        }
        let submitted = form::read(xml)?;
        match command {
            Command::DeleteNamespace => own::chosen(action, head, asker, &form_in(submitted)?),
            Command::DeleteAll => own::confirmed(action, head, asker, &form_in(submitted)?),
            Command::User => admin::named(action, head, &form_in(submitted)?),
            Command::DeleteUser => admin::delete(action, head, submitted),
            Command::Stored | Command::Statistics => {
                Err(bad_action("This command is over: please start again."))
            }
        }
    }

    fn begin(&self, command: Command, asker: Owner) -> Step {
        let (node, _) = command.names();
        let head = Head::new(node, session::new(node, &asker));
        let look = match command {
            Command::Stored => Look::Stored(head, asker.clone()),
            Command::DeleteNamespace => Look::Namespaces(head, asker.clone()),
            Command::DeleteAll => Look::All(head, asker.clone()),
            Command::Statistics => Look::Totals(head, self.linked),
            Command::User | Command::DeleteUser => {
                return Step::Answer(admin::address_form(&head, command == Command::User, ""));
            }
        };
        Step::Look(asker, look)
    }
}

/// The commands that the asker may execute.
pub fn items(asker: &Asker<'_>) -> Vec<Item> {
    let Ok(jid) = Jid::new(&asker.settings.profile.domain) else {
        return Vec::new();
    };
    let all = Command::ALL.into_iter();
    all.filter(|command| asker.may(*command).is_ok())
        .map(|command| {
            let (node, name) = command.names();
            Item {
                jid: jid.clone(),
                node: Some(node.to_owned()),
                name: Some(name.to_owned()),
            }
        })
        .collect()
}

/// What a node of commands is, if it is one.
pub fn identity(node: &str, asker: &Asker<'_>) -> Result<Option<Identity>, StanzaError> {
    let (kind, name) = match Command::of(node) {
        None if node == NAMESPACE => ("command-list", "Commands"),
        None => return Ok(None),
        Some(command) => {
            asker.may(command)?;
            ("command-node", command.names().1)
        }
    };
    Ok(Some(Identity::new("automation", kind, "en", name)))
}

fn action(name: Option<&str>) -> Result<Action, StanzaError> {
    Ok(match name {
        None | Some("execute") => Action::Execute,
        Some("next") => Action::Next,
        Some("complete") => Action::Complete,
        Some("prev") => Action::Prev,
        Some("cancel") => Action::Cancel,
        Some(_) => {
            let text = "The action must be execute, next, complete, prev or cancel.";
            return Err(refusal("malformed-action", text));
        }
    })
}

/// Refuses what does not complete a command in its last step.
fn must_complete(action: Action) -> Result<(), StanzaError> {
    match action {
        Action::Execute | Action::Complete => Ok(()),
        _ => Err(bad_action(
            "This step takes only the actions complete and cancel.",
        )),
    }
}

fn form_in(submitted: Option<Submitted>) -> Result<Submitted, StanzaError> {
    submitted.ok_or_else(|| bad_payload("This step needs its form, filled in."))
}

fn bad_action(text: &'static str) -> StanzaError {
    refusal("bad-action", text)
}

fn bad_payload(text: &'static str) -> StanzaError {
    refusal("bad-payload", text)
}

/// A bad request, in the terms of XEP-0050.
fn refusal(name: &'static str, text: &'static str) -> StanzaError {
    StanzaError::new(Condition::BadRequest, text).with(NAMESPACE, name)
}

impl Look {
    /// Reads the store: the payload of the answer.
    pub async fn execute(&self, storage: &Storage) -> Result<String, StanzaError> {
        let listing = async |owner: &Owner| {
            let namespace_usage = storage.namespace_usage(owner).await;
            namespace_usage.map(Listing::new).map_err(unreadable)
        };
        Ok(match self {
            Self::Stored(head, owner) => own::stored(head, owner, &listing(owner).await?),
            Self::Namespaces(head, owner) => own::choose(head, &listing(owner).await?),
            Self::All(head, owner) => own::confirm(head, &listing(owner).await?),
            Self::User(head, owner) => admin::confirm(head, owner, &listing(owner).await?),
            Self::Totals(head, linked) => {
                let totals = storage.totals(PATIENCE).await;
                let totals = totals.map_err(unreadable)?;
                admin::statistics(head, *linked, &totals)
            }
        })
    }
}
