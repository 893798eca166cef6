//! What the disk can do, and what sled can do on it: 1 writer, `group` writes to a sync.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use xmpp_private_storage::store::durable;

use super::contender;
use super::requests::{USERS, element};

/// Appends and syncs: writes per second, and the median time of one group in seconds.
pub fn raw(group: usize, bytes: usize, slice: Duration) -> io::Result<(f64, f64)> {
    let folder = contender::folder()?;
    let mut file = File::create(folder.path().join("raw"))?;
    let writes = element("bench", bytes).into_bytes().repeat(group);
    let begin = Instant::now();
    let mut times = Vec::new();
    while begin.elapsed() < slice {
        let one = Instant::now();
        file.write_all(&writes)?;
        file.sync_data()?;
        times.push(one.elapsed().as_secs_f64());
    }
    let rate = (times.len() * group) as f64 / begin.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    Ok((rate, times[times.len() / 2]))
}

/// The same with sled as our store has it: writes per second. In a process of its own, since
/// syncs are made real for a whole process and for good.
pub fn sled(group: usize, bytes: usize, slice: Duration) -> io::Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .arg("sled")
        .args([group, bytes, slice.as_millis() as usize].map(|number| number.to_string()))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let errors = String::from_utf8_lossy(&output.stderr);
        io::Error::other(format!("sled: {text}{errors}"))
    })
}

/// As our store has it.
pub fn open_sled(folder: &Path) -> sled::Result<sled::Db> {
    sled::Config::new()
        .path(folder.join("data"))
        .cache_capacity(64 * 1024 * 1024)
        .flush_every_ms(Some(500))
        .segment_size(8 * 1024 * 1024)
        .open()
}

/// `sled GROUP BYTES MILLISECONDS`
pub fn sled_alone(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [group, bytes, milliseconds] = arguments else {
        return Err("GROUP BYTES MILLISECONDS".into());
    };
    let (group, bytes): (usize, usize) = (group.parse()?, bytes.parse()?);
    let slice = Duration::from_millis(milliseconds.parse()?);
    durable::make_syncs_real()?;
    let folder = contender::folder()?;
    let database = open_sled(folder.path())?;
    let mut value = element("bench", bytes).into_bytes();
    let mut number: u64 = 0;
    let mut put = |user: usize| {
        number += 1;
        value[..8].copy_from_slice(&number.to_be_bytes());
        let key = format!("user{user}@localhost\0bench:{bytes}\0v\0\0\0\0\0");
        database.insert(key, &*value).map(drop)
    };
    for user in 0..USERS {
        put(user)?;
    }
    database.flush()?;
    let begin = Instant::now();
    let mut done = 0;
    while begin.elapsed() < slice {
        for _ in 0..group {
            done += 1;
            put(done * 2_654_435_761 % USERS)?;
        }
        database.flush()?;
    }
    println!("{}", done as f64 / begin.elapsed().as_secs_f64());
    Ok(())
}
