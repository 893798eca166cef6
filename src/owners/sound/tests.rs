use super::*;
use crate::store::Value;

fn read(namespace: &str, name: &str, elements: u32, text: &str) -> Result<String, String> {
    normal_form(&Entry {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        value: Value {
            text: text.to_owned(),
            elements,
        },
    })
}

/// A normal form that would not be read as itself would come back from a backup as something else.
#[test]
fn a_normal_form_is_its_own() {
    for text in [
        "<a xmlns='n'/>",
        "<a xmlns='n'/><a xmlns='n'/>",
        "<a xmlns='n' b='&apos;&quot;&lt;&gt;&amp;&#x9;&#xA;&#xD;'>\t\n&#xD;]]&gt;</a>",
        "<a xmlns='n' xml:lang='de' xmlns:n1='x' n1:b='1' n1:c='2' xmlns:n2='y' n2:b='3'/>",
        "<a xmlns='n'><b xmlns=''><c/><d xmlns='n'/></b> \u{1f600}</a>",
        "<a xmlns='n' xmlns:n1='x' n1:b='' c='' xmlns:n2='y' n2:d='' xmlns:n3='x' n3:e=''/>",
    ] {
        let elements = text.matches("<a xmlns='n'").count();
        let elements = u32::try_from(elements).unwrap();
        assert_eq!(read("n", "a", elements, text).as_deref(), Ok(text));
    }
}

/// Text may grow in its normal form, but not beyond all measure: a prefix can stand for a name that
/// is much longer.
#[test]
fn what_is_short_does_not_become_long() {
    let inside = "<p:b/>".repeat(10_000);
    let namespace = "x".repeat(1_000);
    let text = format!("<a xmlns='n' xmlns:p='{namespace}'>{inside}</a>");
    let why = read("n", "a", 1, &text).unwrap_err();
    assert!(why.contains("far too long"), "{why}");
}

/// Whatever request an owner comes from, that owner is one by itself: what is backed up can be
/// restored.
#[test]
fn whoever_stores_something_can_be_restored() {
    let domains = ["example.org", "b\u{fc}cher.example", "\u{1f600}.example"];
    for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        for local in [
            String::from(character),
            format!("a{character}"),
            format!("{character}\u{301}\u{327}"),
        ] {
            check(&format!("{local}@{}", domains[0]));
        }
        check(&format!("a@{character}x.example"));
    }
    for domain in domains {
        check(&format!("\u{e9}@{domain}"));
    }
}

#[track_caller]
fn check(from: &str) {
    if let Sender::User(jid, _) = address::sender(from)
        && let Some(owner) = Owner::new(&jid)
    {
        assert!(is_an_account(&owner), "{from:?} is {jid:?}");
    }
}
