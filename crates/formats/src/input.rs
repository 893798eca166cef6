//! What a file says, as bytes that are known to be UTF-8 and to hold no character that XML has no place
//! for, with the place where they stand.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use memchr::{memchr_iter, memrchr};

use super::decode::Decoder;
use super::problem::{Place, Reason};
use super::progress::Progress;

const SIZE: usize = 64 * 1024;

/// What may stand before all that a file says.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A file's bytes, read piece by piece.
pub struct Input {
    decoder: Decoder,
    buffer: Box<[u8]>,
    /// What of the buffer was read and checked, and not consumed yet.
    ready: std::ops::Range<usize>,
    /// Up to where it was read. What stands between is the beginning of a character.
    end: usize,
    /// What comes behind what is ready.
    fault: Option<Reason>,
    at_end: bool,
    file: Arc<Path>,
    position: Position,
    progress: Progress,
}

/// A place in this input.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    line: u64,
    column: u64,
    /// How many bytes of the file stand before it.
    pub byte: u64,
}

impl Input {
    /// The input, at its beginning.
    pub fn new(read: Box<dyn Read + Send>, file: &Path, progress: Progress) -> Self {
        Self {
            decoder: Decoder::new(read),
            buffer: vec![0; SIZE].into_boxed_slice(),
            ready: 0..0,
            end: 0,
            fault: None,
            at_end: false,
            file: Arc::from(file),
            position: Position {
                line: 1,
                column: 1,
                byte: 0,
            },
            progress,
        }
    }

    /// Where the next byte stands.
    pub fn position(&self) -> Position {
        self.position
    }

    pub fn place(&self, position: Position) -> Place {
        let Position { line, column, byte } = position;
        Place {
            file: Arc::clone(&self.file),
            line,
            column,
            byte,
        }
    }

    /// Bytes that wait to be consumed; none at the end.
    pub fn fill(&mut self) -> Result<&[u8], Reason> {
        while self.ready.is_empty() && !self.at_end {
            if let Some(fault) = self.fault.take() {
                self.at_end = true;
                return Err(fault);
            }
            self.more()?;
        }
        Ok(&self.buffer[self.ready.clone()])
    }

    /// Goes on behind so many of them.
    pub fn consume(&mut self, count: usize) {
        let bytes = &self.buffer[self.ready.start..self.ready.start + count];
        let mut line = bytes;
        if let Some(last) = memrchr(b'\n', bytes) {
            self.position.line += memchr_iter(b'\n', bytes).count() as u64;
            self.position.column = 1;
            line = &bytes[last + 1..];
        }
        let characters = line.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        self.position.column += characters as u64;
        let in_the_file = self.decoder.length_in_the_file(bytes);
        self.position.byte += in_the_file;
        self.ready.start += count;
        self.progress.advance(in_the_file);
    }

    fn more(&mut self) -> Result<(), Reason> {
        self.buffer.copy_within(self.ready.start..self.end, 0);
        self.end -= self.ready.start;
        self.ready = 0..0;
        match self.decoder.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.at_end = true,
            Ok(count) => self.end += count,
            Err(reason) => {
                self.at_end = true;
                return Err(reason);
            }
        }
        let all = &self.buffer[..self.end];
        self.ready.end = match std::str::from_utf8(all) {
            Ok(all) => all.len(),
            Err(error) => {
                if error.error_len().is_some() || self.at_end {
                    self.fault = Some(Reason::NotXml("a byte that is not UTF-8"));
                }
                error.valid_up_to()
            }
        };
        let ready = &self.buffer[..self.ready.end];
        if let Some(at) = ready.iter().position(|byte| is_forbidden(*byte)) {
            self.fault = Some(Reason::NotXml("a control character"));
            self.ready.end = at;
        }
        if self.fault.is_some() {
            self.at_end = false; // not before it was told
        }
        let begins = self.position.byte == 0;
        if begins && self.buffer[self.ready.clone()].starts_with(BYTE_ORDER_MARK) {
            self.consume(BYTE_ORDER_MARK.len());
            self.position.column = 1;
        }
        Ok(())
    }
}

fn is_forbidden(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}
