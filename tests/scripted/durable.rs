//! A set is answered only once it is on the disk: seen in what the program asks of the kernel.
//!
//! sled ends a flush in `sync_file_range`, which sends the disk no flush: everything would be lost
//! with the power. The program makes that call fail, and sled syncs the whole file instead.

use std::fs;
use std::time::{Duration, Instant};

use super::stage::{Stage, set};
use crate::support::component::Options;

const SETS: usize = 20;

/// System calls in the order in which they ended.
struct Trace(Vec<String>);

impl Trace {
    /// Of a component that has carried out `SETS` sets, one after another.
    fn record(value: impl Fn(usize) -> String) -> Trace {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("trace");
        let mut stage = Stage::configured(|options: &mut Options| {
            options.under = ["strace", "-f", "-y", "-s", "65536", "-qq", "-o"]
                .map(str::to_owned)
                .to_vec();
            options.under.push(file.display().to_string());
            options.under.extend(["-e".to_owned(), CALLS.to_owned()]);
        });
        for number in 0..SETS {
            stage.send(set(&format!("set-{number}."), &value(number)));
            assert!(stage.next().contains("type='result'"));
        }
        // strace writes a line when it has seen the call end.
        let last = format!("set-{}.", SETS - 1);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let calls = ended(&fs::read_to_string(&file).expect("a trace"));
            let answered = |call: &String| is_answer(call, &last);
            if calls.iter().any(answered) || Instant::now() > deadline {
                return Trace(calls);
            }
        }
    }

    fn first(&self, from: usize, wanted: impl Fn(&str) -> bool) -> usize {
        let found = self.0[from..].iter().position(|line| wanted(line));
        from + found.unwrap_or_else(|| panic!("not found in:\n{}", self.0[from..].join("\n")))
    }
}

const CALLS: &str = "trace=openat,pwrite64,fsync,fdatasync,sync_file_range,statx,\
     read,recvfrom,write,writev,sendto,sendmsg";

/// One read may bring more, such as the answer to a ping.
fn is_request(line: &str, id: &str) -> bool {
    line.starts_with("re") && line.contains(&format!("type='set' id='{id}'"))
}

fn is_answer(line: &str, id: &str) -> bool {
    !line.starts_with("re") && line.contains(&format!("type='result' id='{id}'"))
}

/// Calls whose end was written on a line of its own are put together again.
fn ended(text: &str) -> Vec<String> {
    let mut begun = std::collections::HashMap::new();
    let mut ended = Vec::new();
    for line in text.lines() {
        // The numbers of threads are padded.
        let (thread, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread.to_owned(), begin.to_owned());
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            let begin = begun.remove(thread).unwrap_or_default();
            ended.push(begin + end);
        } else {
            ended.push(rest.to_owned());
        }
    }
    ended
}

fn is_of_the_log(line: &str) -> bool {
    line.contains("/data/db>")
}

#[track_caller]
fn every_set_is_on_the_disk_when_it_is_answered(value: impl Fn(usize) -> String) {
    let trace = Trace::record(value);
    let mut from = 0;
    for number in 0..SETS {
        let id = format!("set-{number}.");
        let asked = trace.first(from, |line| is_request(line, &id));
        let answered = trace.first(asked, |line| is_answer(line, &id));
        let between = &trace.0[asked..answered];
        let written = between
            .iter()
            .rposition(|line| line.contains("pwrite64(") && is_of_the_log(line));
        let written = written.unwrap_or_else(|| panic!("nothing written for {id}: {between:#?}"));
        let synced = between[written..].iter().any(|line| {
            (line.contains("fsync(") || line.contains("fdatasync("))
                && is_of_the_log(line)
                && line.ends_with("= 0")
        });
        assert!(synced, "{id} was answered before a sync: {between:#?}");
        from = answered;
    }
    let deceived = trace
        .0
        .iter()
        .find(|line| line.contains("sync_file_range(") && !line.contains("= -1 ENOSYS"));
    assert_eq!(deceived, None, "the kernel was believed to have synced");
}

/// Whether the log lies where it was opened was asked with its times, before and behind each set. Then its next change
/// gets a time of its own (Linux 6.13), which the file system writes down with the sync: a quarter of a lone set's time.
#[test]
fn while_sets_are_stored_nobody_looks_at_the_times_of_the_log() {
    let trace = Trace::record(|number| format!("<a xmlns='urn:x'>{number}</a>"));
    let first = trace.first(0, |line| is_request(line, "set-0."));
    let looks = trace.0[first..]
        .iter()
        .filter(|line| line.starts_with("statx("));
    // What was asked stands before what came.
    let asked = looks.map(|line| line.split(", {").next().unwrap_or(line));
    let of_log = asked.filter(|line| line.contains("/data/db"));
    let (inodes, others): (Vec<&str>, Vec<&str>) =
        of_log.partition(|line| line.ends_with("STATX_INO"));
    assert!(inodes.len() >= SETS, "{inodes:#?}");
    // Once a second its length is looked at.
    assert!(others.len() <= SETS / 4, "{others:#?}");
}

#[test]
fn a_set_of_one_element_is_on_the_disk_when_it_is_answered() {
    every_set_is_on_the_disk_when_it_is_answered(|number| format!("<a xmlns='urn:x'>{number}</a>"));
}

#[test]
fn a_set_of_several_elements_is_on_the_disk_when_it_is_answered() {
    every_set_is_on_the_disk_when_it_is_answered(|number| {
        let large = number.to_string().repeat(40_000);
        format!("<a xmlns='urn:x'>{number}</a><b xmlns='urn:y'>{large}</b>")
    });
}

/// However many sets are under way at once, and whatever happens in between.
#[test]
fn quotas_are_exact_and_survive_a_restart() {
    let mut stage = Stage::with(TWENTY);
    fifty_sets_at_once(&mut stage);
    after_a_restart_it_is_still_full(&mut stage);
    stage.send(set("2", "<c xmlns='urn:x'>1</c>"));
    let refused = stage.next();
    assert!(
        refused.contains("limits.max_user_elements allows 20"),
        "{refused}"
    );
}

/// A quota for these.
pub const TWENTY: &str = "[limits]\nmax_user_elements = 20\n";

/// Of which as many succeed as may.
pub fn fifty_sets_at_once(stage: &mut Stage) {
    let sets: String = (0..50)
        .map(|n| set(&format!("{n}"), &format!("<a{n} xmlns='urn:x'>1</a{n}>")))
        .collect();
    stage.send(sets);
    let answers: Vec<String> = (0..50).map(|_| stage.next()).collect();
    let stored = answers.iter().filter(|a| a.contains("type='result'"));
    assert_eq!(stored.count(), 20, "{answers:#?}");
}

/// Until something is deleted.
pub fn after_a_restart_it_is_still_full(stage: &mut Stage) {
    stage.component.kill();
    stage.component.restart();
    stage.let_in_again();
    stage.send(set("1", "<b xmlns='urn:x'>1</b>"));
    let refused = stage.next();
    assert!(
        refused.contains("limits.max_user_elements allows 20"),
        "{refused}"
    );
    stage.store("<a0 xmlns='urn:x'/>");
    stage.store("<b xmlns='urn:x'>1</b>");
}
