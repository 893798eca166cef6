//! The formats as files have them, literally.

mod encodings;
mod export;
mod files;
mod hostile;
mod large;
mod lua;
mod misplaced;
mod prosody;
mod xep0227;

use std::io::Read;
use std::path::Path;

use super::*;

/// Wide enough for all that is sound here.
const LIMITS: Limits = Limits {
    bytes: 100_000,
    elements: 100,
    depth: 256,
    name_bytes: 1024,
};

/// What a document brings: a line for each user, entry and problem.
fn lines(document: impl Into<Vec<u8>>) -> Vec<String> {
    lines_within(LIMITS, document)
}

fn lines_within(limits: Limits, document: impl Into<Vec<u8>>) -> Vec<String> {
    let document = document.into();
    let whole = shown(Import::from_reader(
        std::io::Cursor::new(document.clone()),
        Path::new("f"),
        limits,
    ));
    // However the bytes arrive.
    let bytewise = shown(Import::from_reader(
        OneByOne(document, 0),
        Path::new("f"),
        limits,
    ));
    assert_eq!(whole, bytewise);
    whole
}

fn shown(import: impl Iterator<Item = Item>) -> Vec<String> {
    let mut lines = Vec::new();
    for item in import {
        match item {
            Item::User(user) => {
                lines.push(user.jid.clone());
                for entry in &user.entries {
                    lines.push(format!("  {} {}", entry.elements, entry.xml));
                }
                lines.extend(user.problems.iter().map(|problem| format!("  ! {problem}")));
            }
            Item::Problem(problem) => lines.push(format!("! {problem}")),
        }
    }
    lines
}

struct OneByOne(Vec<u8>, usize);

impl Read for OneByOne {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(byte) = self.0.get(self.1) else {
            return Ok(0);
        };
        buffer[0] = *byte;
        self.1 += 1;
        Ok(1)
    }
}

/// A document with one user, who has this in private storage.
fn private(elements: &str) -> String {
    format!(
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='h'><user name='u'>\
         <query xmlns='jabber:iq:private'>{elements}</query></user></host></server-data>"
    )
}
