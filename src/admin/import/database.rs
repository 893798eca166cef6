//! How to get at what Prosody keeps in an SQL database: its own migrator copies that into files.

use std::fmt::Write;
use std::path::Path;

use super::rename::Rename;
use crate::admin::report::say;
use crate::config::Config;

/// Where the files are put meanwhile. Prosody's user must get there.
const FOLDER: &str = "/var/lib/prosody-private";

/// Says what to do about a database in a folder of Prosody's, beside which files were left out or not.
pub fn tell(file: &Path, stale: bool, config: &Config, renames: &[Rename]) {
    say(steps(file, &hosts(config, renames), renames));
    if stale {
        say(format_args!(
            "If Prosody does not use the database but the files beside it, add --ignore-database."
        ));
    }
}

/// The hosts as Prosody has them.
fn hosts<'h>(config: &'h Config, renames: &'h [Rename]) -> Vec<&'h str> {
    let domains = config.access.domains.iter();
    let as_they_are = domains.filter(|domain| renames.iter().all(|it| it.new != **domain));
    let mut hosts: Vec<&str> = as_they_are.map(String::as_str).collect();
    for Rename { old, .. } in renames {
        if !hosts.contains(&old.as_str()) {
            hosts.push(old);
        }
    }
    hosts
}

fn steps(file: &Path, hosts: &[&str], renames: &[Rename]) -> String {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let database = lua_string(file.as_os_str().as_encoded_bytes());
    let hosts: Vec<String> = hosts
        .iter()
        .map(|host| format!("[{}] = {{ \"private\" }}", lua_string(host.as_bytes())))
        .collect();
    let hosts = hosts.join(", ");
    let mut arguments = String::new();
    for Rename { old, new } in renames {
        let _ = write!(arguments, "--rename {old}={new} ");
    }
    format!(
        "\nProsody's own migrator copies private data from the database into files, which `import` takes. \
         As root:\n\n\
         systemctl stop prosody   # what users store meanwhile would be left behind\n\
         install -d -m 700 -o prosody -g prosody {FOLDER}\n\
         cat > {FOLDER}/migrator.cfg.lua <<'END'\n\
         input {{\n  hosts = {{ {hosts} }};\n  type = \"sql\"; driver = \"SQLite3\";\n  \
         database = {database};\n}}\n\
         output {{ type = \"internal\"; path = \"{FOLDER}\" }}\n\
         END\n\
         prosody-migrator --config {FOLDER}/migrator.cfg.lua\n\
         xmpp-private-storage import {arguments}{FOLDER}\n\
         rm -r {FOLDER}           # when everything was imported\n"
    )
}

/// A string of Lua's, in which nothing ends it, nor the line.
fn lua_string(bytes: &[u8]) -> String {
    let mut string = String::from('"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' | 0..b' ' | 0x7f.. => {
                let _ = write!(string, "\\{byte:03}");
            }
            _ => string.push(char::from(*byte)),
        }
    }
    string + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run like this with Prosody 0.12.3, 13.0.1 and 13.0.6; what came of the first two was imported whole.
    #[test]
    fn the_steps_are_about_this_database_and_these_hosts() {
        let renames = [Rename::read("old.example=new.example").unwrap()];
        let file = Path::new("/var/lib/prosody/prosody.sqlite");
        let steps = steps(file, &["example.org", "old.example"], &renames);
        let written = "input {\n  \
            hosts = { [\"example.org\"] = { \"private\" }, [\"old.example\"] = { \"private\" } };\n  \
            type = \"sql\"; driver = \"SQLite3\";\n  \
            database = \"/var/lib/prosody/prosody.sqlite\";\n}\n\
            output { type = \"internal\"; path = \"/var/lib/prosody-private\" }\nEND\n\
            prosody-migrator --config /var/lib/prosody-private/migrator.cfg.lua\n\
            xmpp-private-storage import --rename old.example=new.example /var/lib/prosody-private\n";
        assert!(steps.contains(written), "{steps}");
    }

    #[test]
    fn a_name_ends_no_string_and_no_file() {
        let name = lua_string("a\"b\\\nEND\nrm ü.sqlite".as_bytes());
        assert_eq!(name, r#""a\034b\092\010END\010rm \195\188.sqlite""#);
    }
}
