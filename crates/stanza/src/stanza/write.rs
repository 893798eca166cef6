//! Writing XML conservatively: what every parser reads the same way.

/// Appends character data. `>` is escaped too, so that in all we write `<` and `>` stand for
/// tags alone (the writer measures tags by them), and a carriage return is a reference, since a
/// parser would turn a bare one into a line feed.
pub fn escape_text(text: &str, out: &mut String) {
    let is_plain = |byte: u8| (byte != b'<') & (byte != b'>') & (byte != b'&') & (byte != b'\r');
    escape(text, out, is_plain, |byte| match byte {
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'&' => Some("&amp;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Appends an attribute's value, for either kind of quote. White space other than blanks is
/// written as references, since a parser would turn it into blanks.
pub fn escape_attribute(value: &str, out: &mut String) {
    let is_plain = |byte: u8| {
        (byte >= b' ')
            & (byte != b'<')
            & (byte != b'>')
            & (byte != b'&')
            & (byte != b'\'')
            & (byte != b'"')
    };
    escape(value, out, is_plain, |byte| match byte {
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'&' => Some("&amp;"),
        b'\'' => Some("&apos;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xA;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Appends an attribute to a start tag that is not closed yet.
pub fn write_attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    escape_attribute(value, out);
    out.push('\'');
}

fn escape(
    text: &str,
    out: &mut String,
    is_plain: impl Fn(u8) -> bool,
    reference: impl Fn(u8) -> Option<&'static str>,
) {
    // Without a way out, so that many bytes are looked at together. Most text needs no more.
    if text
        .bytes()
        .fold(true, |so_far, byte| so_far & is_plain(byte))
    {
        return out.push_str(text);
    }
    let mut rest = text;
    // Only ASCII bytes are escaped, so every cut falls on a character boundary.
    while let Some((at, written)) = rest
        .bytes()
        .enumerate()
        .find_map(|(at, byte)| reference(byte).map(|written| (at, written)))
    {
        out.push_str(&rest[..at]);
        out.push_str(written);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// The payload of a ping (XEP-0199).
pub const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";

/// A get of ours with this payload. The id needs no escaping.
pub fn get(id: &str, from: &str, to: &str, payload: &str) -> String {
    let mut iq = format!("<iq type='get' id='{id}' from='");
    escape_attribute(from, &mut iq);
    iq.push_str("' to='");
    escape_attribute(to, &mut iq);
    iq.push_str("'>");
    iq.push_str(payload);
    iq.push_str("</iq>");
    iq
}
