//! A disk with a cache that forgets: what is on it for sure, and what only may be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::random::Random;
use super::trace::Event;

const PAGE: u64 = 4096;

/// A disk as of some event.
#[derive(Default)]
pub struct Disk {
    /// The number of the next event.
    now: usize,
    files: Vec<File>,
    /// Which file has which name, as programs see it.
    names: BTreeMap<String, usize>,
    /// And as it would be without power: once the folder is synced, or by chance.
    sure_names: BTreeMap<String, Option<usize>>,
    unsure_names: Vec<Naming>,
    /// What was renamed, in order: when, from what, to what.
    renamed: Vec<(usize, String, String)>,
}

/// A change of names: which file a path has from now on.
#[derive(Clone)]
struct Naming {
    since: usize,
    names: Vec<(String, Option<usize>)>,
}

#[derive(Default)]
struct File {
    is_folder: bool,
    sure: Vec<u8>,
    unsure: Vec<(usize, Change)>,
    /// Where the next write without a place goes.
    position: u64,
}

enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
    /// It has at least this length from now on.
    Reserve(u64),
}

impl Disk {
    pub fn take(&mut self, event: &Event) {
        let now = self.now;
        self.now += 1;
        match event {
            Event::Made { path, is_folder } => {
                if !self.names.contains_key(path) {
                    self.files.push(File {
                        is_folder: *is_folder,
                        ..File::default()
                    });
                    self.name(vec![(path.clone(), Some(self.files.len() - 1))]);
                }
            }
            Event::Opened { path, emptied } => {
                let file = self.file(path);
                file.position = 0;
                if *emptied {
                    file.unsure.push((now, Change::Resize(0)));
                }
            }
            Event::Wrote { path, at, data } => {
                let file = self.file(path);
                let at = at.unwrap_or(file.position);
                file.position = at + data.len() as u64;
                file.unsure.push((now, Change::Write(at, data.clone())));
            }
            Event::Resized { path, length } => {
                self.file(path).unsure.push((now, Change::Resize(*length)));
            }
            Event::Reserved { path, length } => {
                let reserve = Change::Reserve(*length);
                self.file(path).unsure.push((now, reserve));
            }
            Event::Renamed { from, to } => {
                let file = self.names.get(from).copied();
                self.renamed.push((now, from.clone(), to.clone()));
                self.name(vec![(from.clone(), None), (to.clone(), file)]);
            }
            Event::Removed { path } => self.name(vec![(path.clone(), None)]),
            Event::Synced { path, begun } => self.sync(path, *begun),
            Event::Answer(_) => {}
        }
    }

    fn file(&mut self, path: &str) -> &mut File {
        let number = *self.names.get(path).unwrap_or_else(|| panic!("no {path}"));
        &mut self.files[number]
    }

    fn name(&mut self, names: Vec<(String, Option<usize>)>) {
        for (path, file) in &names {
            match file {
                Some(file) => self.names.insert(path.clone(), *file),
                None => self.names.remove(path),
            };
        }
        self.unsure_names.push(Naming {
            since: self.now - 1,
            names,
        });
    }

    /// What a file is called now that was called this then; `None` if it has gone since.
    fn name_now(&self, path: &str, then: usize) -> Option<String> {
        let mut path = path.to_owned();
        for (at, from, to) in &self.renamed {
            if *at > then && *from == path {
                path.clone_from(to);
            }
        }
        (path.is_empty() || self.names.contains_key(&path)).then_some(path)
    }

    /// A sync that was begun then has ended. The file may have been renamed in between, by another
    /// thread.
    fn sync(&mut self, path: &str, begun: usize) {
        let Some(path) = self.name_now(path, begun) else {
            return;
        };
        let path = &*path;
        // The folder above the store's is there before all else.
        if path.is_empty() || self.file(path).is_folder {
            let (sure, unsure) = std::mem::take(&mut self.unsure_names)
                .into_iter()
                .partition(|naming| naming.since < begun && naming.is_in(path));
            self.unsure_names = unsure;
            let sure: Vec<Naming> = sure;
            self.sure_names
                .extend(sure.into_iter().flat_map(|naming| naming.names));
            return;
        }
        let file = self.file(path);
        let unsure = std::mem::take(&mut file.unsure);
        for (since, change) in unsure {
            if since < begun {
                change.apply(&mut file.sure);
            } else {
                file.unsure.push((since, change));
            }
        }
    }

    /// Builds what is left when the power fails now; says how many pages were lost.
    pub fn after_power_loss(&self, folder: &Path, random: &mut Random) -> usize {
        let mut names = self.sure_names.clone();
        // Names change in order: what is lost, is lost from some moment on.
        let kept = random.below(self.unsure_names.len() + 1);
        for naming in &self.unsure_names[..kept] {
            names.extend(naming.names.iter().cloned());
        }
        let mut lost = 0;
        for (path, file) in &names {
            let Some(file) = file.map(|number| &self.files[number]) else {
                continue;
            };
            let path = folder.join(path);
            if file.is_folder {
                fs::create_dir_all(&path).expect("a folder");
            } else if let Some(parent) = path.parent().filter(|parent| parent.exists()) {
                let (content, lost_here) = file.after_power_loss(random);
                fs::write(parent.join(path.file_name().expect("a name")), content).expect("a file");
                lost += lost_here;
            }
        }
        lost
    }
}

impl Naming {
    fn is_in(&self, folder: &str) -> bool {
        let parent = |path: &str| {
            path.rsplit_once('/')
                .map_or(String::new(), |(up, _)| up.into())
        };
        self.names.iter().any(|(path, _)| parent(path) == folder)
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Resize(length) => content.resize(*length as usize, 0),
            Change::Reserve(length) => content.resize(content.len().max(*length as usize), 0),
            Change::Write(at, data) => {
                let (begin, end) = (*at as usize, *at as usize + data.len());
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[begin..end].copy_from_slice(data);
            }
        }
    }

    /// The parts of it that are in one page each.
    fn pages(&self) -> Vec<(u64, Change)> {
        let Change::Write(at, data) = self else {
            return Vec::new();
        };
        let (mut parts, mut from) = (Vec::new(), 0);
        while from < data.len() {
            let at = at + from as u64;
            let to = data.len().min(from + (PAGE - at % PAGE) as usize);
            parts.push((at / PAGE, Change::Write(at, data[from..to].to_vec())));
            from = to;
        }
        parts
    }
}

impl File {
    /// A page that is not sure is as it was at any moment since it was; so is the length.
    fn after_power_loss(&self, random: &mut Random) -> (Vec<u8>, usize) {
        let mut content = self.sure.clone();
        // Now and then nothing of it is kept, or all.
        let mood = random.below(4);
        let moment = |random: &mut Random| match mood {
            0 => 0,
            1 => self.unsure.len(),
            _ => random.below(self.unsure.len() + 1),
        };
        let resized_until = moment(random);
        let mut until = BTreeMap::new();
        let mut lost = BTreeSet::new();
        for (number, (_, change)) in self.unsure.iter().enumerate() {
            let is_of_length = matches!(change, Change::Resize(_) | Change::Reserve(_));
            if is_of_length && number < resized_until {
                change.apply(&mut content);
            }
            for (page, part) in change.pages() {
                let until = *until.entry(page).or_insert_with(|| moment(random));
                if number < until {
                    part.apply(&mut content);
                } else {
                    lost.insert(page);
                }
            }
        }
        (content, lost.len())
    }
}
