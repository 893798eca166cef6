//! The process is killed: by the kernel when memory runs out, by an impatient administrator. Each
//! set that was answered must be there, and none that it replaced or deleted; one that was not
//! answered may be there, wholly. A third of the kills come in the middle of a compaction, a backup
//! or a restore: whatever bears a backup's name is a whole one, and a restore that was cut short is
//! never taken for one that was not.
//!
//! `KILL_ROUNDS` and `KILL_SEED` say how often, and repeat a run (the same decisions; the clock is the
//! machine's own). The long form is `scripts/prove-kills`.

mod users;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::power::random::Random;
use super::{from_environment, keeping, stage};
use crate::scripted::stage::Stage;
use users::{Size, Users};

/// As eager to compact as may be. This stands in the section `[storage]`.
const EAGER: &str = "compact_above_bytes = 1048576\n\n";

/// How long a command may take when it is let.
const PATIENCE: Duration = Duration::from_secs(60);

/// In the middle of what the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Sets; or gets and nothing.
    Load,
    /// Its start.
    Start,
    /// A compaction, as the store comes to it or as it is told to.
    Compaction,
    Compact,
    /// A backup: the service is killed, or the command.
    Backup,
    /// A restore, which is the command's own.
    Restore,
}

use Moment::{Backup, Compact, Compaction, Load, Restore, Start};

impl Moment {
    /// Every third is in the middle of something; which one goes round.
    fn of(round: usize, random: &mut Random) -> Self {
        let special = [Compaction, Backup, Restore, Compact, Restore, Backup];
        match round % 3 {
            2 => special[round / 3 % special.len()],
            _ if random.below(6) == 0 => Start,
            _ => Load,
        }
    }
}

#[test]
fn whenever_it_is_killed_each_acknowledged_set_is_there() {
    let rounds = from_environment("KILL_ROUNDS", 18) as usize;
    let seed = from_environment("KILL_SEED", 1);
    println!("KILL_SEED={seed} KILL_ROUNDS={rounds}");
    let mut random = Random::new(seed);
    let mut play = Play::new(&mut random);
    for round in 0..rounds {
        let moment = Moment::of(round, &mut random);
        println!("round {round}: {moment:?}");
        play.round(moment, &mut random);
    }
    println!("report: {}", play.told(rounds));
    // A run of few rounds may miss each; a long one may not.
    if rounds >= 18 {
        let Tally {
            compacting,
            cut_backups,
            cut_restores,
            ..
        } = play.tally;
        assert!(
            compacting + cut_backups + cut_restores > 0,
            "never in the middle of anything"
        );
    }
}

/// What came of the rounds.
#[derive(Debug, Default)]
struct Tally {
    /// Kills of the service, and those in the middle of a compaction.
    kills: usize,
    compacting: usize,
    /// Backups that were whole, and restored; those that were cut short, and left nothing.
    backups: usize,
    cut_backups: usize,
    /// Restores that came to their end, and those that were cut short.
    restores: usize,
    cut_restores: usize,
    /// How many of the latter left something that the next restore has refused to add to.
    begun: usize,
}

/// The service and its users.
struct Play {
    stage: Stage,
    users: Users,
    is_killed: bool,
    tally: Tally,
}

impl Play {
    fn new(random: &mut Random) -> Self {
        let mut stage = Stage::configured(|options| {
            options.extra = format!("{EAGER}{}", super::LIMITS);
        });
        let mut users = Users::new();
        users.fill(&mut stage);
        users.keep_on(&mut stage, Size::Any, 40, random);
        let tally = Tally::default();
        Self {
            stage,
            users,
            is_killed: false,
            tally,
        }
    }

    fn round(&mut self, moment: Moment, random: &mut Random) {
        match moment {
            Load => {
                let answers = random.below(80);
                self.users
                    .keep_on(&mut self.stage, Size::Any, answers, random);
                pause(random, 3_000);
            }
            Start => {
                self.kill();
                self.restart();
                pause(random, 60_000);
            }
            Compaction => {
                let said = ["compacting the store", "compacted the store"][random.below(2)];
                self.load_until_said(said, random);
                let answers = random.below(8);
                self.users
                    .keep_on(&mut self.stage, Size::Large, answers, random);
            }
            Compact => {
                let mut command = self.command(&["compact"]);
                let begun = self.data().join("compacting");
                let has_begun = || begun.exists();
                self.load_beside(&mut command, has_begun, 50_000, random);
                self.kill();
                end(command);
            }
            Backup => self.backup(random),
            Restore => self.restore(random),
        }
        self.kill();
        self.tally.compacting += usize::from(self.data().join("compacting").exists());
        self.start_again();
    }

    /// Ends it as the kernel does, unless it has been.
    fn kill(&mut self) {
        if !self.is_killed {
            self.stage.component.kill();
            self.tally.kills += 1;
            self.is_killed = true;
        }
    }

    fn restart(&mut self) {
        // A connection that the dead one has made is not to be taken for the next one's.
        while self.stage.router.accept_within(Duration::ZERO).is_some() {}
        self.stage.component.restart();
        self.is_killed = false;
    }

    /// It starts again, and has what it must have.
    fn start_again(&mut self) {
        self.restart();
        self.stage.let_in_again();
        self.users.hold(&mut self.stage);
    }

    fn data(&self) -> PathBuf {
        self.stage.component.folder().join("data")
    }

    fn load_until_said(&mut self, said: &str, random: &mut Random) {
        let lines = |stage: &Stage| {
            let log = stage.component.log();
            log.iter().filter(|line| line.contains(said)).count()
        };
        let before = lines(&self.stage);
        let sets = self.users.answered;
        while lines(&self.stage) == before {
            self.users.keep_on(&mut self.stage, Size::Large, 1, random);
            assert!(self.users.answered < sets + 5_000, "never: {said}");
        }
    }

    /// Users store while a command runs, until it ends, or until it has begun and up to so many
    /// microseconds more have passed; whether it has ended.
    fn load_beside(
        &mut self,
        command: &mut Child,
        has_begun: impl Fn() -> bool,
        at_most: usize,
        random: &mut Random,
    ) -> bool {
        let more = Duration::from_micros(random.below(at_most) as u64);
        let mut until: Option<Instant> = None;
        loop {
            if command.try_wait().expect("a child of ours").is_some() {
                return true;
            }
            if until.is_none() && has_begun() {
                until = Some(Instant::now() + more);
            }
            match until {
                Some(until) if Instant::now() >= until => return false,
                Some(_) => sleep(Duration::from_micros(100)),
                None => self.users.keep_on(&mut self.stage, Size::Any, 1, random),
            }
        }
    }

    fn backup(&mut self, random: &mut Random) {
        let file = self.stage.component.folder().join("under-load.backup");
        let _ = std::fs::remove_file(&file);
        let before = self.users.acknowledged();
        // It is written beside, under another name.
        let folder = self.stage.component.folder().to_owned();
        let names = || std::fs::read_dir(&folder).expect("a folder").count();
        let names_before = names();
        let mut command = self.command(&["backup", "under-load.backup"]);
        let has_begun = || names() > names_before;
        let at_most = [1, 2_000, 20_000][random.below(3)];
        let ended = self.load_beside(&mut command, has_begun, at_most, random);
        let is_cut = !ended && random.below(2) > 0;
        match random.below(2) {
            _ if !is_cut => {}
            0 => self.kill(),
            _ => command.kill().expect("a child of ours"),
        }
        let output = end(command);
        assert!(is_cut || output.status.success(), "{}", said(&output));
        assert!(
            file.exists() || !output.status.success(),
            "a backup that is said to be complete is missing"
        );
        if !file.exists() {
            self.tally.cut_backups += 1;
            return;
        }
        self.tally.backups += 1;
        let place = place();
        let restored = run(place.path(), &["restore", &text_of(&file)]);
        assert!(restored.status.success(), "{}", said(&restored));
        self.users.hold_since(&before, place.path());
    }

    /// A restore is killed at any moment. Afterwards nothing is there, or everything; or the next one
    /// says that the folder has to be moved away, and the one after that restores everything.
    fn restore(&mut self, random: &mut Random) {
        let file = self.stage.component.folder().join("to-restore.backup");
        let before = self.users.acknowledged();
        let made = end(self.command(&["backup", "--force", "to-restore.backup"]));
        assert!(made.status.success(), "{}", said(&made));
        let (place, backup) = (place(), text_of(&file));
        let mut command = spawn(place.path(), &["restore", &backup]);
        let data = place.path().join("data");
        // How far it has come shows by what its database takes on the disk.
        let enough = [0, 1 << 20, 3 << 20, 5 << 20][random.below(4)];
        let takes = || std::fs::metadata(data.join("db")).map_or(0, |db| db.blocks() * 512 + 1);
        let deadline = Instant::now() + PATIENCE;
        while takes() <= enough && command.try_wait().expect("a child of ours").is_none() {
            assert!(Instant::now() < deadline, "it does not begin");
            sleep(Duration::from_micros(200));
        }
        pause(random, 20_000);
        command.kill().expect("a child of ours");
        let first = end(command);
        if first.status.success() {
            self.tally.restores += 1;
        } else {
            assert_eq!(first.status.code(), None, "not by us: {}", said(&first));
            self.tally.cut_restores += 1;
            let second = run(place.path(), &["restore", &backup]);
            if !second.status.success() {
                let told = said(&second);
                self.tally.begun += 1;
                assert_eq!(second.status.code(), Some(74), "{told}");
                assert!(told.contains("move its folder away"), "{told}");
                std::fs::remove_dir_all(&data).expect("a folder of ours");
                let third = run(place.path(), &["restore", &backup]);
                assert!(third.status.success(), "{}", said(&third));
            }
        }
        self.users.hold_since(&before, place.path());
    }

    fn command(&self, arguments: &[&str]) -> Child {
        spawn(self.stage.component.folder(), arguments)
    }

    fn told(&self, rounds: usize) -> String {
        let Tally {
            kills,
            compacting,
            backups,
            cut_backups,
            restores,
            cut_restores,
            begun,
        } = self.tally;
        let sets = self.users.answered;
        format!(
            "{rounds} rounds, {kills} kills of the service, {compacting} of them in a compaction; \
             {backups} backups whole, {cut_backups} cut short; {restores} restores whole, \
             {cut_restores} cut short, {begun} of them with something in the folder; all {sets} acknowledged sets were there"
        )
    }
}

/// Does nothing for up to so many microseconds.
fn pause(random: &mut Random, at_most: usize) {
    sleep(Duration::from_micros(random.below(at_most) as u64));
}

fn spawn(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xmpp-private-storage"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PRIVATE_STORAGE_") {
            command.env_remove(name);
        }
    }
    let command = command
        .current_dir(folder)
        .args(["--config", "component.toml"]);
    let command = command.args(arguments).stdin(Stdio::null());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program runs")
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    end(spawn(folder, arguments))
}

/// Waits for a command's end.
fn end(mut command: Child) -> Output {
    let deadline = Instant::now() + PATIENCE;
    while command.try_wait().expect("a child of ours").is_none() {
        if Instant::now() > deadline {
            command.kill().expect("a child of ours");
            let output = command.wait_with_output().expect("a child of ours");
            panic!("it does not end: {}", said(&output));
        }
        sleep(Duration::from_millis(1));
    }
    command.wait_with_output().expect("a child of ours")
}

fn said(output: &Output) -> String {
    format!(
        "{} {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn text_of(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// A folder with a configuration, and no store yet.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let toml = "[component]\njid = \"private.localhost\"\nserver = \"127.0.0.1:1\"\n\
                secret_file = \"nowhere\"\n[storage]\npath = \"data\"\n";
    std::fs::write(folder.path().join("component.toml"), toml).expect("a file");
    folder
}

/// The service on the store that is in a folder.
fn serving(folder: &Path) -> Stage {
    stage(keeping(&folder.join("data")))
}
