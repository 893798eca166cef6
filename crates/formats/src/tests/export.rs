//! Writing, and that what is written is read.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{lines, shown};
use crate::{Export, Import, file_name};

fn written(users: &[(&str, &[&str])]) -> String {
    let mut export = Export::new(Vec::new()).expect("written");
    for (jid, elements) in users {
        export.user(jid, *elements).expect("written");
    }
    String::from_utf8(export.finish().expect("written")).expect("UTF-8")
}

#[test]
fn users_of_one_host_that_follow_each_other_share_it() {
    let text = written(&[
        (
            "a@h",
            &["<x xmlns='y'>1</x>", "<x xmlns='y'>2</x><z xmlns='y'>3</z>"],
        ),
        ("it's&<b>@h", &[]),
        ("a@other", &[]),
        ("c@h", &[]),
    ]);
    assert_eq!(
        text,
        "<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='urn:xmpp:pie:0'>\n\
         <host jid='h'>\n<user name='a'><query xmlns='jabber:iq:private'><x xmlns='y'>1</x>\
         <x xmlns='y'>2</x><z xmlns='y'>3</z></query></user>\n\
         <user name='it&apos;s&amp;&lt;b&gt;'><query xmlns='jabber:iq:private'></query></user>\n\
         </host>\n<host jid='other'>\n<user name='a'><query xmlns='jabber:iq:private'></query>\
         </user>\n</host>\n<host jid='h'>\n\
         <user name='c'><query xmlns='jabber:iq:private'></query></user>\n</host>\n\
         </server-data>\n"
    );
    assert_eq!(
        lines(text)[..3],
        [
            "a@h",
            "  2 <x xmlns='y'>1</x><x xmlns='y'>2</x>",
            "  1 <z xmlns='y'>3</z>"
        ]
    );
}

#[test]
fn nobody_at_all_is_a_document_too() {
    let none: [String; 0] = [];
    assert_eq!(lines(written(&[])), none);
}

#[test]
fn what_is_no_account_is_not_written() {
    let mut export = Export::new(Vec::new()).expect("written");
    for jid in ["h", "@h", "a@", "a@b@c", "a@h/x"] {
        let none: [&str; 0] = [];
        assert!(export.user(jid, none).is_err(), "{jid}");
        assert_eq!(file_name(jid), None, "{jid}");
    }
    assert_eq!(file_name("ü.b@h.x").as_deref(), Some("ü.b@h.x.xml"));
}

/// An element as it comes out of any import: what is taken once is taken again as it is.
fn element() -> impl Strategy<Value = String> {
    let text = "[ -~\t\né\u{1f600}]{0,20}".prop_map(|text| {
        let mut out = String::new();
        xmpp_stanza::stanza::escape_text(&text, &mut out);
        out
    });
    let leaf = ("[a-d]", "urn:[x-z]", text.clone())
        .prop_map(|(name, namespace, text)| format!("<{name} xmlns='{namespace}'>{text}</{name}>"));
    leaf.prop_recursive(4, 20, 4, move |inner| {
        let attribute = "[a-zé&<>\"' \t\n\r]{0,9}".prop_map(|value| {
            let mut out = String::new();
            xmpp_stanza::stanza::escape_attribute(&value, &mut out);
            out
        });
        (
            "[a-d]",
            "urn:[x-z]",
            attribute,
            vec(prop_oneof![inner, text.clone()], 0..4),
        )
            .prop_map(|(name, namespace, value, children)| {
                let children = children.concat();
                format!(
                    "<{name} xmlns='{namespace}' xmlns:p='urn:p' p:k='{value}' l='{value}'>\
                     {children}</{name}>"
                )
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_read_is_read_again_the_same(
        users in vec(("[a-zäßA-Z.0-9_-]{1,8}@(h|example[.]org)", vec(element(), 0..6)), 0..6),
    ) {
        let users: Vec<(&str, Vec<&str>)> = users
            .iter()
            .map(|(jid, elements)| (jid.as_str(), elements.iter().map(String::as_str).collect()))
            .collect();
        let users: Vec<(&str, &[&str])> =
            users.iter().map(|(jid, elements)| (*jid, elements.as_slice())).collect();
        let first = read(written(&users));
        prop_assert_eq!(first.len(), users.len());
        let again: Vec<(&str, Vec<&str>)> = first
            .iter()
            .map(|(jid, entries)| (jid.as_str(), entries.iter().map(|e| e.xml.as_str()).collect()))
            .collect();
        let again: Vec<(&str, &[&str])> =
            again.iter().map(|(jid, elements)| (*jid, elements.as_slice())).collect();
        prop_assert_eq!(&read(written(&again)), &first);
    }
}

fn read(document: String) -> Vec<(String, Vec<crate::Entry>)> {
    let document = std::io::Cursor::new(document.into_bytes());
    let import = Import::from_reader(document, "f".as_ref(), super::LIMITS);
    import
        .map(|item| match item {
            crate::Item::User(user) if user.problems.is_empty() => (user.jid, user.entries),
            other => panic!("{:?}", shown([other].into_iter())),
        })
        .collect()
}
