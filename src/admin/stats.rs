//! `stats`: who has how much, and what that takes on the disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::{data, format};
use crate::config::Config;
use crate::store::{Amount, Owner, Store};

/// How many of the largest owners are named.
const LARGEST: usize = 10;

pub fn run(config: &Config) -> ExitCode {
    match count(config) {
        Ok(text) => {
            // Whoever closes the pipe wants no more lines.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(code) => ExitCode::from(code),
    }
}

fn count(config: &Config) -> Result<String, u8> {
    let data = data::open(config)?;
    let mut stored = Stored::default();
    let counted = data.for_each(&mut |owner, amount| stored.add(owner, amount));
    counted.map_err(|trouble| data::told(&trouble))?;
    let mut text = stored.told();
    // What a database server takes on its disk is not seen from here.
    if !data.is_database() {
        files(&config.storage.path, &mut text);
    }
    Ok(text)
}

#[derive(Default)]
struct Stored {
    domains: BTreeMap<String, (u64, Amount)>,
    /// The largest first, and of those that are as large the first by name.
    largest: Vec<(Owner, Amount)>,
}

impl Stored {
    fn add(&mut self, owner: Owner, amount: Amount) {
        let address = owner.as_str();
        let domain = address
            .split_once('@')
            .map_or(address, |(_, domain)| domain);
        let (owners, all) = self.domains.entry(domain.to_owned()).or_default();
        *owners += 1;
        all.bytes += amount.bytes;
        all.elements += amount.elements;
        let comes_before = |(it, its): &(Owner, Amount)| (amount.bytes, it) < (its.bytes, &owner);
        let place = self.largest.partition_point(comes_before);
        self.largest.insert(place, (owner, amount));
        self.largest.truncate(LARGEST);
    }

    fn told(&self) -> String {
        let mut rows = vec![["", "users", "elements", "bytes"].map(str::to_owned)];
        let mut all = (0, Amount::default());
        let row = |name: &str, owners: u64, amount: &Amount| {
            let Amount { bytes, elements } = amount;
            let numbers = [owners, *elements, *bytes].map(|number| number.to_string());
            let [owners, elements, bytes] = numbers;
            [format::shown(name), owners, elements, bytes]
        };
        for (domain, (owners, amount)) in &self.domains {
            rows.push(row(domain, *owners, amount));
            all.0 += owners;
            all.1.bytes += amount.bytes;
            all.1.elements += amount.elements;
        }
        rows.push(row("altogether", all.0, &all.1));
        let mut text = String::new();
        table(&rows, &mut text);
        if !self.largest.is_empty() {
            let mut rows =
                vec![["users with the most data", "elements", "bytes"].map(str::to_owned)];
            rows.extend(self.largest.iter().map(|(owner, amount)| {
                let [name, _, elements, bytes] = row(owner.as_str(), 1, amount);
                [name, elements, bytes]
            }));
            text.push('\n');
            table(&rows, &mut text);
        }
        text
    }
}

/// The first column to the left, the others to the right.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]], out: &mut String) {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = match column {
                0 => write!(out, "{cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
        }
        out.push('\n');
    }
}

/// What the files take on the disk, the largest first.
fn files(folder: &Path, out: &mut String) {
    let mut files = Store::files_in(folder);
    files.sort_by(|(name, bytes), (other, others)| (others, other).cmp(&(bytes, name)));
    let all = files.iter().map(|(_, bytes)| bytes).sum();
    let mut rows = vec![["on the disk".to_owned(), format::bytes(all)]];
    rows.extend(
        files
            .iter()
            .map(|(name, bytes)| [format!("  {name}"), format::bytes(*bytes)]),
    );
    out.push('\n');
    table(&rows, out);
}
