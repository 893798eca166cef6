//! XML out of a fuzzer's choices: always well-formed, and wild in every other way.

use arbitrary::{Result, Unstructured};

const NAMES: &[&str] = &[
    "a",
    "b",
    "iq",
    "message",
    "query",
    "delegation",
    "forwarded",
    "body",
    "error",
    "é",
    "x.-1",
    "\u{10000}",
];
const NAMESPACES: &[&str] = &[
    "urn:x",
    "urn:y",
    "jabber:iq:private",
    "jabber:client",
    "jabber:component:accept",
    "jabber:server",
    "urn:xmpp:forward:0",
    "urn:xmpp:delegation:1",
    "urn:xmpp:delegation:2",
    "",
    "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2000/xmlns/",
    "a&amp;b",
    " ",
];
const PREFIXES: &[&str] = &[
    "p", "q", "r", "n1", "n2", "stream", "xml", "xmlns", "nowhere",
];
const TEXTS: &[&str] = &[
    "x",
    " ",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "&#13;",
    "&#x9;",
    "&#xA;",
    "&lt;",
    "&amp;",
    "&apos;",
    "&quot;",
    "&gt;",
    "]",
    "/",
    "=",
    "é",
    "\u{1f600}",
    "\u{d7ff}",
    "\u{fffd}",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\u{7f}",
    "&#x10FFFF;",
    "/>",
    "-->",
    "?>",
];
const STANZAS: &[&str] = &[
    "<iq type='set' id='1' from='a@b'><query xmlns='jabber:iq:private'>*</query></iq>",
    "<iq type='set' id='1' from='b'><delegation xmlns='urn:xmpp:delegation:1'>\
     <forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client' type='set' id='2' from='a@b'>\
     <query xmlns='jabber:iq:private'>*</query></iq></forwarded></delegation></iq>",
    "<c:iq xmlns:c='jabber:client' type='set' id='1'><p:query xmlns:p='jabber:iq:private'>*\
     </p:query></c:iq>",
    "<message>*</message>",
];

/// Well-formed XML in the making.
pub struct Xml<'u, 'd> {
    choices: &'u mut Unstructured<'d>,
    /// What has been written.
    pub out: String,
    /// The prefixes declared so far: most names choose among them.
    declared: Vec<&'static str>,
}

impl<'u, 'd> Xml<'u, 'd> {
    /// Nothing so far.
    pub fn new(choices: &'u mut Unstructured<'d>) -> Self {
        Self {
            choices,
            out: String::new(),
            declared: Vec::new(),
        }
    }

    /// Whether there is anything left to choose by.
    pub fn is_over(&self) -> bool {
        self.choices.is_empty()
    }

    /// What may stand between stanzas: no `<` but of comments and processing instructions.
    pub fn between(&mut self) -> Result<()> {
        match self.choose(8)? {
            1 => self.out.push_str(" \r\n"),
            2 => self.out.push_str("]]> text > \""),
            3 => self.comment()?,
            4 => self.instruction()?,
            _ => {}
        }
        Ok(())
    }

    /// A stanza such as users send, with anything inside; or any element.
    pub fn stanza(&mut self) -> Result<()> {
        let Some(known) = STANZAS.get(self.choose(2 * STANZAS.len())?) else {
            return self.element();
        };
        let (before, after) = known.split_once('*').unwrap_or((known, ""));
        self.out.push_str(before);
        self.content()?;
        self.out.push_str(after);
        Ok(())
    }

    /// An element.
    pub fn element(&mut self) -> Result<()> {
        let in_scope = self.declared.len();
        let mut tag = String::new();
        let mut used = Vec::new();
        while self.choose(4)? > 1 {
            self.attribute(&mut tag, &mut used)?;
        }
        let name = self.name()?;
        let space = ["", " ", "\r\n"][self.choose(3)?];
        self.out.push_str(&format!("<{name}{tag}{space}"));
        if self.choose(3)? == 0 {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            self.content()?;
            self.out.push_str(&format!("</{name}{space}>"));
        }
        self.declared.truncate(in_scope);
        Ok(())
    }

    fn content(&mut self) -> Result<()> {
        while !self.is_over() && self.choose(5)? > 0 {
            match self.choose(12)? {
                0 => self.comment()?,
                1 => self.instruction()?,
                2 => self.cdata()?,
                3 => self.deep()?,
                4..=6 => {
                    let text = TEXTS[self.choose(TEXTS.len())?];
                    self.out.push_str(text);
                }
                _ => self.element()?,
            }
        }
        Ok(())
    }

    fn deep(&mut self) -> Result<()> {
        let levels = self.choose(40)?;
        self.out.push_str(&"<a>".repeat(levels));
        self.out.push_str(&"</a>".repeat(levels));
        Ok(())
    }

    fn attribute(&mut self, tag: &mut String, used: &mut Vec<String>) -> Result<()> {
        let (name, value) = match self.choose(4)? {
            0 => {
                let prefix = PREFIXES[self.choose(PREFIXES.len())?];
                let namespace = NAMESPACES[self.choose(NAMESPACES.len())?];
                self.declared.push(prefix);
                (format!("xmlns:{prefix}"), namespace.to_owned())
            }
            1 => {
                let namespace = NAMESPACES[self.choose(NAMESPACES.len())?];
                ("xmlns".to_owned(), namespace.to_owned())
            }
            2 => (
                ["xml:lang", "xml:space", "xml:id", "xml:foo"][self.choose(4)?].to_owned(),
                self.value()?,
            ),
            _ => (self.name()?, self.value()?),
        };
        // Twice the same is not well-formed, and so rare; the reader has to find it.
        if used.contains(&name) && self.choose(32)? != 1 {
            return Ok(());
        }
        used.push(name.clone());
        let space = ["", " ", "\n"][self.choose(3)?];
        let quote = ['\'', '"'][self.choose(2)?];
        tag.push_str(&format!(" {name}{space}={space}{quote}{value}{quote}"));
        Ok(())
    }

    fn name(&mut self) -> Result<String> {
        let name = NAMES[self.choose(NAMES.len())?];
        Ok(match self.choose(64)? {
            1 => format!("{}:{name}", PREFIXES[self.choose(PREFIXES.len())?]),
            2 => format!("p:q:{name}"),
            3..32 if !self.declared.is_empty() => {
                let at = self.choose(self.declared.len())?;
                format!("{}:{name}", self.declared[at])
            }
            _ => name.to_owned(),
        })
    }

    fn value(&mut self) -> Result<String> {
        let mut value = String::new();
        while self.choose(3)? > 0 {
            let text = TEXTS[self.choose(TEXTS.len())?];
            value.push_str(text);
        }
        Ok(value)
    }

    fn comment(&mut self) -> Result<()> {
        let inside = ["", " <a> ", "- -", "'\"", "]]>", "?>", ">"][self.choose(7)?];
        self.piece("<!--", inside, "-->")
    }

    fn instruction(&mut self) -> Result<()> {
        let inside = ["", " <a>", " ?", " '\"", " -->"][self.choose(5)?];
        self.piece("<?pi", inside, "?>")
    }

    fn cdata(&mut self) -> Result<()> {
        let inside = ["", "</a>", "]", "]]", "\r\n", "<!-- ", "&amp;"][self.choose(7)?];
        self.piece("<![CDATA[", inside, "]]>")
    }

    fn piece(&mut self, open: &str, inside: &str, close: &str) -> Result<()> {
        self.out.push_str(open);
        self.out.push_str(inside);
        self.out.push_str(close);
        Ok(())
    }

    fn choose(&mut self, among: usize) -> Result<usize> {
        self.choices.int_in_range(0..=among - 1)
    }
}
