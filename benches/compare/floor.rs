//! The floors: components that only search strings. One does an append and a sync for each set, and has what it shows in memory;
//! another has sled, from which it reads, inserts all the sets of a read and syncs once for them. And nothing: one that answers
//! without looking.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use memchr::memmem::{find, rfind};
use sha1::{Digest, Sha1};
use xmpp_private_storage::store::durable;

use super::disk;

/// What a floor does for a set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    Append,
    Sled,
    Nothing,
}

/// `floor ADDRESS JID SECRET FOLDER`, and the same for the others.
pub fn run(arguments: &[String], floor: Floor) -> Result<(), Box<dyn Error>> {
    let [address, jid, secret, folder] = arguments else {
        return Err("ADDRESS JID SECRET FOLDER".into());
    };
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut input = Input::default();
    socket.write_all(
        format!(
            "<stream:stream xmlns='jabber:component:accept' \
             xmlns:stream='http://etherx.jabber.org/streams' to='{jid}'>"
        )
        .as_bytes(),
    )?;
    let header = input.until(&mut socket, b"id=", b">")?;
    let mut hash = Sha1::new();
    hash.update(attribute(&header, b"id").unwrap_or_default());
    hash.update(secret);
    let digest = hex::encode(hash.finalize());
    socket.write_all(format!("<handshake>{digest}</handshake>").as_bytes())?;
    input.until(&mut socket, b"<handshake", b">")?;

    let mut store = Store::open(floor, Path::new(folder))?;
    let mut out = Vec::new();
    loop {
        // The first requests may have come with the handshake.
        while let Some(stanza) = input.stanza() {
            answer(stanza, store.as_mut(), &mut out)?;
        }
        if let Some(store) = &mut store {
            store.sync()?;
        }
        socket.write_all(&out)?;
        out.clear();
        input.read(&mut socket)?;
    }
}

/// Where what was set is kept.
enum Store {
    /// A log, and in memory what gets show.
    File(File, HashMap<Vec<u8>, Vec<u8>>),
    /// With whether anything is to be synced.
    Sled(sled::Db, bool),
}

impl Store {
    fn open(floor: Floor, folder: &Path) -> Result<Option<Self>, Box<dyn Error>> {
        Ok(match floor {
            Floor::Append => Some(Store::File(
                File::create(folder.join("log"))?,
                HashMap::new(),
            )),
            Floor::Sled => {
                durable::make_syncs_real()?;
                Some(Store::Sled(disk::open_sled(folder)?, false))
            }
            Floor::Nothing => None,
        })
    }

    fn put(&mut self, key: Vec<u8>, value: &[u8]) -> io::Result<()> {
        match self {
            Store::File(file, values) => {
                file.write_all(value)?;
                file.sync_data()?;
                values.insert(key, value.to_vec());
            }
            Store::Sled(database, is_new) => {
                database.insert(&key, value)?;
                *is_new = true;
            }
        }
        Ok(())
    }

    /// Hands on what is kept under this key, or what there is where nothing is.
    fn show(&self, key: &[u8], or: &[u8], show: impl FnOnce(&[u8])) -> io::Result<()> {
        match self {
            Store::File(_, values) => show(values.get(key).map_or(or, Vec::as_slice)),
            Store::Sled(database, _) => show(database.get(key)?.as_deref().unwrap_or(or)),
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Store::Sled(database, is_new @ true) = self {
            database.flush()?;
            *is_new = false;
        }
        Ok(())
    }
}

fn answer(stanza: &[u8], store: Option<&mut Store>, out: &mut Vec<u8>) -> io::Result<()> {
    let kind = attribute(stanza, b"type");
    let (Some(id), Some(from), Some(to)) = (
        attribute(stanza, b"id"),
        attribute(stanza, b"from"),
        attribute(stanza, b"to"),
    ) else {
        return Ok(());
    };
    if !stanza.starts_with(b"<iq") || kind == Some(b"result") || kind == Some(b"error") {
        return Ok(());
    }
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    put(&[
        b"<iq type='result' id='",
        id,
        b"' from='",
        to,
        b"' to='",
        from,
        b"'>",
    ]);
    let query = between(stanza, b"<query xmlns='jabber:iq:private'>", b"</query>");
    if let (Some(store), Some(query)) = (store, query) {
        let inner = find(stanza, b"<forwarded").and_then(|at| {
            let inside = &stanza[at..];
            find(inside, b"<iq").map(|at| &inside[at..])
        });
        let request = inner.unwrap_or(stanza);
        let user = attribute(request, b"from").unwrap_or_default();
        let owner = user.split(|byte| *byte == b'/').next().unwrap_or(user);
        if let Some(inner) = inner {
            let version = between(stanza, b"<delegation xmlns='", b"'").unwrap_or_default();
            put(&[
                b"<delegation xmlns='",
                version,
                b"'><forwarded xmlns='urn:xmpp:forward:0'>",
                b"<iq xmlns='jabber:client' type='result' id='",
                attribute(inner, b"id").unwrap_or_default(),
                b"' from='",
                attribute(inner, b"to").unwrap_or(owner),
                b"' to='",
                user,
                b"'>",
            ]);
        }
        let name_end = |byte: &u8| matches!(byte, b' ' | b'/' | b'>');
        let name = query.split(name_end).next().unwrap_or_default();
        let key = [owner, name, attribute(query, b"xmlns").unwrap_or_default()].concat();
        if attribute(request, b"type") == Some(b"set") {
            store.put(key, query)?;
        } else {
            store.show(&key, query, |value| {
                put(&[b"<query xmlns='jabber:iq:private'>", value, b"</query>"]);
            })?;
        }
        if inner.is_some() {
            put(&[b"</iq></forwarded></delegation>"]);
        }
    } else if find(stanza, b"http://jabber.org/protocol/disco#info").is_some() {
        put(&[b"<query xmlns='http://jabber.org/protocol/disco#info'/>"]);
    }
    put(&[b"</iq>"]);
    Ok(())
}

/// The value of an attribute in the first tag.
fn attribute<'a>(xml: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let tag = &xml[..memchr::memchr(b'>', xml)?];
    let at = find(tag, &[b" ", name, b"="].concat())? + name.len() + 2;
    let quote = *tag.get(at)?;
    let value = &tag[at + 1..];
    Some(&value[..memchr::memchr(quote, value)?])
}

fn between<'a>(xml: &'a [u8], begin: &[u8], end: &[u8]) -> Option<&'a [u8]> {
    let inside = &xml[find(xml, begin)? + begin.len()..];
    Some(&inside[..find(inside, end)?])
}

/// What has come and has not been looked at.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    seen: usize,
}

impl Input {
    fn read(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        self.bytes.drain(..self.seen);
        self.seen = 0;
        let kept = self.bytes.len();
        self.bytes.resize(kept + 256 * 1024, 0);
        let read = socket.read(&mut self.bytes[kept..])?;
        self.bytes.truncate(kept + read);
        match read {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads up to an `end` after a `begin`, and takes it.
    fn until(&mut self, socket: &mut TcpStream, begin: &[u8], end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let rest = &self.bytes[self.seen..];
            if let Some(at) = find(rest, begin)
                && let Some(length) = find(&rest[at..], end)
            {
                let open = rfind(&rest[..at + 1], b"<").unwrap_or(0);
                let found = rest[open..at + length + end.len()].to_vec();
                self.seen += at + length + end.len();
                return Ok(found);
            }
            self.read(socket)?;
        }
    }

    /// The next stanza, if it is whole. It trusts the server to send what it expects.
    fn stanza(&mut self) -> Option<&[u8]> {
        let begin = self.seen + memchr::memchr(b'<', &self.bytes[self.seen..])?;
        let rest = &self.bytes[begin..];
        let tag = memchr::memchr(b'>', rest)?;
        let name = rest[1..]
            .split(|byte| matches!(byte, b' ' | b'/' | b'>'))
            .next()?;
        let length = if rest[tag - 1] == b'/' || name.starts_with(b"/") {
            tag + 1
        } else {
            let end = match rest[tag + 1..].starts_with(b"<delegation") && name == b"iq" {
                true => b"</delegation></iq>".to_vec(),
                false => [b"</", name, b">"].concat(),
            };
            find(rest, &end)? + end.len()
        };
        self.seen = begin + length;
        Some(&self.bytes[begin..begin + length])
    }
}
