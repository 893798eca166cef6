//! `[storage.postgres]`. All of it takes effect at a start, and none of it is to be set for another engine.

use secrecy::ExposeSecret;

use super::super::postgres::{DatabaseHost, DatabaseTls, Postgres};
use super::super::types::{Config, Engine};
use super::super::value::{Given, Wrong};
use super::{Setting, Value, path};
use crate::link::{self, Fingerprint, Trust};

/// Each look at them is a connection to every one.
const MOST_HOSTS: usize = 16;

pub(super) const SETTINGS: &[Setting] = &[
    setting!(
        storage.postgres.hosts,
        Value::Sample("[\"db1.example.org\", \"db2.example.org\"]"),
        by | config | postgres(config).map(|it| &it.hosts),
        "Where the database is: host or host:port, 5432 if no port is said, or the folder of a \
         socket on this machine, such as \"/run/postgresql\". All are asked which of them is the \
         primary, and that one is used, so name all that may become it.",
        |given| hosts(given)?
    ),
    setting!(
        storage.postgres.database,
        Value::PostgresDefault("\"private_storage\""),
        by | config | postgres(config).map(|it| &it.database),
        "The database, which must exist. The component makes its tables in it.",
        |given| given.text("the name of a database", name)?
    ),
    setting!(
        storage.postgres.user,
        Value::PostgresDefault("\"private_storage\""),
        by | config | postgres(config).map(|it| &it.user),
        "The user of the database to log in as. It must have the right to create tables there.",
        |given| given.text("the name of a user of the database", name)?
    ),
    setting!(
        storage.postgres.password,
        Value::Sample("\"change me\""),
        by | config | postgres(config).map(password),
        "The password of that user, if the database asks for one. Keep the file that it is in to \
         yourself: chmod 600.",
        |given| {
            // Whether it will do is for `secret` to say, once it is known which one counts.
            let expected = "the password as a string in quotes";
            Some(given.text(expected, |text| Some(text.into()))?)
        }
    ),
    setting!(
        storage.postgres.password_file,
        Value::Sample("\"database-password\""),
        by | _config | "what counts is the password, wherever it comes from",
        "A file that holds the password, in place of storage.postgres.password. It is looked for as \
         component.secret_file is, and must not be a pipe.",
        |given| Some(given.text("the path of a file", path)?)
    ),
    setting!(
        storage.postgres.tls,
        Value::PostgresDefault("\"off\""),
        by | config | tls(config).is_some(),
        "\"on\": connections to the database are encrypted with TLS; the certificate of each host \
         must be signed by a CA that the system trusts, or be as storage.postgres.tls_ca_file or \
         storage.postgres.tls_pin_sha256 says. \"off\": they are not encrypted: keep them on one \
         machine or one private network.",
        |given| given.choice(&[("off", false), ("on", true)])?
    ),
    setting!(
        storage.postgres.tls_ca_file,
        Value::Sample("\"/etc/xmpp-private-storage/database-ca.pem\""),
        by | config | trust(config).and_then(Trust::ca_file),
        "A file with CA certificates in PEM: with TLS, one of them must have signed the \
         certificate of each host, instead of one that the system trusts.",
        |given| Some(given.text("the path of a file", path)?)
    ),
    setting!(
        storage.postgres.tls_pin_sha256,
        Value::Sample(
            "\"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\""
        ),
        by | config | trust(config).and_then(Trust::pin),
        "The SHA-256 fingerprint of the one certificate that all hosts may have with TLS, whatever \
         its name, dates and signer.",
        |given| {
            let expected = "the SHA-256 fingerprint of a certificate: 64 hexadecimal digits, with or \
                            without colons";
            Some(given.text(expected, Fingerprint::parse)?)
        }
    ),
    setting!(
        storage.postgres.tls_name,
        Value::Sample("\"db.example.org\""),
        by | config | tls(config).and_then(|tls| tls.name.as_ref()),
        "The name that the certificates of all hosts must have with TLS, if that is not the name \
         of each in storage.postgres.hosts.",
        |given| {
            let expected = "the name that the certificates have, such as \"db.example.org\"";
            Some(given.text(expected, link::certificate_name)?)
        }
    ),
    setting!(
        storage.postgres.connections,
        Value::PostgresDefault("4"),
        by | config | postgres(config).map(|it| it.connections),
        "How many connections to the database are kept. More help if it is far away.",
        |given| given.whole(2..=16, "a number of connections")?
    ),
    setting!(
        storage.postgres.require_synchronous,
        Value::PostgresDefault("false"),
        by | config | postgres(config).map(|it| it.require_synchronous),
        "true: a primary that has no synchronous standby (its synchronous_standby_names is empty) \
         is not used, so that nothing is answered as stored that is on one machine alone: until it \
         has one, the component is not ready and refuses requests for the moment. false: a set is \
         stored when the database says so.",
        |given| given.truth()?
    ),
];

fn hosts(given: &Given<'_>) -> Result<Vec<DatabaseHost>, Wrong> {
    let list = "a list of hosts, such as [\"db1.example.org\", \"db2.example.org\"]";
    let item = "host or host:port, such as \"db1.example.org\" or \"[::1]:5433\", or the folder of a \
                socket, such as \"/run/postgresql\"";
    let mut hosts: Vec<DatabaseHost> = Vec::new();
    for host in given.list(list, item, DatabaseHost::parse)? {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let found = match hosts.len() {
        0 => "an empty list".to_owned(),
        1..=MOST_HOSTS => return Ok(hosts),
        many => format!("{many} hosts"),
    };
    Err(Wrong {
        found: Some(found),
        expected: format!("{list}, with at most {MOST_HOSTS}"),
    })
}

fn postgres(config: &Config) -> Option<&Postgres> {
    match &config.storage.engine {
        Engine::Sled => None,
        Engine::Postgres(postgres) => Some(postgres),
    }
}

fn tls(config: &Config) -> Option<&DatabaseTls> {
    postgres(config)?.tls.as_ref()
}

fn trust(config: &Config) -> Option<&Trust> {
    tls(config).map(|tls| &tls.trust)
}

fn password(postgres: &Postgres) -> Result<Option<&str>, &String> {
    let password = postgres.password.as_ref()?;
    Ok(password.as_ref().map(ExposeSecret::expose_secret))
}

/// PostgreSQL itself would cut a longer one off, and mean another by it.
fn name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= 63 && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}
