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
    let (lines, code) = match found {
        Ok(facts) => (good(config, &facts), Ok(())),
        Err(error) => (bad(&error), Err(exit_code(&error))),
    };
    for (sign, line) in lines {
        report.line(sign, format_args!("database: {line}"));
    }
    code
}

fn good(config: &Postgres, facts: &Facts) -> Vec<(Sign, String)> {
    let Facts { host, version, .. } = facts;
    let mut lines = vec![(Sign::Good, format!("{host} is the primary: {version}"))];
    let standby = |host: &String| (Sign::Good, format!("{host} is a standby"));
    lines.extend(facts.standbys.iter().map(standby));
    let away = |(host, reason): &(String, String)| {
        let line = format!("cannot reach {host}: {reason}; it could not take over now");
        (Sign::Warning, line)
    };
    lines.extend(facts.unreachable.iter().map(away));
    lines.push((
        Sign::Good,
        match facts.format {
            Some(format) => format!("{} has the store (format {format})", config.database),
            None => format!(
                "{} is empty, and the first start makes the tables",
                config.database
            ),
        },
    ));
    lines.push(match &facts.synchronous {
        Some(standbys) => (
            Sign::Good,
            format!("sets wait for a synchronous standby ({standbys})"),
        ),
        None => (
            Sign::Warning,
            "there is no synchronous standby (synchronous_standby_names is empty): if the primary is \
             lost, so is what it acknowledged last"
                .to_owned(),
        ),
    });
    lines.extend(unsafe_disk(facts).map(|line| (Sign::Warning, line.to_owned())));
    if !facts.instances.is_empty() {
        let line = format!("connected instances: {}", facts.instances.join(", "));
        lines.push((Sign::Neutral, line));
    }
    lines
}

/// What the disk could do unnoticed, or lose.
fn unsafe_disk(facts: &Facts) -> impl Iterator<Item = &'static str> {
    let unsynced = (!facts.fsync).then_some(
        "fsync is off: what was acknowledged is lost with the power; turn it on in postgresql.conf",
    );
    let unchecked = (facts.data_checksums == Some(false)).then_some(
        "data checksums are off: damage on its disk goes unnoticed; stop it, and turn them on with \
         pg_checksums --enable",
    );
    unsynced.into_iter().chain(unchecked)
}

fn bad(error: &OpenError) -> Vec<(Sign, String)> {
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
