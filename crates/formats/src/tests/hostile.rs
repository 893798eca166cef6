//! Files that are broken, or made to break.

use super::{lines, private};

/// A first user, and then this.
fn after_alice(rest: &str) -> Vec<String> {
    let file =
        format!("<server-data xmlns='urn:xmpp:pie:0'><host jid='h'><user name='alice'/>{rest}");
    let mut lines = lines(file);
    assert_eq!(lines.remove(0), "alice@h");
    lines
}

const END: &str = "</host></server-data>";

#[test]
fn a_broken_file_ends_after_the_users_that_were_whole() {
    for (rest, why) in [
        ("", "the file ends too early: is it complete?"),
        (
            "<user name='b'><query xmlns='jabber:iq:private'><a xmlns='x'>1</a>",
            "h: the file ends",
        ),
        (
            "<user name='b'><query xmlns='jabber:iq:private'><a xmlns='x'>1</a></query",
            "b@h: the",
        ),
        (
            "<user name='b'></host>",
            "b@h: not well-formed XML: an end tag without a matching start",
        ),
        (
            "<user name='b'><q><i></q></user></host>",
            "an end tag without a matching start tag",
        ),
        (
            "<user name='b'/></host></server-data><x/>",
            "a second root element",
        ),
        (
            "<user name='b'/></host></server-data>x",
            "text outside the root element",
        ),
        ("<user name='b'>\0", "a control character"),
        ("<user name='b'><>", "a tag without a name"),
        (
            "<!DOCTYPE x [<!ENTITY a 'b'>]>",
            "a document type declaration",
        ),
    ] {
        let lines = after_alice(rest);
        let last = lines.last().expect("a problem");
        assert!(
            last.starts_with("! f:1:") && last.contains(why),
            "{rest}: {last}"
        );
        let bobs = usize::from(rest.starts_with("<user name='b'/>"));
        assert_eq!(lines.len(), 1 + bobs, "{lines:#?}");
    }
}

#[test]
fn what_is_no_such_file_is_said_to_be_none() {
    for foreign in [
        "",
        " \n",
        "<!-- -->",
        "<html/>",
        "<Openfire><User><Username>alice</Username></User></Openfire>",
    ] {
        let lines = lines(foreign);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("neither an XEP-0227 file"),
            "{}",
            lines[0]
        );
    }
    let lines = lines("<user xmlns='urn:xmpp:pie:0' name='a'/>");
    assert!(lines[0].contains("without naming the host"), "{lines:?}");
}

#[test]
fn a_document_type_is_refused_wherever_it_stands() {
    let bomb = "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>\
        <server-data xmlns='urn:xmpp:pie:0'/>";
    assert!(lines(bomb)[0].contains("a document type declaration"));
    let outside = "<!DOCTYPE s SYSTEM 'file:///etc/passwd'><s/>";
    assert!(lines(outside)[0].contains("a document type declaration"));
}

#[test]
fn what_is_skipped_may_be_anything_of_any_size() {
    let huge = "x".repeat(200_000);
    let skipped = format!(
        "<user name='b' xmlns:p='{huge}'/><user name='c'><vCard k='{huge}'><a b='<'/></vCard>\
         <p:q xmlns:p='u' xml:foo='1'><xml:bar/>&nbsp;</p:q><query xmlns='jabber:iq:private'>\
         <a xmlns='x'>kept</a></query></user>{END}"
    );
    let lines = after_alice(&skipped.replace("<a b='<'/>", "<a b='&lt;'/>"));
    for line in &lines[..2] {
        assert!(
            line.ends_with("with everything in it: a start tag over 64 KiB"),
            "{line}"
        );
    }
    assert_eq!(lines[2..], ["c@h", "  1 <a xmlns='x'>kept</a>"]);
}

#[test]
fn depth_costs_nobody_but_whoever_is_deep() {
    let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    let file = format!(
        "<user name='b'><vCard>{}</vCard><query xmlns='jabber:iq:private'><a xmlns='x'>{}</a>\
         </query></user><user name='c'/>{END}",
        deep(100_000),
        deep(10_000)
    );
    let lines = after_alice(&file);
    assert_eq!(lines[0], "b@h");
    assert!(
        lines[1].ends_with("\"a\": it is nested deeper than 256 levels"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2..], ["c@h"]);
}

#[test]
fn control_characters_by_reference_cost_their_element_alone() {
    let lines = lines(private("<a xmlns='x'>&#1;</a><b xmlns='x'>&#x9;</b>"));
    assert_eq!(lines[..2], ["u@h", "  1 <b xmlns='x'>\t</b>"]);
    assert!(lines[2].contains("left out the element"), "{}", lines[2]);
}

#[test]
fn a_pipe_includes_no_files() {
    let include = "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='f'/>";
    let lines = after_alice(&format!("{include}<user name='b'>{include}</user>{END}"));
    assert!(
        lines[0].contains("only a file can include other files"),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].contains("only a whole host or a whole user"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2], "b@h");
}
