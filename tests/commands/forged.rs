//! Backups as somebody else may write them: the form is what `src/archive.rs` says, every checksum
//! is right, and what stands in it is anything. None of the program's own code is used for it.

/// A record of an owner in the making.
#[derive(Clone)]
pub struct Record {
    owner: Vec<u8>,
    entries: Vec<u8>,
    count: u32,
    notes: Vec<u8>,
    notes_count: u32,
}

impl Record {
    pub fn of(owner: impl AsRef<[u8]>) -> Record {
        Record {
            owner: owner.as_ref().to_vec(),
            entries: Vec::new(),
            count: 0,
            notes: Vec::new(),
            notes_count: 0,
        }
    }

    /// With a value under this namespace and name, which says that it holds so many elements.
    pub fn with(
        mut self,
        (namespace, name): (&str, &str),
        elements: u32,
        text: impl AsRef<[u8]>,
    ) -> Record {
        string(namespace.as_bytes(), &mut self.entries);
        string(name.as_bytes(), &mut self.entries);
        self.entries.extend_from_slice(&elements.to_le_bytes());
        string(text.as_ref(), &mut self.entries);
        self.count += 1;
        self
    }

    /// That says it has so many values, whatever it has.
    pub fn saying(mut self, count: u32) -> Record {
        self.count = count;
        self
    }

    /// With this noted about the owner, too.
    pub fn noting(mut self, note: impl AsRef<[u8]>) -> Record {
        string(note.as_ref(), &mut self.notes);
        self.notes_count += 1;
        self
    }

    pub fn owner(&self) -> &[u8] {
        &self.owner
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        string(&self.owner, &mut body);
        body.extend_from_slice(&self.count.to_le_bytes());
        body.extend_from_slice(&self.entries);
        body.extend_from_slice(&0_u32.to_le_bytes());
        body.extend_from_slice(&self.notes_count.to_le_bytes());
        body.extend_from_slice(&self.notes);
        body
    }
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(text.len()).expect("not so long");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text);
}

/// The same without the header: what the control socket takes.
pub fn archive(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        framed(&record.body(), &mut out);
    }
    let owners = (records.len() as u64).to_le_bytes();
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&owners).to_le_bytes());
    out.extend_from_slice(&owners);
    out
}

fn framed(body: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(body.len()).expect("not so long");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    out.extend_from_slice(body);
}

/// A whole backup.
pub fn backup(records: &[Record]) -> Vec<u8> {
    [&b"xmpp-private-storage backup 2\n"[..], &archive(records)].concat()
}
