//! The secret: where it comes from, who else can read it, and that nobody sees it in passing.

use secrecy::ExposeSecret;

use super::*;

const JID: &str = "component.jid = \"private.example.org\"\n";

fn secret(config: Result<Config, ConfigError>) -> String {
    let config = config.expect("a configuration");
    config.component.secret.expose_secret().to_owned()
}

/// A configuration whose `secret_file` is this one.
fn by_file(folder: &Folder, path: &str) -> Result<Config, ConfigError> {
    folder.load(JID, &[("PRIVATE_STORAGE_COMPONENT_SECRET_FILE", path)])
}

#[test]
fn one_newline_at_the_end_of_a_file_is_cut() {
    let folder = Folder::new();
    for (text, expected) in [
        ("s3cret", "s3cret"),
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        ("s3cret\n\n", "s3cret\n"),
        (" s3 cret ", " s3 cret "),
    ] {
        let path = folder.file("secret", text);
        let read = secret(by_file(&folder, &path.display().to_string()));
        assert_eq!(read, expected, "{text:?}");
    }
}

#[test]
fn a_variable_replaces_either_key_of_the_file() {
    let folder = Folder::new();
    let path = folder.file("secret", "from a file\n").display().to_string();
    let inline = format!("{JID}component.secret = \"s3cret\"\n");
    let in_file = format!("{JID}component.secret_file = \"missing\"\n");

    let by_path = [("PRIVATE_STORAGE_COMPONENT_SECRET_FILE", path.as_str())];
    assert_eq!(secret(folder.load(&inline, &by_path)), "from a file");
    let by_value = [("PRIVATE_STORAGE_COMPONENT_SECRET", " as it is ")];
    assert_eq!(secret(folder.load(&in_file, &by_value)), " as it is ");
    let nothing = [("PRIVATE_STORAGE_COMPONENT_SECRET", "")];
    assert_eq!(secret(folder.load(&inline, &nothing)), "s3cret");
}

#[test]
fn two_secrets_are_refused() {
    let folder = Folder::new();
    let text = format!("{JID}component.secret = \"s3cret\"\ncomponent.secret_file = \"secret\"\n");
    assert_eq!(
        folder.told(folder.load(&text, &[])),
        "component.toml:2:20 and component.toml:3:25: \
         found both component.secret and component.secret_file, expected one of the two"
    );
    let both = with(&[("PRIVATE_STORAGE_COMPONENT_SECRET_FILE", "secret")]);
    assert_eq!(
        folder.told(both),
        "PRIVATE_STORAGE_COMPONENT_SECRET and PRIVATE_STORAGE_COMPONENT_SECRET_FILE: \
         found both component.secret and component.secret_file, expected one of the two"
    );
}

#[test]
fn systemd_hands_over_what_nothing_else_names() {
    let folder = Folder::new();
    folder.file("secret", "handed over\n");
    folder.file("other", "by its name\n");
    let credentials = folder.0.path().display().to_string();
    let handed = ("CREDENTIALS_DIRECTORY", credentials.as_str());

    assert_eq!(secret(folder.load(JID, &[handed])), "handed over");
    let named = ("PRIVATE_STORAGE_COMPONENT_SECRET_FILE", "other");
    assert_eq!(secret(folder.load(JID, &[handed, named])), "by its name");
    let given = ("PRIVATE_STORAGE_COMPONENT_SECRET", "given");
    assert_eq!(secret(folder.load(JID, &[handed, given])), "given");

    let missing = ("PRIVATE_STORAGE_COMPONENT_SECRET_FILE", "missing");
    let here = std::env::current_dir().expect("a folder");
    assert_eq!(
        folder.told(folder.load(JID, &[handed, missing])),
        format!(
            "PRIVATE_STORAGE_COMPONENT_SECRET_FILE: found neither missing nor {}/missing, expected a \
             file that holds the secret",
            here.display()
        ),
        "the first one in the folder, whose name is cut away here"
    );
}

#[test]
fn a_relative_file_is_found_beside_the_configuration() {
    let folder = Folder::new();
    folder.file("secret-beside", "from a file\n");
    assert_eq!(secret(by_file(&folder, "secret-beside")), "from a file");
    // The service has what was handed to it.
    let credentials = Folder::new();
    credentials.file("secret-beside", "handed over\n");
    let path = credentials.0.path().display().to_string();
    let variables = [
        ("PRIVATE_STORAGE_COMPONENT_SECRET_FILE", "secret-beside"),
        ("CREDENTIALS_DIRECTORY", path.as_str()),
    ];
    assert_eq!(secret(folder.load(JID, &variables)), "handed over");
    let here = std::env::current_dir().expect("a folder");
    assert_eq!(
        folder.told(by_file(&folder, "missing")),
        format!(
            "PRIVATE_STORAGE_COMPONENT_SECRET_FILE: found neither {}/missing nor missing, expected a file that \
             holds the secret",
            here.display()
        ),
        "the second one in the folder of the configuration, whose name is cut away here"
    );
}

#[test]
fn a_secret_that_will_not_do_is_refused() {
    let folder = Folder::new();
    let inline = |value: &str| folder.load(&format!("{JID}component.secret = \"{value}\"\n"), &[]);
    assert_eq!(
        folder.told(inline("")),
        "component.toml:2:20: component.secret: found an empty secret, \
         expected the one that the server has for this component"
    );
    assert_eq!(
        folder.told(inline("change me")),
        "component.toml:2:20: component.secret: found the example's \"change me\", \
         expected the one that the server has for this component"
    );
    let empty = folder.file("secret", "\n").display().to_string();
    assert_eq!(
        folder.told(by_file(&folder, &empty)),
        "PRIVATE_STORAGE_COMPONENT_SECRET_FILE: secret: found an empty secret, \
         expected the one that the server has for this component"
    );
}

#[test]
fn a_secret_file_that_cannot_be_read_is_told() {
    let folder = Folder::new();
    let text = format!(
        "{JID}component.secret_file = \"{}\"\n",
        folder.path("missing").display()
    );
    assert_eq!(
        folder.told(folder.load(&text, &[])),
        "component.toml:2:25: component.secret_file: found no missing, \
         expected a file that holds the secret"
    );
    let bytes = folder.file("bytes", b"s3cret\xff").display().to_string();
    assert_eq!(
        folder.told(by_file(&folder, &bytes)),
        "PRIVATE_STORAGE_COMPONENT_SECRET_FILE: cannot read bytes: \
         stream did not contain valid UTF-8"
    );
}

#[test]
fn a_secret_that_everybody_can_write_is_refused() {
    let folder = Folder::new();
    let path = folder.file("secret", "s3cret").display().to_string();
    for (mode, can, shown) in [(0o602, "write", "0602"), (0o666, "read and write", "0666")] {
        folder.mode("secret", mode);
        assert_eq!(
            folder.told(by_file(&folder, &path)),
            format!(
                "PRIVATE_STORAGE_COMPONENT_SECRET_FILE: secret holds the secret and everybody can \
                 {can} it (mode {shown}); to fix this: chmod o= secret"
            )
        );
    }
    let path = folder.file(
        "component.toml",
        format!("{JID}component.secret = \"s3cret\"\n"),
    );
    folder.mode("component.toml", 0o622);
    let refused = Config::load(Some(&path), [("", "")]);
    assert_eq!(
        folder.told(refused),
        "component.toml holds the secret and everybody can write it (mode 0622); \
         to fix this: chmod o= component.toml"
    );
}

#[test]
fn a_secret_that_everybody_can_read_is_one_warning() {
    let folder = Folder::new();
    let path = folder.file("secret", "s3cret");
    folder.mode("secret", 0o444);
    let config = by_file(&folder, &path.display().to_string()).expect("a configuration");
    let shown = path.display();
    assert_eq!(
        config.warnings,
        [format!(
            "{shown} holds the secret and everybody can read it (mode 0444); \
             to fix this: chmod o= {shown}"
        )]
    );
    folder.mode("secret", 0o660);
    let config = by_file(&folder, &path.display().to_string()).expect("a configuration");
    assert_eq!(
        config.warnings,
        Vec::<String>::new(),
        "a group is of one's own choosing"
    );
}

#[test]
fn a_file_that_holds_no_secret_may_be_read_and_written() {
    let folder = Folder::new();
    let path = folder.file(
        "component.toml",
        format!("{JID}component.secret = \"change me\"\n"),
    );
    folder.mode("component.toml", 0o666);
    let given = [("PRIVATE_STORAGE_COMPONENT_SECRET", "s3cret")];
    let config = Config::load(Some(&path), given).expect("a configuration");
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn no_debug_output_and_no_message_shows_it() {
    let folder = Folder::new();
    let text = format!("{JID}component.secret = \"s3cret\"\n");
    let config = folder.load(&text, &[]).expect("a configuration");
    assert!(!format!("{config:?} {config:#?}").contains("s3cret"));

    for text in [
        "component.secret = s3cret",
        "component.secret = \"s3cret",
        "component.secret = \"s3cret\\q\"",
        "component.secret = [\"s3cret\"]",
        "component.secret = { value = \"s3cret\" }",
        "component.secret = \"s3cret\"\ncomponent.secret_file = \"file\"",
        "component.sercet = \"s3cret\"",
        "component = { secret = \"s3cret\", }}",
        "secret = \"s3cret\"",
        "[access]\nsecret = \"s3cret\"",
        "[component]\nsecret \"s3cret\"",
    ] {
        let refused = folder.load(text, &[]).expect_err(text);
        assert!(
            !format!("{refused} {refused:?}").contains("s3cret"),
            "{refused}"
        );
    }
}
