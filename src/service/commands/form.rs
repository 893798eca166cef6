//! Commands and their forms (XEP-0004), as they are read and as they are written.
//!
//! What clients show well is used and no more: single fields with labels, for not all know tables;
//! and no text of users in notes, which Profanity takes for a format.

use std::collections::BTreeMap;

use minidom::Element;
use xmpp_parsers::data_forms::{DataForm, DataFormType, Field, FieldType, Option_};
use xmpp_parsers::ns as xep;

use super::{NAMESPACE, bad_payload};
use crate::service::error::StanzaError;
use crate::service::typed::xml_of;
use crate::stanza::{NcName, escape_attribute, escape_text};
use crate::store::NamespaceUsage;

/// The longest command that is read, in bytes: any form of ours, filled in, is shorter.
const MAX_COMMAND: usize = 16 * 1024;

/// How many bytes of namespaces a form lists, as they are written. Any answer has room for it.
const MAX_LISTED: usize = 56 * 1024;

/// What a choice says before one was made. Some clients show no choice that has no value.
pub const NONE: &str = "(none)";

/// A form that was filled in: values by field.
#[derive(Debug)]
pub struct Submitted(BTreeMap<String, String>);

/// Reads the form in a command, if there is one.
pub fn read(command: &str) -> Result<Option<Submitted>, StanzaError> {
    if command.len() > MAX_COMMAND {
        return Err(bad_payload(
            "The command is longer than any form of this service.",
        ));
    }
    let Ok(command) = command.parse::<Element>() else {
        return Err(bad_payload("The command cannot be read."));
    };
    let Some(form) = command.get_child("x", xep::DATA_FORMS) else {
        return Ok(None);
    };
    // XEP-0050 section 3.4.1 has a cancelled form taken for a submitted one.
    if !matches!(form.attr("type"), Some("submit" | "cancel")) {
        return Err(bad_payload("The form must be of the type submit."));
    }
    let mut fields = BTreeMap::new();
    for field in form.children().filter(|it| it.is("field", xep::DATA_FORMS)) {
        let (Some(name), Some(value)) =
            (field.attr("var"), field.get_child("value", xep::DATA_FORMS))
        else {
            continue;
        };
        if fields.insert(name.to_owned(), value.text()).is_some() {
            return Err(bad_payload("The form has a field twice."));
        }
    }
    Ok(Some(Submitted(fields)))
}

impl Submitted {
    /// What a field says; none if it is missing or empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// Whether a field is checked; none if it is missing.
    pub fn checked(&self, name: &str) -> Result<Option<bool>, StanzaError> {
        match self.value(name).map(str::trim) {
            None => Ok(None),
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false") => Ok(Some(false)),
            Some(_) => Err(bad_payload("The confirmation must be true or false.")),
        }
    }
}

/// What all answers of one session have in common.
#[derive(Debug)]
pub struct Head {
    node: &'static str,
    session: String,
}

impl Head {
    pub fn new(node: &'static str, session: String) -> Self {
        Self { node, session }
    }

    /// A step that waits for its form. Of the actions, the last is what executing stands for.
    pub fn executing(&self, actions: &[&str], form: DataForm) -> String {
        let default = actions.last().unwrap_or(&"complete");
        let mut inside = format!("<actions execute='{default}'>");
        for action in actions {
            inside.push_str(&format!("<{action}/>"));
        }
        inside.push_str("</actions>");
        inside.push_str(&written(form));
        self.write("executing", &inside)
    }

    /// The end, with a note of this type.
    pub fn completed(&self, kind: &str, note: &str, form: Option<DataForm>) -> String {
        let mut inside = form.map(written).unwrap_or_default();
        inside.push_str(&format!("<note type='{kind}'>"));
        escape_text(note, &mut inside);
        inside.push_str("</note>");
        self.write("completed", &inside)
    }

    /// The end, because the asker wants no more.
    pub fn canceled(&self) -> String {
        self.write("canceled", "")
    }

    fn write(&self, status: &str, inside: &str) -> String {
        let node = self.node;
        let mut out =
            format!("<command xmlns='{NAMESPACE}' xml:lang='en' node='{node}' sessionid='");
        escape_attribute(&self.session, &mut out);
        out.push_str(&format!("' status='{status}'>{inside}</command>"));
        out
    }
}

/// A form of this type.
pub fn form(kind: DataFormType, title: String, instructions: &str, fields: Vec<Field>) -> DataForm {
    DataForm {
        type_: kind,
        title: Some(title),
        instructions: (!instructions.is_empty()).then(|| instructions.to_owned()),
        fields,
    }
}

/// The form as XML. Each field says its type: without it, Profanity shows no value.
fn written(form: DataForm) -> String {
    let mut form = Element::from(form);
    if let Ok(kind) = NcName::try_from("type") {
        for field in form.children_mut() {
            if field.name() == "field" && field.attr("type").is_none() {
                field.set_attr(minidom::rxml::Namespace::NONE, kind.clone(), "text-single");
            }
        }
    }
    xml_of(form)
}

/// A field with a label.
pub fn field(name: &str, kind: FieldType, label: &str) -> Field {
    let mut field = Field::new(name, kind);
    field.label = Some(label.to_owned());
    field
}

/// A box that must be checked before anything is deleted.
pub fn confirmation(label: &str) -> Field {
    let mut field = field("confirm", FieldType::Boolean, label).with_value("0");
    field.required = true;
    field
}

/// What an owner has, as forms show it: the largest first, as many as fit.
#[derive(Debug)]
pub struct Listing {
    /// All of it in one line.
    pub sum: String,
    /// Namespaces and what is in them.
    shown: Vec<(String, String)>,
    /// How many namespaces are not shown.
    left: usize,
}

impl Listing {
    pub fn new(mut namespace_usage: Vec<NamespaceUsage>) -> Self {
        let bytes = namespace_usage.iter().map(|it| it.amount.bytes).sum();
        let elements = namespace_usage.iter().map(|it| it.amount.elements).sum();
        let sum = format!(
            "{} with {}",
            count(namespace_usage.len() as u64, "namespace"),
            amount(elements, bytes)
        );
        namespace_usage.sort_by(|a, b| {
            let larger = b.amount.bytes.cmp(&a.amount.bytes);
            larger.then_with(|| a.namespace.cmp(&b.namespace))
        });
        let (all, mut room) = (namespace_usage.len(), MAX_LISTED);
        let mut shown = Vec::new();
        for NamespaceUsage {
            namespace,
            amount: has,
        } in namespace_usage
        {
            let mut written = String::new();
            escape_attribute(&namespace, &mut written);
            // Each stands in its field twice.
            let Some(rest) = room.checked_sub(2 * written.len() + 200) else {
                break;
            };
            room = rest;
            shown.push((namespace, amount(has.elements, has.bytes)));
        }
        let left = all - shown.len();
        Self { sum, shown, left }
    }

    pub fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.left == 0
    }

    /// One field for each namespace.
    pub fn results(&self) -> Vec<Field> {
        let shown = self.shown.iter().map(|(namespace, has)| {
            field(namespace, FieldType::TextSingle, namespace).with_value(has)
        });
        shown.chain(self.rest()).collect()
    }

    /// The same to be read in a form that is to be filled in.
    pub fn lines(&self) -> Vec<Field> {
        let line = |(namespace, has): &(String, String)| fixed(&format!("{namespace}: {has}"));
        self.shown.iter().map(line).chain(self.rest()).collect()
    }

    /// One namespace to be chosen.
    pub fn choice(&self) -> Vec<Field> {
        let mut choice = field("namespace", FieldType::ListSingle, "Namespace").with_value(NONE);
        choice.required = true;
        choice.options = vec![Option_ {
            label: Some("None".to_owned()),
            value: NONE.to_owned(),
        }];
        let namespaces = self.shown.iter();
        choice
            .options
            .extend(namespaces.map(|(namespace, has)| Option_ {
                label: Some(format!("{namespace} ({has})")),
                value: namespace.clone(),
            }));
        std::iter::once(choice).chain(self.rest()).collect()
    }

    fn rest(&self) -> Option<Field> {
        let left = count(self.left as u64, "smaller namespace");
        (self.left > 0).then(|| fixed(&format!("And {left}, for which there is no room here.")))
    }
}

fn fixed(text: &str) -> Field {
    Field {
        var: None,
        ..Field::new("", FieldType::Fixed).with_value(text)
    }
}

fn amount(elements: u64, bytes: u64) -> String {
    format!("{}, {}", count(elements, "element"), count(bytes, "byte"))
}

fn count(number: u64, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}
