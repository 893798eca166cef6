//! The store's folder is deleted, moved, replaced or mounted over while the service runs. It went
//! on writing into files that nobody could ever find again: 8,186 sets were acknowledged after an
//! `rm -rf`, with every light green and not a line in the log, and the next start was empty.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::compacted::eager;
use super::small_disk::SmallDisk;
use super::{LIMITS, assert_failed, is_result, keeping, numbered, try_get, try_set};
use crate::scripted::stage::Stage;
use crate::support::clock::eventually;
use crate::support::{ports, web};

/// How long a line may take.
const SOON: Duration = Duration::from_secs(20);

/// As long as the service looks for its store a few times.
const A_FEW_TRIES: Duration = Duration::from_secs(7);

const KEPT: &str = "kept";

/// A service with a store in a folder of its own, and something in it.
struct Scene {
    stage: Stage,
    http: SocketAddr,
    ready: web::Answer,
    /// What can be taken away: the store's folder, or one above it.
    parent: PathBuf,
    folder: PathBuf,
    _dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene::under(keeping)
    }

    fn under(under: impl FnOnce(&Path) -> Vec<String>) -> Scene {
        let dir = tempfile::tempdir().expect("a folder");
        let parent = dir.path().join("parent");
        let folder = parent.join("data");
        Scene::at(dir, parent, folder.clone(), under(&folder))
    }

    fn at(dir: tempfile::TempDir, parent: PathBuf, folder: PathBuf, under: Vec<String>) -> Scene {
        let http = ports::address(ports::free());
        let mut stage = Stage::configured(|options| {
            options.under = under;
            options.access = "delegation = \"none\"".to_owned();
            options.extra = format!("{LIMITS}\n[http]\nlisten = \"{http}\"\n");
        });
        stage.store(&numbered(1, KEPT));
        let ready = web::get(http, "/readyz");
        Scene {
            stage,
            http,
            ready,
            parent,
            folder,
            _dir: dir,
        }
    }

    fn aside(&self) -> PathBuf {
        self.parent.with_file_name("aside")
    }

    /// Puts the folder aside.
    fn move_away(&self) {
        fs::rename(&self.folder, self.aside()).expect("a folder");
    }

    /// The folder is removed, which is noticed; a copy of it is aside.
    #[track_caller]
    fn copy_away(&mut self) {
        let copied = Command::new("cp")
            .arg("-a")
            .args([&self.folder, &self.aside()])
            .status();
        assert!(copied.expect("cp").success());
        fs::remove_dir_all(&self.folder).expect("a folder");
        self.fails(&["is gone"]);
    }

    fn move_back(&self) {
        fs::rename(self.aside(), &self.folder).expect("a folder");
    }

    /// How many lines of the log say this.
    fn said(&self, words: &str) -> usize {
        let log = self.stage.component.log();
        log.iter().filter(|line| line.contains(words)).count()
    }

    /// Nothing is acknowledged or shown; the log, the probe and the metrics say so.
    #[track_caller]
    fn fails(&mut self, words: &[&str]) {
        assert_failed(&try_set(&mut self.stage, &numbered(2, "lost")));
        self.has_failed(words);
    }

    #[track_caller]
    fn has_failed(&mut self, words: &[&str]) {
        assert_failed(&try_get(&mut self.stage, &numbered(1, "")));
        let line = self
            .stage
            .component
            .wait_for_log("the store has failed", SOON);
        for word in [words, &["ERROR", "move it back"]].concat() {
            assert!(line.contains(word), "{word}: {line}");
        }
        let ready = web::get(self.http, "/readyz");
        assert_eq!(ready.status, 503, "{ready:?}");
        assert!(ready.body.contains("the store has failed"), "{ready:?}");
        let metrics = web::get(self.http, "/metrics").body;
        assert!(
            metrics.contains("private_storage_store_failed 1"),
            "{metrics}"
        );
        // It is the store that needs help, and not the process.
        assert_eq!(web::get(self.http, "/livez").status, 200);
    }

    /// It serves again, by itself, what it had acknowledged.
    #[track_caller]
    fn comes_back(&mut self) {
        eventually("gets work again", || {
            is_result(&try_get(&mut self.stage, &numbered(1, "")))
        });
        self.stage.fetch(&numbered(1, ""), &numbered(1, KEPT));
        self.stage.store(&numbered(3, "anew"));
        self.stage.fetch(&numbered(3, ""), &numbered(3, "anew"));
        assert_eq!(web::get(self.http, "/readyz"), self.ready);
        self.stage
            .component
            .wait_for_log("the store works again", SOON);
    }

    /// What was acknowledged is what the next start finds.
    #[track_caller]
    fn the_next_start_finds_it(mut self, under: Vec<String>) {
        assert!(self.stage.component.stop().success());
        let mut again = super::stage(under);
        again.fetch(&numbered(1, ""), &numbered(1, KEPT));
        again.fetch(&numbered(3, ""), &numbered(3, "anew"));
    }
}

/// All files in a folder, with what is in them.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let read = |path: PathBuf| {
        let content = fs::read(&path).unwrap_or_default();
        (path, content)
    };
    paths.map(read).collect()
}

/// Another service's store, closed in good order.
fn another(folder: &Path) {
    let mut other = super::stage(keeping(folder));
    other.store(&numbered(1, "another's"));
    assert!(other.component.stop().success());
}

#[test]
fn a_deleted_folder_is_a_failed_store_and_is_not_made_anew() {
    let mut scene = Scene::new();
    fs::remove_dir_all(&scene.folder).expect("a folder");
    let path = scene.folder.display().to_string();
    scene.fails(&[&format!("{path} is gone")]);
    std::thread::sleep(A_FEW_TRIES);
    assert_failed(&try_set(&mut scene.stage, &numbered(2, "lost")));
    assert!(!scene.folder.exists());
    assert!(scene.stage.component.stop().success());
    assert!(!scene.folder.exists());
}

/// Nobody stores anything at night.
#[test]
fn a_deleted_folder_is_noticed_without_a_set() {
    let mut scene = Scene::new();
    fs::remove_dir_all(&scene.folder).expect("a folder");
    eventually("it is not ready", || {
        web::get(scene.http, "/readyz").status == 503
    });
    scene.has_failed(&["is gone"]);
}

/// Until that is noticed, what was acknowledged before may be shown, and nothing else.
#[test]
fn a_set_that_came_too_late_is_never_shown() {
    let mut scene = Scene::new();
    fs::remove_dir_all(&scene.folder).expect("a folder");
    let late = numbered(2, "lost");
    scene.stage.send(crate::scripted::stage::set("set", &late));
    scene
        .stage
        .send(crate::scripted::stage::get("get", &numbered(2, "")));
    for _ in 0..2 {
        let answer = scene.stage.next();
        assert!(
            !answer.contains(">lost<") || !is_result(&answer),
            "{answer}"
        );
        assert!(
            !answer.contains("id='set'") || !is_result(&answer),
            "{answer}"
        );
    }
}

#[test]
fn a_folder_moved_away_comes_back_with_everything_when_it_does() {
    let mut scene = Scene::new();
    scene.move_away();
    scene.fails(&["is gone"]);
    scene.move_back();
    scene.comes_back();
    let folder = scene.folder.clone();
    scene.the_next_start_finds_it(keeping(&folder));
}

#[test]
fn a_log_that_is_deleted_alone_is_a_failed_store() {
    let mut scene = Scene::new();
    let log = scene.folder.join("db");
    fs::remove_file(&log).expect("a log");
    scene.fails(&[&format!("{} is gone", log.display())]);
    std::thread::sleep(A_FEW_TRIES);
    assert!(!log.exists());
}

/// The index that lies beside it belongs to the log before.
#[test]
fn another_log_in_the_same_folder_is_never_opened() {
    let mut scene = Scene::new();
    let (log, other) = (scene.folder.join("db"), scene.parent.join("other"));
    another(&other);
    fs::rename(&log, scene.aside()).expect("a log");
    fs::copy(other.join("db"), &log).expect("a log");
    scene.fails(&[&log.display().to_string(), "replaced"]);
    std::thread::sleep(A_FEW_TRIES);
    let same = fs::read(&log).expect("a log") == fs::read(other.join("db")).expect("a log");
    assert!(same, "it was written to");
    fs::rename(scene.aside(), &log).expect("a log");
    scene.comes_back();
}

#[test]
fn an_empty_folder_in_its_place_stays_empty() {
    let mut scene = Scene::new();
    scene.move_away();
    fs::create_dir(&scene.folder).expect("a folder");
    scene.fails(&["was replaced"]);
    std::thread::sleep(A_FEW_TRIES);
    assert_failed(&try_get(&mut scene.stage, &numbered(1, "")));
    assert_eq!(content(&scene.folder), BTreeMap::new());
    fs::remove_dir(&scene.folder).expect("a folder");
    scene.move_back();
    scene.comes_back();
    let folder = scene.folder.clone();
    scene.the_next_start_finds_it(keeping(&folder));
}

#[test]
fn another_stores_folder_in_its_place_is_left_as_it_is() {
    let mut scene = Scene::new();
    let other = scene.parent.join("other");
    another(&other);
    scene.move_away();
    fs::rename(&other, &scene.folder).expect("a folder");
    let before = content(&scene.folder);
    scene.fails(&["was replaced"]);
    std::thread::sleep(A_FEW_TRIES);
    assert_failed(&try_get(&mut scene.stage, &numbered(1, "")));
    assert!(content(&scene.folder) == before, "it was touched");
    assert!(scene.stage.component.stop().success());
    assert!(
        content(&scene.folder) == before,
        "it was touched at the end"
    );
}

/// A copy of the whole folder bears its mark: somebody has put it there on purpose.
#[test]
fn a_copy_of_the_store_in_its_place_counts_as_back() {
    let mut scene = Scene::new();
    scene.copy_away();
    scene.move_back();
    scene.comes_back();
}

/// Half of a log looks like all of one: a copy was opened while it was being made, and what had been
/// acknowledged, and what came later, was written over.
#[test]
fn a_copy_that_is_still_being_made_is_not_opened() {
    let mut scene = Scene::new();
    scene.copy_away();
    fs::create_dir(&scene.folder).expect("a folder");
    let log = fs::read(scene.aside().join("db")).expect("a log");
    for name in ["id", "conf"] {
        fs::copy(scene.aside().join(name), scene.folder.join(name)).expect("a file");
    }
    fs::write(scene.folder.join("db"), &log[..log.len() / 2]).expect("half a log");
    let line = scene
        .stage
        .component
        .wait_for_log("may still be being copied", SOON);
    assert!(line.contains("ERROR"), "{line}");
    assert_failed(&try_get(&mut scene.stage, &numbered(1, "")));
    fs::remove_dir_all(&scene.folder).expect("a folder");
    scene.move_back();
    scene.comes_back();
}

/// A store of an earlier release has no mark.
#[test]
fn a_store_without_a_mark_gets_one_and_keeps_it() {
    let mut scene = Scene::new();
    let mark = scene.folder.join("id");
    let first = fs::read(&mark).expect("a mark");
    assert!(scene.stage.component.stop().success());
    fs::remove_file(&mark).expect("a mark");
    let under = keeping(&scene.folder);
    for _ in 0..2 {
        let mut again = super::stage(under.clone());
        again.fetch(&numbered(1, ""), &numbered(1, KEPT));
        assert!(again.component.stop().success());
    }
    let anew = fs::read(&mark).expect("a mark");
    assert!(anew.len() == first.len() && anew != first);
}

#[test]
fn a_link_above_it_that_leads_elsewhere_is_noticed_and_one_that_leads_there_is_not() {
    let mut scene = Scene::new();
    let elsewhere = scene.parent.with_file_name("elsewhere");
    fs::create_dir_all(elsewhere.join("data")).expect("a folder");
    fs::rename(&scene.parent, scene.aside()).expect("a folder");
    symlink(scene.aside(), &scene.parent).expect("a link");
    scene.stage.store(&numbered(2, "by way of the link"));
    fs::remove_file(&scene.parent).expect("a link");
    symlink(&elsewhere, &scene.parent).expect("a link");
    scene.fails(&["was replaced"]);
    std::thread::sleep(A_FEW_TRIES);
    assert_eq!(content(&elsewhere.join("data")), BTreeMap::new());
    fs::remove_file(&scene.parent).expect("a link");
    fs::rename(scene.aside(), &scene.parent).expect("a folder");
    scene.comes_back();
    scene
        .stage
        .fetch(&numbered(2, ""), &numbered(2, "by way of the link"));
}

#[test]
fn what_is_mounted_over_it_hides_it_until_it_is_unmounted() {
    let mut disk = SmallDisk::new(300);
    let folder = disk.store();
    let under = [disk.inside(), keeping(&folder)].concat();
    let dir = tempfile::tempdir().expect("a folder");
    let parent = dir.path().join("parent");
    let mut scene = Scene::at(dir, parent, folder.clone(), under.clone());
    let inside = disk.inside();
    let run = |program: &[&str]| {
        let mut command = Command::new(&inside[0]);
        command.args(&inside[1..]).args(program).arg(&folder);
        assert!(command.status().expect("nsenter").success(), "{program:?}");
    };
    run(&["mount", "-t", "tmpfs", "none"]);
    scene.fails(&["mounted over it", &folder.display().to_string()]);
    std::thread::sleep(A_FEW_TRIES);
    assert_failed(&try_get(&mut scene.stage, &numbered(1, "")));
    assert_eq!(content(&disk.outside().join("data")), BTreeMap::new());
    run(&["umount"]);
    scene.comes_back();
    scene.the_next_start_finds_it(under);
}

/// A failed store holds nothing open: a disk can be unmounted, repaired and mounted again.
#[test]
fn a_disk_that_is_unmounted_and_mounted_again_is_back() {
    let mut disk = SmallDisk::new(300);
    let mount = disk.store().with_file_name("mount");
    let inside = disk.inside();
    let run = |program: &[&str]| {
        let mut command = Command::new(&inside[0]);
        command.args(&inside[1..]).args(program);
        assert!(command.status().expect("nsenter").success(), "{program:?}");
    };
    let (real, there) = (disk.store(), mount.display().to_string());
    run(&["mkdir", &real.display().to_string(), &there]);
    let bind = ["mount", "--bind", &real.display().to_string(), &there];
    run(&bind);
    let under = [disk.inside(), keeping(&mount)].concat();
    let dir = tempfile::tempdir().expect("a folder");
    let parent = dir.path().join("parent");
    let mut scene = Scene::at(dir, parent, mount, under.clone());
    run(&["umount", "--lazy", &there]);
    scene.fails(&[&there]);
    std::thread::sleep(A_FEW_TRIES);
    assert_eq!(content(&disk.outside().join("mount")), BTreeMap::new());
    run(&bind);
    scene.comes_back();
    scene.the_next_start_finds_it(under);
}

/// The switch at its end goes by names: another store under them must not be hit, and our own
/// switch is no replacement.
#[test]
fn a_folder_that_is_replaced_during_a_compaction_is_left_as_it_is() {
    let mut scene = Scene::under(eager);
    let mut written = Written::default();
    while scene.said("compacted the store") < 2 {
        assert!(written.next(&mut scene.stage));
    }
    assert_eq!(scene.said("has failed"), 0);

    let other = scene.parent.join("other");
    another(&other);
    let before = content(&other);
    let earlier = scene.said("compacting the store");
    while scene.said("compacting the store") == earlier {
        assert!(written.next(&mut scene.stage));
    }
    scene.move_away();
    fs::rename(&other, &scene.folder).expect("a folder");
    assert!(!written.next(&mut scene.stage));
    std::thread::sleep(A_FEW_TRIES);
    fs::rename(&scene.folder, &other).expect("a folder");
    assert!(content(&other) == before, "it was touched");
    scene.move_back();
    scene.comes_back();
    written.is_in(&mut scene.stage);
}

/// What was set, one after the other, and the last that was acknowledged of each name.
#[derive(Default)]
struct Written {
    number: usize,
    acknowledged: BTreeMap<usize, usize>,
}

impl Written {
    /// Much garbage comes of it.
    fn element(name: usize, number: usize) -> String {
        let text = "x".repeat(40_000);
        format!("<e xmlns='urn:e:{name}'>{number}:{text}</e>")
    }

    /// Whether the next one is acknowledged.
    fn next(&mut self, stage: &mut Stage) -> bool {
        self.number += 1;
        let name = self.number % 4;
        let acknowledged = is_result(&try_set(stage, &Self::element(name, self.number)));
        if acknowledged {
            self.acknowledged.insert(name, self.number);
        }
        acknowledged
    }

    /// The set that was refused last may be there all the same.
    #[track_caller]
    fn is_in(&self, stage: &mut Stage) {
        for (&name, &last) in &self.acknowledged {
            let found = try_get(stage, &format!("<e xmlns='urn:e:{name}'/>"));
            let there = [last, self.number].map(|it| found.contains(&format!(">{it}:")));
            assert!(there.contains(&true), "{name}: {found:.200}");
        }
    }
}

/// Over the control socket, whose connections outlive its name.
#[test]
fn nothing_is_acknowledged_or_backed_up_over_the_control_socket_either() {
    let mut scene = Scene::new();
    let connect = || UnixStream::connect(scene.folder.join("control.sock")).expect("it listens");
    let connections = [connect(), connect(), connect()];
    fs::remove_dir_all(&scene.folder).expect("a folder");
    let asked = [
        ("POST", "/1/remove?616c696365406c6f63616c686f7374"),
        ("GET", "/1/documents"),
        ("POST", "/1/compact"),
    ];
    for (connection, (method, path)) in connections.into_iter().zip(asked) {
        let answer = web::ask(connection, method, path);
        assert_eq!(answer.status, 500, "{path}: {answer:?}");
    }
    scene.has_failed(&["is gone"]);
}

#[test]
fn small_files_that_are_deleted_cost_nothing() {
    let mut scene = Scene::new();
    for name in ["conf", "id", "blobs", "lock", "ballast"] {
        let path = scene.folder.join(name);
        let removed = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        if let Err(error) = removed {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{name}");
        }
    }
    scene.stage.store(&numbered(3, "anew"));
    let line = scene.stage.component.wait_for_log("was put back", SOON);
    assert!(line.contains("WARN"), "{line}");
    let folder = scene.folder.clone();
    scene.the_next_start_finds_it(keeping(&folder));
}

/// It was gone until the next start, and with it every command that asks the service.
#[test]
fn a_control_socket_that_is_deleted_is_made_anew() {
    let mut scene = Scene::new();
    fs::remove_file(scene.folder.join("control.sock")).expect("a socket");
    let line = scene.stage.component.wait_for_log("control socket", SOON);
    assert!(line.contains("again"), "{line}");
    assert_eq!(web::control(&scene.folder, "/livez").status, 200);
    assert!(scene.stage.component.stop().success());
    assert!(!scene.folder.join("control.sock").exists());
}
