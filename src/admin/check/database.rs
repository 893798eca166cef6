//! The database: what it says of itself and of its hosts, a line for each. It is looked at beside the running
//! service as well; nothing is made in it.

use crate::admin::report::{Report, Sign};
use crate::config::Postgres;
use crate::exit;
use crate::postgres::{Facts, OpenError};

/// Says what was found. `Err` with the exit code where the database cannot be used.
pub fn check(
    report: &Report,
    config: &Postgres,
    found: Result<Facts, OpenError>,
) -> Result<(), u8> {
    let (lines, code) = match &found {
        Ok(facts) => judged(config, facts),
        Err(error) => (refused(error), Err(exit_code(error))),
    };
    for (sign, line) in lines {
        report.line(sign, format_args!("database: {line}"));
    }
    code
}

/// What a primary that answers says, and whether it can be used.
fn judged(config: &Postgres, facts: &Facts) -> (Vec<(Sign, String)>, Result<(), u8>) {
    let mut lines = hosts(facts);
    let (store, may_be_used) = store(config, facts);
    lines.push(store);
    let (synchronous, is_enough) = synchronous(config, facts);
    lines.push(synchronous);
    lines.extend(disk(facts).map(|line| (Sign::Warning, line.to_owned())));
    if !facts.instances.is_empty() {
        let line = format!("connected instances: {}", facts.instances.join(", "));
        lines.push((Sign::Neutral, line));
    }
    (lines, may_be_used.and(is_enough))
}

fn hosts(facts: &Facts) -> Vec<(Sign, String)> {
    let Facts { host, version, .. } = facts;
    let primary = (Sign::Good, format!("{host} is the primary: {version}"));
    let standby = |host: &String| (Sign::Good, format!("{host} is a standby"));
    let away = |(host, reason): &(String, String)| {
        let line = format!("cannot reach {host}: {reason}; it could not take over now");
        (Sign::Warning, line)
    };
    let standbys = facts.standbys.iter().map(standby);
    let others = standbys.chain(facts.unreachable.iter().map(away));
    std::iter::once(primary).chain(others).collect()
}

fn store(config: &Postgres, facts: &Facts) -> ((Sign, String), Result<(), u8>) {
    let Postgres { database, user, .. } = config;
    match facts.format {
        Some(format) => {
            let line = format!("{database} has the store (format {format})");
            ((Sign::Good, line), Ok(()))
        }
        None if facts.may_create => {
            let line = format!("{database} is empty, and the first start makes the tables");
            ((Sign::Good, line), Ok(()))
        }
        None => {
            let line = format!(
                "{database} is empty, and the user {user} has no right to make tables there; make that user \
                 its owner: alter database {database} owner to {user}"
            );
            ((Sign::Bad, line), Err(exit::STORE))
        }
    }
}

fn synchronous(config: &Postgres, facts: &Facts) -> ((Sign, String), Result<(), u8>) {
    let none = "there is no synchronous standby (synchronous_standby_names is empty)";
    match &facts.synchronous {
        Some(standbys) if facts.replicas == Some(0) => {
            let line = format!(
                "sets wait for a synchronous standby ({standbys}), and none is connected: users are served when \
                 one is, or when the primary waits for none any more"
            );
            ((Sign::Bad, line), Err(exit::UNAVAILABLE))
        }
        Some(standbys) => {
            let line = format!("sets wait for a synchronous standby ({standbys})");
            ((Sign::Good, line), Ok(()))
        }
        None if config.require_synchronous => {
            let line = format!(
                "{none}, and storage.postgres.require_synchronous is true: users are served when there is \
                 one"
            );
            ((Sign::Bad, line), Err(exit::UNAVAILABLE))
        }
        None => {
            let line = format!("{none}: if the primary is lost, so is what it acknowledged last");
            ((Sign::Warning, line), Ok(()))
        }
    }
}

/// What the disk could do unnoticed, or lose.
fn disk(facts: &Facts) -> impl Iterator<Item = &'static str> {
    let unsynced = (facts.fsync == Some(false)).then_some(
        "fsync is off: what was acknowledged is lost with the power; turn it on in postgresql.conf",
    );
    let unchecked = (facts.data_checksums == Some(false)).then_some(
        "data checksums are off: damage on its disk goes unnoticed; stop it, and turn them on with \
         pg_checksums --enable",
    );
    unsynced.into_iter().chain(unchecked)
}

fn refused(error: &OpenError) -> Vec<(Sign, String)> {
    let lines = match error {
        OpenError::Unreachable { hosts } => hosts
            .iter()
            .map(|(host, reason)| format!("cannot reach {host}: {reason}"))
            .collect(),
        other => vec![other.to_string()],
    };
    lines.into_iter().map(|line| (Sign::Bad, line)).collect()
}

/// What passes by itself is as a server that is away; all else is for somebody to put right.
fn exit_code(error: &OpenError) -> u8 {
    match error {
        OpenError::Foreign { .. } => exit::CONFIG,
        error if error.may_pass() => exit::UNAVAILABLE,
        _ => exit::STORE,
    }
}

#[cfg(test)]
mod tests;
