//! Writing XEP-0227, so that ejabberd's `import_piefxis` and Prosody's storage `xep0227` read it.
//!
//! A user is written with a name and private data alone: no password and no SCRAM credentials,
//! which nobody here knows. ejabberd then makes no account (it would refuse an empty password) and
//! changes none, and keeps the data for whoever has that name. Prosody takes from the file what
//! its storage is asked for: with accounts kept elsewhere, the private data alone; where it keeps
//! accounts there too, an account that nobody can log in to.

use std::io::{self, Write};

use xmpp_stanza::stanza::{escape_attribute, ns};

/// A document in the making. It is whole only after [`Export::finish`].
#[derive(Debug)]
pub struct Export<W> {
    out: W,
    /// The host that is open.
    host: Option<String>,
}

impl<W: Write> Export<W> {
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(
            b"<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='urn:xmpp:pie:0'>",
        )?;
        Ok(Self { out, host: None })
    }

    /// Writes a user with all that they have: elements as they are stored, each self-contained, or
    /// several in one string. Users of one host that follow each other share its element.
    ///
    /// # Errors
    ///
    /// When writing fails, or `jid` is no bare JID of an account.
    pub fn user<X: AsRef<str>>(
        &mut self,
        jid: &str,
        elements: impl IntoIterator<Item = X>,
    ) -> io::Result<()> {
        let (name, host) = parts(jid).ok_or_else(|| {
            let what = format!("{jid:?} is not the address of an account");
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })?;
        let mut text = String::new();
        if self.host.as_deref() != Some(host) {
            if self.host.is_some() {
                text.push_str("\n</host>");
            }
            text.push_str("\n<host jid='");
            escape_attribute(host, &mut text);
            text.push_str("'>");
            self.host = Some(host.to_owned());
        }
        text.push_str("\n<user name='");
        escape_attribute(name, &mut text);
        text.push_str("'><query xmlns='");
        text.push_str(ns::PRIVATE);
        text.push_str("'>");
        self.out.write_all(text.as_bytes())?;
        for xml in elements {
            self.out.write_all(xml.as_ref().as_bytes())?;
        }
        self.out.write_all(b"</query></user>")
    }

    /// Ends the document, and flushes.
    pub fn finish(mut self) -> io::Result<W> {
        if self.host.is_some() {
            self.out.write_all(b"\n</host>")?;
        }
        self.out.write_all(b"\n</server-data>\n")?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The name of the file in which Prosody's storage `xep0227` looks for a user: each has one, in
/// the folder `data_path`. `None` for what is no bare JID of an account.
#[must_use]
pub fn file_name(jid: &str) -> Option<String> {
    parts(jid).map(|_| format!("{jid}.xml"))
}

fn parts(jid: &str) -> Option<(&str, &str)> {
    let (name, host) = jid.split_once('@')?;
    let sound = !name.is_empty() && !host.is_empty() && !host.contains('@');
    (sound && !jid.contains(['/', '\0'])).then_some((name, host))
}
