use std::borrow::Cow;

use super::characters::{CHARACTER, ENTITY, UTF8};
use super::*;

#[derive(Debug, Default, PartialEq)]
struct Told(String);

impl<'x> Tokens<'x> for Told {
    fn open(&mut self, name: QName) {
        self.0 += &format!("<{}", written(&name));
    }

    fn attribute(&mut self, name: QName, value: Cow<'x, str>) {
        self.0 += &format!(" {}={value:?}", written(&name));
    }

    fn head_close(&mut self) {
        self.0.push('>');
    }

    fn text(&mut self, text: &str) {
        self.0 += text;
    }

    fn foot(&mut self) {
        self.0 += "</>";
    }
}

fn written((prefix, name): &QName) -> String {
    match prefix {
        Some(prefix) => format!("{prefix}|{name}"),
        None => name.to_string(),
    }
}

fn told(bytes: impl AsRef<[u8]>) -> Result<String, Wrong> {
    let mut told = Told::default();
    read(bytes.as_ref(), &mut Names::default(), &mut told).map(|()| told.0)
}

#[test]
fn tells_of_all_that_stands_in_an_element() {
    for (xml, expected) in [
        ("<a/>", "<a></>"),
        ("<a ></a\n>", "<a></>"),
        (
            "<p:a q:b = \"'\" c='>\"'\n/>",
            "<p|a q|b=\"'\" c=\">\\\"\"></>",
        ),
        ("<a>b<c>d</c>e</a>", "<a>b<c>d</>e</>"),
        (
            "<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;&#13;]]&gt;]</a>",
            "<a><>&'\"A😀\r]]>]</>",
        ),
        ("<a b='&#10;\n\t&#9;&lt;]]>'/>", "<a b=\"\\n  \\t<]]>\"></>"),
        (
            "<a>x<![CDATA[<&]]]>]]y<!-- - <b> & --><![CDATA[]]></a>",
            "<a>x<&]]]y</>",
        ),
        (
            "<!-- a --><ä:é-1.2>ü\u{fffd}\u{10ffff}</ä:é-1.2>",
            "<ä|é-1.2>ü\u{fffd}\u{10ffff}</>",
        ),
        (
            "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/> \n",
            "<a xmlns|xml=\"http://www.w3.org/XML/1998/namespace\"></>",
        ),
    ] {
        assert_eq!(told(xml).as_deref(), Ok(expected), "{xml}");
    }
}

#[test]
fn what_is_cut_is_told_as_far_as_it_goes() {
    let xml = "<a b='c&amp;'>d&lt;e<![CDATA[f]]><!-- g --><h i=\"j\"/>k</a>";
    for length in 0..xml.len() {
        assert!(told(&xml[..length]).is_ok(), "{}", &xml[..length]);
    }
    assert_eq!(told("<a b='c'>d<e f='g").as_deref(), Ok("<a b=\"c\">d<e"));
    assert_eq!(
        told("<a>é".as_bytes().split_last().unwrap().1).as_deref(),
        Ok("<a>")
    );
}

#[test]
fn what_breaks_the_rules_of_names_is_told_apart_from_what_is_not_xml() {
    let names = |why| Err(Wrong::Names(why));
    for xml in ["<a:b:c/>", "<:a/>", "<a:/>", "<a:1/>", "<a b:c:d='x'/>"] {
        assert_eq!(told(xml), names("a name with misplaced colons"), "{xml}");
    }
    for xml in [
        "<a xmlns:xmlns='b'/>",
        "<a xmlns:xml='b'/>",
        "<a xmlns:b='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
    ] {
        let why = "a reserved prefix or namespace was declared";
        assert_eq!(told(xml), names(why), "{xml}");
    }
    assert_eq!(
        told("<a xmlns:b=''/>"),
        names("a prefix cannot be undeclared")
    );
    for xml in [
        "<a><?b c?></a>",
        "<a><?xml version='1.0'?></a>",
        "<?a?><a/>",
    ] {
        assert_eq!(told(xml), names("processing instructions"), "{xml}");
    }
}

#[test]
fn what_is_not_xml_is_refused() {
    for (wrong, all) in [
        (
            SYNTAX,
            &[
                "x<a/>",
                "<a/>x",
                "<1/>",
                "<a 1='b'/>",
                "<a b/>",
                "<a b=c/>",
                "<a b='c'd='e'/>",
                "<a / >",
                "<a b='<'/>",
                "<a>]]></a>",
                "<a>&;</a>",
                "<a>& b</a>",
                "<a>&amp</a>",
                "<a b='&amp'/>",
                "<a>&#;</a>",
                "<a>&#xg;</a>",
                "<a><!-- -- --></a>",
                "<a><!b></a>",
                "<a></a b>",
                "<![CDATA[a]]>",
            ][..],
        ),
        (
            CHARACTER,
            &[
                "<a>\u{0}</a>",
                "<a>\u{1f}</a>",
                "<a>\u{fffe}</a>",
                "<a b='\u{ffff}'/>",
                "<a b='\u{1}'/>",
                "<a><!-- \u{fffe} --></a>",
                "<a><![CDATA[\u{b}]]></a>",
                "<a>&#0;</a>",
                "<a>&#xD800;</a>",
                "<a>&#xffff;</a>",
                "<a>&#99999999;</a>",
                "<a>\r</a>",
            ],
        ),
        (
            ENTITY,
            &["<a>&b;</a>", "<a b='&nbsp;'/>", "<a>&#000000065;</a>"],
        ),
        (
            Wrong::NotXml("an end tag without a matching start tag"),
            &["<a></b>", "</a>", "<a></A>", "<p:a></a>"],
        ),
    ] {
        for xml in all {
            assert_eq!(told(xml), Err(wrong), "{xml:?}");
        }
    }
    for bytes in [
        &b"<a>\xff</a>"[..],
        b"<a b='\xc3'/>",
        b"<a\xc3/>",
        b"<a><!-- \xed\xa0\x80 --></a>",
    ] {
        assert_eq!(told(bytes), Err(UTF8), "{bytes:?}");
    }
}
