//! `[storage]`: where the data is kept. All of it takes effect at a start.

use super::super::draft::EngineName;
use super::super::types::{Config, Engine};
use super::{BYTES, Setting, Value, path};

pub(super) const SETTINGS: &[Setting] = &[
    setting!(
        storage.engine,
        Value::Default("\"sled\""),
        by | config | engine(config),
        "\"sled\": the data is in a folder of this machine, for one instance; nothing else has to be \
         set up. \"postgres\": it is in a database server, which may have replicas, and several \
         instances may use it at once; what is in storage.postgres says where.",
        |given| given.choice(&[
            ("sled", EngineName::Sled),
            ("postgres", EngineName::Postgres),
        ])?
    ),
    setting!(
        storage.path,
        Value::Default("\"data\""),
        at a start,
        "The folder of the database, relative to the working directory. It must be on a local \
         disk. With \"postgres\" it has only the control socket and a lock, and is \
         /run/xmpp-private-storage if it is not set.",
        |given| given.text("the path of a folder", path)?
    ),
    setting!(
        storage.cache_bytes,
        Value::Default("67108864"),
        at a start,
        "Only with \"sled\": memory for data that was read recently. More helps if many users come \
         back all the time.",
        |given| given.whole(1 << 20..=64 << 30, BYTES)?
    ),
    setting!(
        storage.compact_above_bytes,
        Value::Default("134217728"),
        at a start,
        "Only with \"sled\": the database file is rewritten, in the background, when it is larger \
         than this plus three times the data that is still in use. Less saves space on a small disk; \
         while it is rewritten, sets take a little longer.",
        |given| given.whole(1 << 20..=1 << 40, BYTES)?
    ),
];

fn engine(config: &Config) -> EngineName {
    match config.storage.engine {
        Engine::Sled => EngineName::Sled,
        Engine::Postgres(_) => EngineName::Postgres,
    }
}
