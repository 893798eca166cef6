//! What Prosody's internal storage has of a user.

use std::path::Path;

use super::{LIMITS, shown};
use crate::{Item, Limits, prosody_user};

fn lines_within(limits: Limits, text: &str) -> Vec<String> {
    let user = prosody_user("u", "h", Path::new("u.dat"), text.as_bytes(), &limits);
    shown([Item::User(user.expect("an address"))].into_iter())
}

fn lines(text: &str) -> Vec<String> {
    lines_within(LIMITS, text)
}

/// As Prosody 0.12.3 has written it.
#[test]
fn an_element_with_all_that_xml_has() {
    let text = r#"return {
	["foo:urn:p"] = {
		{
			["attr"] = {
				["xmlns"] = "urn:p";
			};
			["name"] = "bar";
		};
		"x\n\195\188\240\159\152\128 \" \' \\ <&\t";
		{
			" ";
			["name"] = "baz";
			["attr"] = {
				["xmlns"] = "urn:q";
			};
		};
		{
			["attr"] = {
				["xmlns"] = "";
			};
			["name"] = "inner";
		};
		["name"] = "foo";
		["attr"] = {
			["urn:q\001b"] = "3\'\"\n";
			["xmlns"] = "urn:p";
			["xml:lang"] = "de";
			["a"] = "2";
		};
	};
};
"#;
    assert_eq!(
        lines(text),
        [
            "u@h",
            "  1 <foo xmlns='urn:p' a='2' xml:lang='de' xmlns:n1='urn:q' \
             n1:b='3&apos;&quot;&#xA;'><bar/>x\nü😀 \" ' \\ &lt;&amp;\t\
             <baz xmlns='urn:q'> </baz><inner xmlns=''/></foo>"
        ]
    );
}

#[test]
fn older_notations() {
    // The namespace in the key alone; inherited; an attribute's behind a |; children by number.
    let text = r#"return { ["a:urn:x:y"] = { name = "a"; attr = { ["urn:q|k"] = "1" };
        [2] = { name = "c"; attr = {} }; [1] = "b" } }"#;
    assert_eq!(
        lines(text)[1..],
        ["  1 <a xmlns='urn:x:y' xmlns:n1='urn:q' n1:k='1'>b<c/></a>"]
    );
    let text = "return { ['a:x'] = { name = 'a'; 'b' } }";
    assert_eq!(lines(text)[1..], ["  1 <a xmlns='x'>b</a>"]);
}

#[test]
fn what_is_empty_says_nothing() {
    assert_eq!(lines("return {};\n"), ["u@h"]);
    let bare = "return { ['a:x'] = { name = 'a'; attr = { xmlns = 'x' } } }";
    assert_eq!(lines(bare), ["u@h"]);
}

#[test]
fn an_odd_element_costs_itself_alone() {
    let odd = |odd: &str| {
        let lines = lines(&format!(
            "return {{ {odd}; ['b:y'] = {{ name = 'b'; attr = {{ xmlns = 'y' }}; 'kept' }} }}"
        ));
        assert_eq!(lines[..2], ["u@h", "  1 <b xmlns='y'>kept</b>"], "{odd}");
        assert_eq!(lines.len(), 3, "{lines:#?}");
        lines[2].clone()
    };
    for (text, why) in [
        ("['a:x'] = 'text'", "it is not a table"),
        (
            "['a:x'] = {}",
            "an element without a name, under the key \"a:x\"",
        ),
        (
            "['a:x'] = { name = 'a><b' }",
            "a name that XML does not allow",
        ),
        (
            "['a:x'] = { name = 'a:b' }",
            "a name that XML does not allow",
        ),
        (
            "['a:x'] = { name = 'a'; attr = 'x' }",
            "attributes that are not a table",
        ),
        (
            "['a:x'] = { name = 'a'; attr = { xmlns = 1 } }",
            "a namespace that is not a string",
        ),
        (
            "['a:x'] = { name = 'a'; attr = { k = 1 } }",
            "an attribute that is not a string",
        ),
        (
            "['a:x'] = { name = 'a'; attr = { ['k k'] = '' } }",
            "a name that XML does not allow",
        ),
        (
            "['a:x'] = { name = 'a'; attr = { k = '\\1' } }",
            "a character that XML does not allow",
        ),
        (
            "['a:x'] = { name = 'a'; '\\0' }",
            "a character that XML does not allow",
        ),
        (
            "['a:x'] = { name = 'a'; '\\255' }",
            "text that is not UTF-8",
        ),
        ("['a'] = { name = 'a' }", "it has no namespace of its own"),
        (
            "['a:x'] = { name = 'a'; attr = { xmlns = 'http://www.w3.org/XML/1998/namespace' } }",
            "a reserved prefix or namespace",
        ),
        (
            "['a:x'] = { name = 'a'; attr = { ['y\\1k'] = '1', ['y|k'] = '2' } }",
            "an attribute given twice",
        ),
    ] {
        let line = odd(text);
        assert!(line.contains(why), "{text}: {line}");
    }
}

#[test]
fn limits_are_those_of_any_import() {
    let limits = Limits {
        bytes: 60,
        elements: 2,
        depth: 2,
        ..LIMITS
    };
    let element =
        |name: &str, inside: &str| format!("['{name}:x'] = {{ name = '{name}'; {inside} }};");
    let of = |elements: &str| lines_within(limits, &format!("return {{ {elements} }}"));
    let long = of(&element("a", &format!("'{}'", "y".repeat(50))));
    assert!(long[1].ends_with("left out: the user has more than 60 bytes of private XML"));
    let many: String = ["a", "b", "c"].map(|name| element(name, "'1'")).concat();
    assert!(of(&many)[1].ends_with("more than 2 elements"));
    let deep = element("a", "{ name = 'b'; { name = 'c' } }") + &element("d", "'1'");
    let deep = of(&deep);
    assert_eq!(deep[1], "  1 <d xmlns='x'>1</d>");
    assert!(deep[2].ends_with("nested deeper than 2 levels"));
    let tables = of(&format!("['a:x'] = {{ {} }}", "{};".repeat(20_000)));
    assert!(
        tables[1].contains("left out: the user has more than"),
        "{tables:?}"
    );
}

#[test]
fn a_file_that_lua_would_not_read_is_a_problem_with_its_place() {
    let lines = lines("return {\n  a = os.exit()\n}");
    assert_eq!(
        lines[1],
        "  ! u.dat:2:7 (byte 15): u@h: left out: not data of Prosody's internal storage: \
         something that is not plain data"
    );
}
