//! Cuts what a server writes into stanzas.
//!
//! It shares nothing with the program under test: where the two disagree, one of them is wrong.
//! It trusts the server to write XML, and asks only where a tag ends.

/// Bytes that have arrived.
#[derive(Default)]
pub struct Cutter {
    bytes: Vec<u8>,
    /// Where the next piece begins, and how far it is understood.
    begin: usize,
    scanned: usize,
    depth: usize,
}

impl Cutter {
    /// Takes bytes in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.begin);
        self.scanned -= std::mem::take(&mut self.begin);
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole piece: a stream header, a stanza, or the end of the stream.
    pub fn piece(&mut self) -> Option<String> {
        while let Some(end) = self.token_end() {
            let token = &self.bytes[self.scanned..end];
            let outermost = match token {
                [b'<', b'!' | b'?', ..] => false,
                [b'<', b'/', ..] => {
                    self.depth = self.depth.saturating_sub(1);
                    self.depth <= 1
                }
                [b'<', .., b'/', b'>'] => self.depth == 1,
                [b'<', ..] => {
                    self.depth += 1;
                    self.depth == 1
                }
                _ => false,
            };
            self.scanned = end;
            if outermost {
                let piece = String::from_utf8_lossy(&self.bytes[self.begin..end]);
                let piece = piece.trim().to_owned();
                self.begin = end;
                return Some(piece);
            }
        }
        None
    }

    /// Where the token that starts at `scanned` ends, if it is there as a whole.
    fn token_end(&self) -> Option<usize> {
        let rest = &self.bytes[self.scanned..];
        let length = match rest {
            [b'<', ..] if rest.starts_with(b"<!--") => find(rest, b"-->")?,
            [b'<', ..] if rest.starts_with(b"<![CDATA[") => find(rest, b"]]>")?,
            [b'<', b'?', ..] => find(rest, b"?>")?,
            // Which of the above it is cannot be told yet.
            [b'<', b'!', ..] if rest.len() < 9 => return None,
            [b'<', ..] => tag_length(rest)?,
            [] => return None,
            _ => rest.iter().position(|&b| b == b'<').unwrap_or(rest.len()),
        };
        Some(self.scanned + length)
    }
}

fn find(bytes: &[u8], end: &[u8]) -> Option<usize> {
    let start = bytes.windows(end.len()).position(|part| part == end)?;
    Some(start + end.len())
}

fn tag_length(bytes: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (index, &byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(index + 1),
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

#[test]
fn pieces_arrive_whole_however_the_bytes_are_cut() {
    let pieces = [
        "<?xml version='1.0'?><stream:stream to='a>b'>",
        "<message><!-- </message> --><body><![CDATA[</body>]]></body></message>",
        "<iq id=\"it's\"/>",
        "<a><a/>text<a></a></a>",
        "</stream:stream>",
    ];
    for step in [1, 2, 3, 1000] {
        let mut cutter = Cutter::default();
        let mut found = Vec::new();
        for bytes in pieces.concat().as_bytes().chunks(step) {
            cutter.feed(bytes);
            found.extend(std::iter::from_fn(|| cutter.piece()));
        }
        assert_eq!(found, pieces);
    }
}
