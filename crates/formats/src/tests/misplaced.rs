//! Elements where XEP-0227 has none, or in other letters. They were passed over without a word, whole users
//! among them, and an import of nothing said that all was well.

use super::{lines, private};

const DATA: &str = "<query xmlns='jabber:iq:private'><a xmlns='x'>1</a></query>";
const HOST: &str = "<host jid='…'>, and users in it";
const USER: &str = "<user name='…'>, and private data in it";
const PRIVATE: &str = "private data in <query xmlns='jabber:iq:private'>, right in the user";

/// A document with a sound user behind this.
fn before_bob(inside: &str) -> String {
    format!(
        "<server-data xmlns='urn:xmpp:pie:0'>{inside}<host jid='h'><user name='bob'>{DATA}</user></host>\
         </server-data>"
    )
}

#[track_caller]
fn names(document: &str, problems: &[(&str, &str)]) {
    let mut lines = lines(document);
    let users = lines.split_off(problems.len());
    for (line, (what, expected)) in lines.iter().zip(problems) {
        let told = format!("left out {what} with everything in it: XEP-0227 has {expected}");
        assert!(
            line.starts_with("! f:1:") && line.ends_with(&told),
            "{document}: {line}"
        );
    }
    assert_eq!(users, ["bob@h", "  1 <a xmlns='x'>1</a>"], "{document}");
}

#[test]
fn around_users_each_is_named_and_the_others_are_taken() {
    let alice = format!("<user name='alice'>{DATA}</user>");
    for (inside, what) in [
        (alice.as_str(), "\"user\""),
        (&format!("<Host jid='h'>{alice}</Host>"), "\"Host\""),
        (
            &format!("<hosts><host jid='h'>{alice}</host></hosts>"),
            "\"hosts\"",
        ),
        (
            &format!("<server-data>{alice}</server-data>"),
            "\"server-data\"",
        ),
        (
            &format!("<host xmlns='' jid='h'>{alice}</host>"),
            "\"host\" in the namespace \"\"",
        ),
        (DATA, "\"query\" in the namespace \"jabber:iq:private\""),
        // In something of another namespace, which may be there, and be anything.
        (
            &format!(
                "<e xmlns='urn:e'><f><user xmlns='urn:xmpp:pie:0' name='a'>{DATA}</user></f></e>"
            ),
            "\"query\" in the namespace \"jabber:iq:private\"",
        ),
        (
            "<xi:Include xmlns:xi='http://www.w3.org/2001/XInclude' href='f'/>",
            "\"Include\" in the namespace \"http://www.w3.org/2001/XInclude\"",
        ),
    ] {
        names(&before_bob(inside), &[(what, HOST)]);
        names(
            &before_bob(&inside.repeat(2)),
            &[(what, HOST), (what, HOST)],
        );
    }
}

#[test]
fn in_place_of_users_each_is_named() {
    for (inside, what) in [
        (
            format!("<User><Username>alice</Username>{DATA}</User>"),
            "\"User\"",
        ),
        (format!("<USER name='a'>{DATA}</USER>"), "\"USER\""),
        (
            format!("<users><user name='a'>{DATA}</user></users>"),
            "\"users\"",
        ),
        (
            "<host jid='i'><user name='a'/></host>".to_owned(),
            "\"host\"",
        ),
        (
            DATA.to_owned(),
            "\"query\" in the namespace \"jabber:iq:private\"",
        ),
        ("<Username>alice</Username>".to_owned(), "\"Username\""),
        (
            "<user xmlns='x' name='a'/>".to_owned(),
            "\"user\" in the namespace \"x\"",
        ),
    ] {
        let document =
            before_bob("").replace("<user name='bob'", &format!("{inside}<user name='bob'"));
        names(&document, &[(what, USER)]);
    }
}

#[test]
fn in_a_user_each_is_named_and_the_rest_is_taken() {
    for (inside, what) in [
        (
            DATA.replace("query", "Query"),
            "\"Query\" in the namespace \"jabber:iq:private\"",
        ),
        (
            format!("<private>{DATA}</private>"),
            "\"query\" in the namespace \"jabber:iq:private\"",
        ),
        (format!("<user name='alice'>{DATA}</user>"), "\"user\""),
        ("<Host jid='h'/>".to_owned(), "\"Host\""),
    ] {
        let document =
            before_bob("").replace("<user name='bob'>", &format!("<user name='bob'>{inside}"));
        let problem = lines(document.as_str()).remove(0);
        assert!(problem.contains(": bob@h: left out "), "{problem}");
        names(&document, &[(what, PRIVATE)]);
    }
}

/// What a user has besides is none of ours, whatever is in it.
#[test]
fn what_servers_export_of_a_user_besides_is_passed_over() {
    let besides = format!(
        "<query xmlns='jabber:iq:roster'><item jid='x'/></query><offline-messages><message \
         xmlns='jabber:client'>{DATA}</message></offline-messages><vCard xmlns='vcard-temp'/>\
         <pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'><item>{DATA}</item></items>\
         </pubsub><archive xmlns='urn:xmpp:pie:0#mam'><result><user/></result></archive>\
         <user xmlns='urn:other'/><x xmlns='urn:x' xmlns:p='jabber:iq:private'><y/></x>"
    );
    let document =
        before_bob("").replace("<user name='bob'>", &format!("<user name='bob'>{besides}"));
    names(&document, &[]);
    names(&before_bob("<e xmlns='urn:e'><user/></e>"), &[]);
}

#[test]
fn a_root_that_is_meant_is_told_what_it_should_be() {
    for (document, what) in [
        (
            before_bob("").replace("server-data", "Server-Data"),
            "\"Server-Data\"",
        ),
        (
            before_bob("").replace(" xmlns='urn:xmpp:pie:0'", ""),
            "\"server-data\" in the namespace \"\"",
        ),
        (
            "<USER xmlns='urn:xmpp:pie:1' name='a'/>".to_owned(),
            "\"USER\" in the namespace \"urn:xmpp:pie:1\"",
        ),
        (
            "<users xmlns='urn:xmpp:pie:0'><user name='a'/></users>".to_owned(),
            "\"users\"",
        ),
    ] {
        let lines = lines(document.as_str());
        let told = format!(
            "{what} with everything in it: XEP-0227 has <server-data xmlns='urn:xmpp:pie:0'>"
        );
        assert!(lines.len() == 1 && lines[0].ends_with(&told), "{lines:?}");
    }
    // A user in no host is told apart: another file may include it.
    let user = private("").replace("server-data", "user");
    assert!(lines(user)[0].contains("without naming the host"));
}
