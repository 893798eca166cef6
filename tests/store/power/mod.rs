//! The power fails. What was acknowledged must be there when it is back, whatever the disk's own
//! cache and the kernel's made of the rest.
//!
//! No power is cut here. `strace` writes down in one sequence what the program has the kernel
//! write and sync, and when it answers. From that, the folder is built as it may have been at some
//! moment: with all that had been synced, and of the rest, page by page, something, nothing or
//! all. The program opens it, and must show what it had acknowledged by then.
//!
//! As sled comes, without the filter of `store::durable`, it fails this test nearly every time.

mod disk;
mod load;
pub mod random;
mod trace;

use std::path::Path;

use disk::Disk;
use load::{Kind, Load};
use random::Random;
use trace::{Event, Trace};

use super::{Start, from_environment, keeping, start};

#[test]
fn what_was_acknowledged_is_there_when_the_power_is_back() {
    let cuts = from_environment("POWER_LOSS_CUTS", 20) as usize;
    let seed = from_environment("POWER_LOSS_SEED", 1);
    let sets = from_environment("POWER_LOSS_SETS", 60) as usize;
    let mut reports = Vec::new();
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        let mut random = Random::new(seed.wrapping_mul(1000).wrapping_add(number as u64));
        let load = Load::new(kind, sets, &mut random);
        let trace = Trace::record(&load, &[]);
        match prove(&load, &trace, cuts / Kind::ALL.len(), &mut random) {
            Ok(report) => reports.push(format!("{kind:?} {report}")),
            Err(loss) => panic!("{kind:?}, seed {seed}: {loss}"),
        }
    }
    println!("report: {}", reports.join("; "));
}

/// The test of the test: were the kernel believed to sync ranges, as sled does, it would fail.
#[test]
fn believing_the_kernel_loses_what_was_acknowledged() {
    let mut random = Random::new(1);
    let load = Load::new(Kind::Small, 60, &mut random);
    let trace = Trace::record(&load, &["-e", "inject=sync_file_range:retval=0"]);
    let loss = prove(&load, &trace, 12, &mut random).expect_err("all was there");
    assert!(
        loss.contains("acknowledged") || loss.contains("damaged"),
        "{loss}"
    );
}

/// Cuts the power at moments spread over the load.
fn prove(load: &Load, trace: &Trace, cuts: usize, random: &mut Random) -> Result<String, String> {
    let first = trace.first_answer();
    let events = trace.events.len();
    let compactions = trace.compactions();
    if matches!(load.kind, Kind::Replaced) && compactions.is_empty() {
        return Err("the store was never compacted".to_owned());
    }
    let mut moments: Vec<usize> = (0..cuts)
        .map(|number| match random.below(2) {
            // In the middle of a compaction, more often at its end.
            _ if !compactions.is_empty() && number % 4 > 0 => {
                let compaction = compactions[random.below(compactions.len())].clone();
                let from = match number % 4 {
                    1 => compaction.start,
                    _ => compaction.end.saturating_sub(30).max(compaction.start),
                };
                from + random.below(compaction.end + 10 - from)
            }
            // Just after an answer, when the least of what came later is on the disk.
            0 => trace.answers[random.below(trace.answers.len())] + 1,
            _ => first + random.below(events - first),
        })
        .collect();
    for moment in &mut moments {
        *moment = (*moment).clamp(first, events);
    }
    moments.sort_unstable();

    let mut disk = Disk::default();
    let (mut at, mut acknowledged, mut lost_pages) = (0, load.none(), 0);
    for moment in &moments {
        for event in &trace.events[at..*moment] {
            if let Event::Answer(set) = event {
                load.acknowledge(*set, &mut acknowledged);
            }
            disk.take(event);
        }
        at = *moment;
        let folder = tempfile::tempdir().expect("a folder");
        lost_pages += disk.after_power_loss(folder.path(), random);
        let context = format!("cut at event {moment} of {events}");
        let data = folder.path().join("data");
        holds(load, &acknowledged, &data).map_err(|loss| format!("{context}: {loss}"))?;
    }
    Ok(format!(
        "{cuts} cuts among {events} events of {} sets and {} compactions, {lost_pages} pages lost: \
         all was there",
        load.sets.len(),
        compactions.len()
    ))
}

fn holds(load: &Load, acknowledged: &[usize], data: &Path) -> Result<(), String> {
    let mut stage = match start(keeping(data)) {
        Start::Serves(stage) => *stage,
        Start::Refused(said) => return Err(said),
    };
    for (owner, done) in acknowledged.iter().enumerate() {
        let found = load.read(owner, &mut stage.session);
        let states = &load.states[owner][*done..];
        if !states.contains(&found) {
            return Err(format!(
                "owner {owner} has {}, after {done} acknowledged sets that left {}",
                load::summary(&found),
                load::summary(&states[0]),
            ));
        }
    }
    // And it goes on from there.
    stage.store("<after xmlns='urn:after'>the loss</after>");
    Ok(())
}
