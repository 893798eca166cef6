//! Owners over the control socket: the side that asks, and the side that has the store.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `GET /1/owners?OWNER` | | lines: bytes, elements, owner |
//! | `GET /1/documents?OWNER` | | an archive without its header |
//! | `GET /1/document?OWNER` | | the same of one owner |
//! | `POST /1/keep`, `POST /1/replace` | an archive of one owner without its header | nothing |
//! | `POST /1/remove?OWNER` | | nothing |
//! | `POST /1/compact` | | bytes before, bytes after; nothing where there was nothing to do |
//!
//! Owners are in hexadecimal; in the first two it is the one behind whom to begin. What is kept or
//! replaces is read by the side that has the store ([`Sound`]), whoever asks. What was refused
//! comes back as 422, what failed as 500, each with its reason. The number is raised with whatever an
//! older release would misunderstand: that one answers 404 or 405, and has changed nothing.

use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Limited};
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use super::sound::Sound;
use super::{LocalStore, Owners, OwnersError};
use crate::archive::{self, Document};
use crate::control;
use crate::http::{Bytes, Method, Request, Response, StatusCode, answer};
use crate::store::{Amount, Compacted, Existing, Owner};

const TEXT: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

/// The longest document that is taken: that of one owner.
const MAX_DOCUMENT_BYTES: usize = 1 << 30;

/// What waits for the disk, and so is done on a thread of its own: a content type and a body.
type Work = Box<dyn FnOnce() -> Result<(&'static str, Vec<u8>), OwnersError> + Send>;

/// Answers what is asked about owners; `None` where it is about something else.
pub async fn serve(here: &LocalStore, request: Request) -> Result<Response, Request> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let owner = match request.uri().query().unwrap_or_default() {
        "" => None,
        query => match decoded(query) {
            None => return Err(request),
            owner => owner,
        },
    };
    let here = here.clone();
    let work: Work = match (&method, path.as_str(), owner) {
        (&Method::GET, "/1/owners", after) => {
            Box::new(move || Ok((TEXT, lines(here.page(after.as_ref())?))))
        }
        (&Method::GET, "/1/documents", after) => {
            Box::new(move || Ok((BINARY, records(&here.documents(after.as_ref())?)?)))
        }
        (&Method::GET, "/1/document", Some(owner)) => {
            Box::new(move || Ok((BINARY, records(&[here.document(&owner)?])?)))
        }
        (&Method::POST, "/1/keep" | "/1/replace", _) => {
            let existing = match path.as_str() {
                "/1/keep" => Existing::Keep,
                _ => Existing::Replace,
            };
            let body = Limited::new(request.into_body(), MAX_DOCUMENT_BYTES)
                .collect()
                .await;
            Box::new(move || {
                let body = body.map_err(refused)?.to_bytes();
                here.put_all(all_sound(&body)?, existing)?;
                Ok((TEXT, Vec::new()))
            })
        }
        (&Method::POST, "/1/remove", Some(owner)) => {
            Box::new(move || here.remove(&owner).map(|()| (TEXT, Vec::new())))
        }
        (&Method::POST, "/1/compact", None) => Box::new(move || {
            let compacted = here.compact()?;
            let line = compacted.map(|Compacted { before, after }| format!("{before} {after}\n"));
            Ok((TEXT, line.unwrap_or_default().into_bytes()))
        }),
        _ => return Err(request),
    };
    let done = spawn_blocking(work).await;
    Ok(match done {
        Ok(Ok((kind, body))) => answer(StatusCode::OK, kind, body),
        Ok(Err(OwnersError::Refused(why))) => answer(StatusCode::UNPROCESSABLE_ENTITY, TEXT, why),
        Ok(Err(OwnersError::Broken(why))) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, why),
        Err(_) => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            TEXT,
            "this request hit a bug in the service; details are in the service's log. Please \
             report it.",
        ),
    })
}

/// All that is in an archive, if all of it may be stored.
fn all_sound(archive: &[u8]) -> Result<Vec<Sound>, OwnersError> {
    let mut reader = archive::Reader::of_records(archive);
    let mut all = Vec::new();
    while let Some(document) = reader.next_document().map_err(refused)? {
        all.push(Sound::whole(document).map_err(refused)?);
    }
    Ok(all)
}

fn refused(why: impl std::fmt::Display) -> OwnersError {
    OwnersError::Refused(why.to_string())
}

fn lines(page: Vec<(Owner, Amount)>) -> Vec<u8> {
    let mut lines = String::new();
    for (owner, amount) in page {
        let Amount { bytes, elements } = amount;
        lines.push_str(&format!("{bytes} {elements} {}\n", encoded(&owner)));
    }
    lines.into_bytes()
}

fn records(documents: &[Document]) -> Result<Vec<u8>, OwnersError> {
    let mut records = Vec::new();
    for document in documents {
        if !archive::write(document, &mut records) {
            let why = format!("{} has more than 4 GiB stored", document.owner.as_str());
            return Err(OwnersError::Broken(why));
        }
    }
    archive::write_end(documents.len() as u64, &mut records);
    Ok(records)
}

fn decoded(owner: &str) -> Option<Owner> {
    let address = String::from_utf8(hex::decode(owner).ok()?).ok()?;
    Owner::new(&address)
}

fn encoded(owner: &Owner) -> String {
    hex::encode(owner.as_str())
}

/// The owners of the service that runs on a folder.
#[derive(Debug)]
pub struct RemoteStore {
    folder: PathBuf,
    runtime: Runtime,
}

impl RemoteStore {
    /// The service that runs on this folder; `None` where none does.
    ///
    /// # Errors
    ///
    /// When one runs and cannot be asked.
    pub fn find(folder: &Path) -> Result<Option<Self>, OwnersError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| OwnersError::Broken(error.to_string()))?;
        let there = Self {
            folder: folder.to_owned(),
            runtime,
        };
        // Whoever is stuck would not answer later questions either; those may take their time.
        match control::ask_for_line(folder, "/status") {
            Ok(_) => Ok(Some(there)),
            Err(control::AskError::NotRunning(..)) => Ok(None),
            Err(error) => Err(super::broken(error)),
        }
    }

    fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, OwnersError> {
        self.runtime.block_on(async {
            let asked = control::ask(&self.folder, method, path, body).await;
            let answer = asked.map_err(super::broken)?;
            let status = answer.status();
            let body = answer.into_body().collect().await;
            let body = body.map_err(super::broken)?.to_bytes();
            let why = || String::from_utf8_lossy(&body).trim_end().to_owned();
            match status {
                StatusCode::OK => Ok(body),
                StatusCode::UNPROCESSABLE_ENTITY => Err(OwnersError::Refused(why())),
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(OwnersError::Broken(
                    "the running service is a different release than this command, and has changed \
                     nothing: restart the service, and try again"
                        .into(),
                )),
                _ => Err(OwnersError::Broken(why())),
            }
        })
    }
}

impl Owners for RemoteStore {
    fn page(&self, after: Option<&Owner>) -> Result<Vec<(Owner, Amount)>, OwnersError> {
        let path = format!("/1/owners?{}", after.map(encoded).unwrap_or_default());
        let lines = self.ask(Method::GET, &path, Vec::new())?;
        let lines = String::from_utf8_lossy(&lines);
        let page: Option<Vec<(Owner, Amount)>> = lines.lines().map(line).collect();
        page.ok_or_else(strange)
    }

    fn documents(&self, after: Option<&Owner>) -> Result<Vec<Document>, OwnersError> {
        let path = format!("/1/documents?{}", after.map(encoded).unwrap_or_default());
        documents(&self.ask(Method::GET, &path, Vec::new())?)
    }

    fn document(&self, owner: &Owner) -> Result<Document, OwnersError> {
        let path = format!("/1/document?{}", encoded(owner));
        let found = documents(&self.ask(Method::GET, &path, Vec::new())?)?;
        found.into_iter().next().ok_or_else(strange)
    }

    fn put(&self, sound: Sound, existing: Existing) -> Result<(), OwnersError> {
        let path = match existing {
            Existing::Keep => "/1/keep",
            Existing::Replace => "/1/replace",
        };
        let records = records(&[sound.into_document()])?;
        self.ask(Method::POST, path, records).map(drop)
    }

    fn remove(&self, owner: &Owner) -> Result<(), OwnersError> {
        let path = format!("/1/remove?{}", encoded(owner));
        self.ask(Method::POST, &path, Vec::new()).map(drop)
    }

    fn compact(&self) -> Result<Option<Compacted>, OwnersError> {
        let answer = self.ask(Method::POST, "/1/compact", Vec::new())?;
        let answer = String::from_utf8_lossy(&answer);
        let mut numbers = answer.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (None, _) => Ok(None),
            (Some(Ok(before)), Some(Ok(after))) => Ok(Some(Compacted { before, after })),
            _ => Err(strange()),
        }
    }
}

fn line(line: &str) -> Option<(Owner, Amount)> {
    let mut parts = line.split(' ');
    let bytes = parts.next()?.parse().ok()?;
    let elements = parts.next()?.parse().ok()?;
    let owner = decoded(parts.next()?)?;
    Some((owner, Amount { bytes, elements }))
}

fn documents(bytes: &[u8]) -> Result<Vec<Document>, OwnersError> {
    let mut reader = archive::Reader::of_records(bytes);
    let mut all = Vec::new();
    while let Some(document) = reader.next_document().map_err(super::broken)? {
        all.push(document);
    }
    Ok(all)
}

fn strange() -> OwnersError {
    let why = "the service says something that this release does not understand";
    OwnersError::Broken(why.into())
}
