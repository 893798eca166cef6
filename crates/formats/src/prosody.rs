//! Prosody's internal storage: `<data_path>/<host>/private/<user>.dat`, names with `%xx` for all
//! but letters and digits. A file returns a table, in which each stored element stands under
//! `name:namespace` as a table of its own: `name`, `attr`, and under 1, 2, … what it holds.
//!
//! Prosody 0.12 and 13 write the same.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::confined::{self, decoded};
use super::lua::{self, Table, Value};
use super::problem::{Place, Reason};
use super::progress::Progress;
use super::user::{Collector, Limits, User, reader_limits};
use super::xep0227::account;
use xmpp_stanza::stanza::{Attribute, Namespace, NcName, ns};
use xmpp_stanza::xml::fragment::{FragmentWriter, TooLong};
use xmpp_stanza::xml::frame::{Frame, Framer};
use xmpp_stanza::xml::reader::Reader;

/// How much longer text can become in Lua: `\123` for a byte.
const ESCAPED: usize = 4;
/// What a user has beside text, in names, quotes and indentation, is less than that.
const BESIDE: usize = 1 << 20;
/// As many times as much memory as the text may be may be taken by the tables it is read into.
const MEMORY: usize = 4;

/// Why an element could not be made of a table.
enum Fault {
    TooLong,
    Odd(&'static str),
}

impl From<TooLong> for Fault {
    fn from(_: TooLong) -> Self {
        Self::TooLong
    }
}

/// Reads the private data of the user that a file is named for. It must not lie outside `folder`.
pub fn read(
    path: &Path,
    host: &str,
    folder: Option<&Path>,
    limits: &Limits,
    progress: &Progress,
) -> Result<User, Reason> {
    let length = path.metadata().map_or(0, |metadata| metadata.len());
    let user = read_file(path, host, folder, limits);
    progress.advance(length);
    user
}

fn read_file(
    path: &Path,
    host: &str,
    folder: Option<&Path>,
    limits: &Limits,
) -> Result<User, Reason> {
    let stem = path.file_stem().unwrap_or_default();
    let name = stem.to_str().and_then(decoded);
    let name = name.ok_or_else(|| Reason::Address(stem.to_string_lossy().into_owned()))?;
    let real = match folder {
        Some(folder) => confined::below(folder, path)?,
        None => path.canonicalize()?,
    };
    let mut text = Vec::new();
    let longest = longest(limits) as u64 + 1;
    File::open(real)?.take(longest).read_to_end(&mut text)?;
    prosody_user(&name, host, path, &text, limits)
}

/// How long a file may be.
fn longest(limits: &Limits) -> usize {
    limits.bytes.saturating_mul(ESCAPED).saturating_add(BESIDE)
}

/// The private data of the user of this name and host, of which this is what Prosody's internal
/// storage has in the file `path`.
///
/// # Errors
///
/// When name and host make no address.
pub fn prosody_user(
    name: &str,
    host: &str,
    path: &Path,
    text: &[u8],
    limits: &Limits,
) -> Result<User, Reason> {
    let (jid, domain) = account(name, host)?;
    let whole = Place::whole(path);
    let mut user = Collector::new(jid, domain, whole.clone(), *limits);
    if text.len() > longest(limits) {
        user.too_much(whole);
        return Ok(user.finish());
    }
    let memory = limits.bytes.saturating_mul(MEMORY).saturating_add(BESIDE);
    match lua::parse(text, memory) {
        Ok(table) => {
            for (key, value) in table.named() {
                element(&mut user, key, value, limits, &whole);
            }
        }
        Err(error) if error.why == lua::TOO_MUCH => user.too_much(place(text, error.at, path)),
        Err(error) => user.problem(Reason::NotLua(error.why), place(text, error.at, path)),
    }
    Ok(user.finish())
}

fn place(text: &[u8], at: usize, path: &Path) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit(|byte| *byte == b'\n').next();
    Place {
        file: Arc::from(path),
        line: before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1,
        column: line.map_or(0, <[u8]>::len) as u64 + 1,
        byte: at as u64,
    }
}

/// Takes what stands under one key of a user's table. It is written out as XML, and read as any
/// other XML is: so it is checked as strictly, and becomes the same bytes.
fn element(user: &mut Collector, key: &[u8], value: &Value, limits: &Limits, place: &Place) {
    let mut writer = FragmentWriter::new(limits.bytes);
    let Value::Table(table) = value else {
        return user.leave_out(None, "it is not a table", place.clone());
    };
    // `name:namespace`, for data without the namespace itself.
    let namespace = std::str::from_utf8(key).ok();
    let namespace = namespace.and_then(|key| Some(key.split_once(':')?.1));
    let namespace = Namespace::from(namespace.unwrap_or_default());
    match write(table, &namespace, &mut writer) {
        Ok(()) => {}
        Err(Fault::TooLong) => return user.too_much(place.clone()),
        Err(Fault::Odd(why)) => {
            let key = String::from_utf8_lossy(key);
            let why = format!("{why}, under the key {:?}", super::problem::abridged(&key));
            return user.leave_out(None, &why, place.clone());
        }
    }
    let around = format!("<q>{}</q>", writer.into_text());
    let mut framer = Framer::new(around.len());
    let header = "<none>";
    let Ok((reader, _)) = Reader::open(header.as_bytes(), reader_limits(limits)) else {
        return;
    };
    let opened = framer.next(&mut header.as_bytes());
    match (opened, framer.next(&mut around.as_bytes())) {
        (Ok(_), Ok(Some(Frame::Stanza(stanza)))) => user.take(&reader, &stanza, place.clone()),
        _ => user.leave_out(None, "it is not an element", place.clone()),
    }
}

fn write(table: &Table, parent: &Namespace, writer: &mut FragmentWriter) -> Result<(), Fault> {
    let Some(Value::String(name)) = table.get("name") else {
        return Err(Fault::Odd("an element without a name"));
    };
    let name = nc_name(text(name)?)?;
    let none = Table::default();
    let attr = match table.get("attr") {
        Some(Value::Table(attr)) => attr,
        Some(_) => return Err(Fault::Odd("attributes that are not a table")),
        None => &none,
    };
    let namespace = match attr.get("xmlns") {
        Some(Value::String(namespace)) => Namespace::from(text(namespace)?),
        Some(_) => return Err(Fault::Odd("a namespace that is not a string")),
        None => parent.clone(),
    };
    let mut attributes = Vec::new();
    for (key, value) in attr.named() {
        if key != b"xmlns" {
            attributes.push(attribute(text(key)?, value)?);
        }
    }
    // Prosody writes them in no order; so that the same data becomes the same bytes:
    attributes.sort_by(|a, b| (&a.namespace, &*a.name).cmp(&(&b.namespace, &*b.name)));
    let parts = attributes.iter().map(Attribute::parts);
    writer.start(&namespace, &name, parts, false)?;
    for child in table.sequence() {
        match child {
            Value::Table(child) => write(child, &namespace, writer)?,
            Value::String(string) => writer.text(text(string)?)?,
            Value::Integer(_) | Value::Other => {} // as Prosody does
        }
    }
    writer.end()?;
    Ok(())
}

/// `namespace\1name`, in old files `namespace|name`, or just the name.
fn attribute(key: &str, value: &Value) -> Result<Attribute, Fault> {
    let (namespace, name) = match key.split_once('\u{1}').or_else(|| key.split_once('|')) {
        Some(parts) => parts,
        None => match key.strip_prefix("xml:") {
            Some(name) => (ns::XML, name),
            None => ("", key),
        },
    };
    let Value::String(value) = value else {
        return Err(Fault::Odd("an attribute that is not a string"));
    };
    Ok(Attribute {
        namespace: namespace.into(),
        name: nc_name(name)?,
        value: text(value)?.to_owned(),
    })
}

fn nc_name(name: &str) -> Result<NcName, Fault> {
    NcName::try_from(name).map_err(|_| Fault::Odd("a name that XML does not allow"))
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Odd("text that is not UTF-8"))
}
