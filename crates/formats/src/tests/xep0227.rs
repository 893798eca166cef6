//! Reading XEP-0227.

use super::{LIMITS, lines, lines_within, private};
use crate::Limits;

#[test]
fn a_file_as_ejabberd_writes_it() {
    let file = "<?xml version='1.0' encoding='UTF-8'?><host xmlns='urn:xmpp:pie:0' \
        xmlns:xi='http://www.w3.org/2001/XInclude' jid='localhost'><user name='alice' \
        password='secret'><query xmlns='jabber:iq:roster'><item jid='x'/></query>\
        <query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><defaultnick>Hamlet\
        </defaultnick></exodus><foo xmlns:ns1='urn:p' ns1:a='1' a='2' xml:lang='de' \
        xmlns='urn:p'>x<inner xmlns=''/></foo></query></user><user name='carol'/></host>";
    assert_eq!(
        lines(file),
        [
            "alice@localhost",
            "  1 <exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>",
            "  1 <foo xmlns='urn:p' xmlns:n1='urn:p' n1:a='1' a='2' xml:lang='de'>\
             x<inner xmlns=''/></foo>",
            "carol@localhost"
        ]
    );
}

#[test]
fn the_namespace_of_the_first_versions() {
    let file = "<server-data xmlns='http://www.xmpp.org/extensions/xep-0227.html#ns'>\
        <host jid='h'><user name='u'><query xmlns='jabber:iq:private'><a xmlns='x'>1</a>\
        </query></user></host></server-data>";
    assert_eq!(lines(file), ["u@h", "  1 <a xmlns='x'>1</a>"]);
}

#[test]
fn prefixes_and_their_scopes_do_not_matter() {
    let file = "\u{feff}<?xml version='1.0'?>\n<!-- a -->\n<p:server-data \
        xmlns:p='urn:xmpp:pie:0' xmlns:q='jabber:iq:private' xmlns='urn:d' xmlns:z='urn:z'>\
        <?pi?><p:host jid='h'> <p:user name='u'><q:query>\n<a>1</a><!-- b --><z:b z:k='2'/>\
        <z:b xmlns:z='urn:other'>3</z:b> </q:query></p:user></p:host></p:server-data>\n";
    assert_eq!(
        lines(file),
        [
            "u@h",
            "  1 <a xmlns='urn:d'>1</a>",
            "  1 <b xmlns='urn:z' xmlns:n1='urn:z' n1:k='2'/>",
            "  1 <b xmlns='urn:other'>3</b>",
        ]
    );
}

#[test]
fn elements_of_one_name_are_one_entry_in_their_order() {
    let elements = "<a xmlns='x'/><b xmlns='x'>2</b><a xmlns='x'>3</a>";
    assert_eq!(
        lines(private(elements)),
        [
            "u@h",
            "  2 <a xmlns='x'/><a xmlns='x'>3</a>",
            "  1 <b xmlns='x'>2</b>"
        ]
    );
    let twice = private(elements).replace(
        "</query>",
        "</query><query xmlns='jabber:iq:private'><b xmlns='x'/></query>",
    );
    assert_eq!(lines(twice)[2], "  2 <b xmlns='x'>2</b><b xmlns='x'/>");
}

/// Set over XMPP it deletes, and a get answers with it whether it is stored or not.
#[test]
fn a_lone_bare_element_is_nothing() {
    for bare in [
        "<a xmlns='x'/>",
        "<a xmlns='x'></a>",
        "<a xmlns='x'><!-- --></a>",
    ] {
        assert_eq!(lines(private(bare)), ["u@h"], "{bare}");
    }
    for some in ["<a xmlns='x'> </a>", "<a xmlns='x' b='c'/>"] {
        assert_eq!(lines(private(some)), ["u@h", &format!("  1 {some}")]);
    }
}

#[test]
fn what_stanzas_are_made_of_is_data_here() {
    let data = "<iq xmlns='jabber:client'><body>x</body></iq>";
    assert_eq!(lines(private(data)), ["u@h", &format!("  1 {data}")]);
    let data = "<forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client'/></forwarded>";
    assert_eq!(lines(private(data)), ["u@h", &format!("  1 {data}")]);
    let data = "<query xmlns='jabber:iq:x'><query xmlns='jabber:iq:private'/></query>";
    assert_eq!(lines(private(data)), ["u@h", &format!("  1 {data}")]);
}

#[test]
fn addresses_are_normalised_as_those_of_requests() {
    let file = "<server-data xmlns='urn:xmpp:pie:0'><host jid='Example.ORG'><user name='Straße'/>\
        <user name='😀'/><user name='a b'/><user name='a@b'/><user name='a/b'/><user name=''/>\
        <user/></host><host jid='a@b'><user name='x'/></host><host><user name='x'/></host>\
        <host jid='h'><user name='&#x41;'/></host></server-data>";
    let lines = lines(file);
    let (problems, users): (Vec<_>, Vec<_>) = lines.iter().partition(|l| l.starts_with('!'));
    assert_eq!(users, ["strasse@example.org", "😀@example.org", "a@h"]);
    assert_eq!(problems.len(), 7, "{problems:#?}");
    assert!(
        problems[0].ends_with("\"a b@Example.ORG\" is not an address"),
        "{}",
        problems[0]
    );
    assert!(problems[4].contains("a user without the attribute name"));
    assert!(problems[6].contains("a host without the attribute jid"));
}

#[test]
fn what_no_set_could_store_is_a_problem_with_its_place() {
    let file = private(
        "\n <a/>\n<b xmlns=''/>\n  <c xmlns='x'>ok</c><d xmlns='x'>&nbsp;</d><z:e/>\
         <f xmlns='x' k='1' k='2'/><g xmlns='x' xmlns:p='y' xmlns:q='y' p:k='1' q:k='2'/>",
    );
    let lines = lines(file);
    assert_eq!(lines[..2], ["u@h", "  1 <c xmlns='x'>ok</c>"]);
    let expected = [
        "f:2:2 (byte 100): u@h: left out the element \"a\": it has no namespace of its own",
        "f:3:1 (byte 105): u@h: left out the element \"b\": it has no namespace of its own",
        "f:4:22 (byte 140): u@h: left out the element \"?\": an entity that is not declared",
        "left out the element \"e\": a prefix that is not declared",
        "left out the element \"f\": an attribute given twice",
        "left out the element \"g\": an attribute given twice",
    ];
    assert_eq!(lines.len(), 2 + expected.len(), "{lines:#?}");
    for (line, expected) in lines[2..].iter().zip(expected) {
        assert!(line.ends_with(expected), "{line}\n{expected}");
    }
}

#[test]
fn a_user_over_a_limit_is_left_out_whole_and_reading_goes_on() {
    let file = |data: &str| {
        private(data).replace(
            "</host>",
            "<user name='v'><query xmlns='jabber:iq:private'><a xmlns='x'>v</a></query></user>\
             </host>",
        )
    };
    let limits = Limits {
        bytes: 60,
        elements: 3,
        depth: 2,
        ..LIMITS
    };
    let long = format!("<a xmlns='x'>{}</a>", "y".repeat(100));
    let many = "<a xmlns='x'>1</a>".repeat(4);
    let more = "<n:a n:b=''/>"
        .repeat(3)
        .replace("<n:a", "<n:a xmlns:n='x'");
    for (data, why) in [
        (long.as_str(), "60 bytes of private XML"),
        (many.as_str(), "3 elements"),
        (more.as_str(), "60 bytes of private XML"),
        (
            "<a xmlns='x'/><b xmlns='x'/><c xmlns='x'/><d xmlns='x'/>",
            "3 elements",
        ),
    ] {
        let limits = if why.contains("3") {
            Limits {
                bytes: 1000,
                ..limits
            }
        } else {
            limits
        };
        let lines = lines_within(limits, file(data));
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(lines[1].ends_with(&format!("left out: the user has more than {why}")));
        assert_eq!(lines[2..], ["v@h", "  1 <a xmlns='x'>v</a>"]);
    }
    let deep = file("<a xmlns='x'><b><c/></b></a><d xmlns='x'>1</d>");
    let lines = lines_within(limits, deep);
    assert_eq!(lines[1], "  1 <d xmlns='x'>1</d>");
    assert!(
        lines[2].ends_with("\"a\": it is nested deeper than 2 levels"),
        "{}",
        lines[2]
    );
}

#[test]
fn long_names_are_left_out() {
    let limits = Limits {
        name_bytes: 3,
        ..LIMITS
    };
    let file = private("<abc xmlns='x'>1</abc><abcd xmlns='x'/><a xmlns='long'/>");
    let lines = lines_within(limits, file);
    assert_eq!(lines[..2], ["u@h", "  1 <abc xmlns='x'>1</abc>"]);
    assert_eq!(lines.len(), 4);
    assert!(lines[3].ends_with("its name or its namespace is over 3 bytes"));
}

#[test]
fn of_many_problems_some_are_listed_and_all_are_counted() {
    let lines = lines_within(LIMITS, private(&"<a/>".repeat(50)));
    assert_eq!(lines.len(), 22);
    assert!(
        lines[21].ends_with("and 30 more like these"),
        "{}",
        lines[21]
    );
}

#[test]
fn an_element_is_the_same_bytes_as_if_it_had_been_set() {
    use xmpp_stanza::stanza::{Container, ns};
    use xmpp_stanza::xml::frame::{Frame, Framer};
    use xmpp_stanza::xml::reader::{self, Reader};

    const QUERY: Container = Container {
        parent: "iq",
        namespace: ns::PRIVATE,
        name: "query",
    };
    let limits = reader::Bounds {
        text: LIMITS.bytes,
        depth: LIMITS.depth,
        children: LIMITS.elements,
        containers: &[QUERY],
    };
    let elements = [
        "<a xmlns='x'>1<b/><c xmlns=''>\r\n<d xmlns='x' k='&#xA;&quot;'/></c></a>",
        "<p:a xmlns:p='y' q:k='1' xmlns:q='y' l=\">\" q:m='' xml:lang='de'>&lt;<p:b/></p:a>",
        "<iq xmlns='jabber:client'><body/><message xmlns='jabber:server'/></iq>",
    ];
    let set = format!(
        "<iq type='set'><query xmlns='{}'>{}</query></iq>",
        ns::PRIVATE,
        elements.concat()
    );
    let header = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='s'>";
    let (reader, _) = Reader::open(header.as_bytes(), limits).expect("a header");
    let mut framer = Framer::new(LIMITS.bytes);
    let _ = framer.next(&mut header.as_bytes()).expect("a header");
    let Ok(Some(Frame::Stanza(stanza))) = framer.next(&mut set.as_bytes()) else {
        panic!("no stanza");
    };
    let received = reader.read(&stanza).expect("XML").expect("a stanza");
    let query = &received.stanza.children[0];
    let mut as_set: Vec<String> = query
        .children
        .iter()
        .map(|c| received.xml(c).to_owned())
        .collect();
    as_set.insert(0, "u@h".into());
    let imported = lines(private(&elements.concat()));
    let imported: Vec<&str> = imported
        .iter()
        .map(|line| line.trim_start_matches("  1 "))
        .collect();
    assert_eq!(imported, as_set);
}
