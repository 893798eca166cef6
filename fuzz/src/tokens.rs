//! The tokenizer, held to the parser that read stanzas before: rxml.

use std::borrow::Cow;

use arbitrary::Unstructured;
use rxml::error::EndOrError;
use rxml::parser::CommentMode;
use rxml::{Error, Options, Parse, RawEvent, RawParser, WithOptions};
use xmpp_private_storage::xml::tokens::{Names, QName, Tokens, Wrong, read};

use super::generate::Xml;
use super::is_xml;

/// What stands in XML, and what nearly does.
const PIECES: &[&str] = &[
    "<a",
    "<b",
    "<p:a",
    "</a",
    "</b",
    "</p:a",
    ">",
    "/>",
    "<a>",
    "</a>",
    "<b/>",
    " ",
    "\n",
    "\t",
    " c='",
    " d=\"",
    " xmlns='",
    " xmlns:p='",
    " xmlns:xml='",
    " xmlns:xmlns='",
    "'",
    "\"",
    "=",
    "x",
    "é",
    "😀",
    ":",
    "1",
    "-",
    "&lt;",
    "&amp;",
    "&#65;",
    "&#x",
    "&#",
    "&",
    ";",
    "]",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "--",
    "<?",
    "<?xml",
    "?>",
    "<!",
    "<",
    "\u{fffe}",
    "\u{1}",
    "\u{7f}",
    "http://www.w3.org/XML/1998/namespace",
];

/// Both take the same, and refuse the same for the same kind of reason: XML as it is handed over, generated,
/// put together of pieces, or cut.
pub fn tokens(input: &[u8]) {
    if is_xml(input) {
        return compare(input);
    }
    let mut choices = Unstructured::new(input);
    let mut xml = Xml::new(&mut choices);
    if xml.stanza().is_ok() {
        let whole = xml.out.into_bytes();
        compare(&whole);
        let cut = input.iter().fold(0, |sum, byte| {
            (sum * 31 + usize::from(*byte)) % whole.len().max(1)
        });
        compare(&whole[..cut]);
    }
    let pieces = input
        .iter()
        .map(|byte| PIECES[usize::from(*byte) % PIECES.len()]);
    let pieces: String = pieces.collect();
    compare(format!("<a{pieces}").as_bytes());
    compare(format!("<a>{pieces}</a>").as_bytes());
}

fn compare(bytes: &[u8]) {
    if bytes.contains(&b'\r') {
        return; // where this is read there are none any more
    }
    let mut ours = Told::default();
    let result = read(bytes, &mut Names::default(), &mut ours);
    if result.is_err() && ours.is_whole() {
        return; // behind an element nothing stands that was cut out of a stream
    }
    let (theirs, their_result) = by_rxml(bytes);
    let shown = String::from_utf8_lossy(bytes);
    match (result, their_result) {
        (Ok(()), Ok(())) => assert_eq!(
            ours.without_last_text(),
            theirs.without_last_text(),
            "{shown}"
        ),
        (Err(Wrong::Names(our)), Err(Wrong::Names(their))) => assert_eq!(our, their, "{shown}"),
        (Err(Wrong::NotXml(_)), Err(Wrong::NotXml(_))) => {}
        // It waits for the end of what we refuse at its beginning.
        (Err(Wrong::NotXml(_)), Ok(())) => {
            let ends = ["<", ">", "'>", "\">", ";", "]]>", "-->"];
            let refused = |end: &&str| by_rxml(&[bytes, end.as_bytes()].concat()).1.is_err();
            // It puts the halves of a character together that a section's end has come between.
            let is_halved = std::str::from_utf8(bytes).is_err();
            assert!(ends.iter().any(refused) || is_halved, "{result:?}: {shown}");
        }
        (ours, theirs) => panic!("{ours:?} and {theirs:?}: {shown}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Open(QName),
    Attribute(QName, String),
    HeadClose,
    Text(String),
    Foot,
}

#[derive(Debug, Default)]
struct Told(Vec<Token>);

impl Told {
    fn is_whole(&self) -> bool {
        let count = |is: fn(&Token) -> bool| self.0.iter().filter(|token| is(token)).count();
        let feet = count(|token| *token == Token::Foot);
        feet > 0 && feet == count(|token| matches!(token, Token::Open(_)))
    }

    /// Of what is cut, the end need not be told.
    fn without_last_text(&self) -> &[Token] {
        match self.0.as_slice() {
            [all @ .., Token::Text(_)] => all,
            all => all,
        }
    }
}

impl<'x> Tokens<'x> for Told {
    fn open(&mut self, name: QName) {
        self.0.push(Token::Open(name));
    }

    fn attribute(&mut self, name: QName, value: Cow<'x, str>) {
        self.0.push(Token::Attribute(name, value.into_owned()));
    }

    fn head_close(&mut self) {
        self.0.push(Token::HeadClose);
    }

    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Token::Text(before)) => before.push_str(text),
            _ => self.0.push(Token::Text(text.to_owned())),
        }
    }

    fn foot(&mut self) {
        self.0.push(Token::Foot);
    }
}

fn by_rxml(bytes: &[u8]) -> (Told, Result<(), Wrong>) {
    let mut told = Told::default();
    let mut parser = RawParser::with_options(Options {
        max_token_length: bytes.len() + 1024,
        context: None,
        comments: CommentMode::Discard,
    });
    let mut rest = bytes;
    let result = loop {
        match parser.parse(&mut rest, false) {
            Ok(Some(event)) => match event {
                RawEvent::XmlDeclaration(..) => break Err(Wrong::Names("processing instructions")),
                RawEvent::ElementHeadOpen(_, name) => told.open(name),
                RawEvent::Attribute(_, name, value) => told.attribute(name, Cow::Owned(value)),
                RawEvent::ElementHeadClose(_) => told.head_close(),
                RawEvent::Text(_, text) => told.text(&text),
                RawEvent::ElementFoot(_) => told.foot(),
            },
            Ok(None) | Err(EndOrError::NeedMoreData) => break Ok(()),
            Err(EndOrError::Error(error)) => break Err(meaning(&error)),
        }
    };
    (told, result)
}

fn meaning(error: &Error) -> Wrong {
    match error {
        Error::MultiColonName(_) | Error::EmptyNamePart(_) | Error::InvalidLocalName(_) => {
            Wrong::Names("a name with misplaced colons")
        }
        Error::ReservedNamespacePrefix | Error::ReservedNamespaceName => {
            Wrong::Names("a reserved prefix or namespace was declared")
        }
        Error::EmptyNamespaceUri => Wrong::Names("a prefix cannot be undeclared"),
        Error::RestrictedXml(what) => Wrong::Names(what),
        _ => Wrong::NotXml("not well-formed XML"),
    }
}
