//! Backups that somebody else has written, whom an administrator trusts too much: every checksum in
//! them is right. What is stored is sliced into answers unread, so a text that closes its answer
//! speaks in the service's name to whomever it likes; and what would make the server's parser stop
//! ends the link for everybody.

use std::fs;
use std::path::Path;

use xmpp_private_storage::store::OwnerData;

use super::forged::{self, Record};
use super::{
    all_in, data, done, mode, place, post, program, put_past_everything, refused, stopped, text,
};
use crate::scripted::stage::{Stage, request};
use crate::support::router::parse;

const KEY: (&str, &str) = ("urn:bad", "prefs");

/// Stands in every value that is bad. Whatever is said of one, this is not.
const SECRET: &str = "hunter2";

/// So deep elements may be, whatever is configured.
const DEEPEST: usize = 1024;

/// A value under [`KEY`]: what is bad about it, the elements it says it has, its text.
fn bad_values() -> Vec<(&'static str, u32, Vec<u8>)> {
    let whole = "it does not consist of whole elements only";
    let not_xml = "it is not XML as XMPP allows it";
    let never = "which is never stored";
    let another = "another name or namespace";
    let count = "not contain as many elements as it says";
    let sound = "<prefs xmlns='urn:bad'>hunter2</prefs>";
    let inside = |inner: &str| format!("<prefs xmlns='urn:bad'>hunter2{inner}</prefs>");
    let mut bad: Vec<(&str, u32, Vec<u8>)> = Vec::new();
    let mut add = |why, elements, text: String| bad.push((why, elements, text.into_bytes()));
    // What closes the answer around it, and goes on as another stanza.
    let message = "<message to='admin@localhost'><body>hunter2</body></message>";
    let open = "<iq><query xmlns='jabber:iq:private'>";
    add(whole, 1, format!("{sound}</query></iq>{message}{open}"));
    add(
        whole,
        2,
        format!("{sound}</query></iq>{message}{open}{sound}"),
    );
    add(whole, 1, format!("</query></iq>{message}{open}{sound}"));
    add(
        not_xml,
        1,
        format!("<prefs xmlns='urn:bad'></query></iq>{message}{open}</prefs>"),
    );
    add(whole, 1, format!("{sound}</q><q>{sound}"));
    add(whole, 3, format!("{sound}</q>{message}<q>{sound}"));
    add(whole, 1, format!("{sound}</stream:stream>"));
    // Ends that are missing, too many, or of something else.
    add(whole, 1, "<prefs xmlns='urn:bad'>hunter2".to_owned());
    add(
        whole,
        1,
        "<prefs xmlns='urn:bad'><hunter2></prefs>".to_owned(),
    );
    add(
        not_xml,
        1,
        "<prefs xmlns='urn:bad'>hunter2</other>".to_owned(),
    );
    add(not_xml, 1, inside("<a><b></a></b>"));
    add(whole, 1, format!("{sound}</prefs>"));
    add(whole, 1, "<prefs xmlns='urn:bad' hunter2='".to_owned());
    add(whole, 1, "<prefs xmlns='urn:bad' hunter2='1'".to_owned());
    add(whole, 1, format!("{sound}<"));
    add(not_xml, 1, "<>hunter2</>".to_owned());
    // What stands beside.
    add(whole, 1, format!("hunter2{sound}"));
    add(whole, 1, format!("{sound}hunter2"));
    add(whole, 1, format!("{sound}\n"));
    add(whole, 2, format!("{sound} {sound}"));
    add(whole, 1, format!("\u{feff}{sound}"));
    add(whole, 1, format!("{sound}&#x20;"));
    add(whole, 1, "hunter2".to_owned());
    // What XMPP forbids, and what is never written.
    add(never, 1, inside("<!-- -->"));
    add(never, 1, format!("{sound}<!-- hunter2 -->"));
    add(never, 1, inside("<?hunter2?>"));
    add(never, 1, format!("<?xml version='1.0'?>{sound}"));
    add(
        never,
        1,
        format!("<!DOCTYPE prefs [<!ENTITY a 'hunter2'>]>{sound}"),
    );
    add(never, 1, inside("<![CDATA[</prefs></query></iq>]]>"));
    add(never, 1, format!("<![CDATA[{sound}]]>"));
    add(not_xml, 1, inside("&hunter2;"));
    add(not_xml, 1, inside("&nbsp;"));
    add(not_xml, 1, inside("&#0;"));
    add(not_xml, 1, inside("&#xFFFE;"));
    add(not_xml, 1, inside("\u{0}"));
    add(not_xml, 1, inside("\u{1b}[2J"));
    add(not_xml, 1, inside("\u{ffff}"));
    add(not_xml, 1, inside("]]>"));
    add(not_xml, 1, inside("<a b='<'/>"));
    add(not_xml, 1, inside("<a b=1/>"));
    add(not_xml, 1, inside("<a b='1' b='2'/>"));
    add(
        not_xml,
        1,
        inside("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>"),
    );
    add(not_xml, 1, inside("<1/>"));
    // What leans on a scope that it does not bring.
    add(another, 1, "<prefs>hunter2</prefs>".to_owned());
    add(not_xml, 1, "<p:prefs>hunter2</p:prefs>".to_owned());
    add(not_xml, 1, inside("<stream:error/>"));
    add(not_xml, 1, inside("<a p:b='1'/>"));
    add(not_xml, 1, inside("<a xmlns:xml='urn:x'/>"));
    add(not_xml, 1, inside("<a xmlns:p=''/>"));
    add(not_xml, 1, inside("<xmlns:a/>"));
    // Under another key than its own.
    add(
        another,
        1,
        "<prefs xmlns='urn:good'>hunter2</prefs>".to_owned(),
    );
    add(
        another,
        1,
        "<other xmlns='urn:bad'>hunter2</other>".to_owned(),
    );
    add(another, 2, format!("{sound}<other xmlns='urn:bad'/>"));
    add(
        another,
        1,
        "<prefs xmlns='urn:bad&#x20;'>hunter2</prefs>".to_owned(),
    );
    // Another number of them.
    add(count, 0, sound.to_owned());
    add(count, 2, sound.to_owned());
    add(count, 1, format!("{sound}{sound}"));
    add(count, u32::MAX, sound.to_owned());
    add(count, 0, String::new());
    add(count, 1, String::new());
    // Too deep.
    for levels in [DEEPEST + 1, 100_000] {
        add("deeper than 1024 levels", 1, nested(levels));
    }
    bad
}

/// A value so many levels deep.
fn nested(levels: usize) -> String {
    let inner = levels - 1;
    let (open, close) = ("<a>".repeat(inner), "</a>".repeat(inner));
    // The innermost is empty, and so is no pair of tags.
    let open = open.strip_suffix("<a>").unwrap_or_default();
    let close = close.strip_prefix("</a>").unwrap_or_default();
    format!("<prefs xmlns='urn:bad'>{open}<a/>{close}</prefs>")
}

/// Somebody whose value is sound, so that there is something to restore.
fn good(owner: &str) -> Record {
    Record::of(owner).with(("urn:good", "e"), 1, "<e xmlns='urn:good'>1</e>")
}

/// The only value in a store, if it is one element.
#[track_caller]
fn only_value(folder: &Path) -> String {
    let mut stored = all_in(&folder.join("data"));
    let [(_, owner_data)] = stored.as_mut_slice() else {
        panic!("{stored:?}");
    };
    let [entry] = owner_data.entries.as_mut_slice() else {
        panic!("{owner_data:?}");
    };
    assert_eq!(entry.value.elements, 1);
    std::mem::take(&mut entry.value.text)
}

/// A backup of which nothing is restored, and why; and what is restored of it all the same.
struct Attempt {
    /// What was said where it was refused.
    refused: String,
    /// What was said where the bad was left out.
    left_out: String,
    /// What is in the store then.
    stored: Vec<(String, OwnerData)>,
}

impl Attempt {
    #[track_caller]
    fn with(bytes: &[u8]) -> Attempt {
        let folder = place();
        fs::write(folder.path().join("bad"), bytes).expect("a file");
        let refused_for = refused(folder.path(), &["restore", "bad"], 65);
        let there = folder.path().join("data").exists();
        assert!(!there, "a store was made: {refused_for}");
        let left_out = refused(folder.path(), &["restore", "--leave-out-bad", "bad"], 1);
        for said in [&refused_for, &left_out] {
            assert!(!said.contains(SECRET), "{said}");
            let controls = said.chars().any(|c| c.is_control() && c != '\n');
            assert!(!controls, "{said:?}");
        }
        Attempt {
            refused: refused_for,
            left_out,
            stored: all_in(&folder.path().join("data")),
        }
    }

    /// Both say this.
    #[track_caller]
    fn says(&self, what: &str) {
        for said in [&self.refused, &self.left_out] {
            assert!(said.contains(what), "{what:?} is not in:\n{said}");
        }
    }

    /// Of those in the backup these are there, with one value each.
    #[track_caller]
    fn restored(&self, expected: &[&str]) {
        let found: Vec<_> = self.stored.iter().map(|(owner, _)| owner).collect();
        assert_eq!(found, expected);
        assert_eq!(self.texts().len(), expected.len());
    }

    fn texts(&self) -> Vec<&str> {
        let entries = self.stored.iter().flat_map(|(_, it)| &it.entries);
        entries.map(|entry| &*entry.value.text).collect()
    }
}

/// `restore` believed any text that had the right checksum. Each of these, alone, last in a backup
/// that is sound but for it, was put into the store, and sent to whoever asked for it.
#[test]
fn what_is_no_sound_value_is_refused_by_name_and_nothing_is_restored() {
    for (why, elements, text) in bad_values() {
        let bad = good("bert@localhost").with(KEY, elements, &text);
        let attempt = Attempt::with(&forged::backup(&[good("anna@localhost"), bad]));
        attempt.says("bad: bert@localhost: \"prefs\" in \"urn:bad\": it ");
        attempt.says(why);
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert!(attempt.refused.contains("nothing was restored"), "{shown}");
        assert!(
            attempt.left_out.contains("1 part of it is left out"),
            "{shown}"
        );
        attempt.restored(&["anna@localhost", "bert@localhost"]);
    }
}

/// The same, where the key is what is bad: no request could ask for it, or it is another's.
#[test]
fn what_stands_under_a_bad_key_is_refused() {
    let long = "n".repeat(1025);
    let of_long = format!("<e xmlns='{long}'>hunter2</e>");
    let long_name = format!("<{long} xmlns='urn:a'>hunter2</{long}>");
    for (key, text, why) in [
        (("", "e"), "<e xmlns=''>hunter2</e>", "namespace of its own"),
        (("", "e"), "<e>hunter2</e>", "namespace of its own"),
        (
            ("jabber:iq:private", "e"),
            "<e xmlns='jabber:iq:private'>hunter2</e>",
            "namespace of its own",
        ),
        ((long.as_str(), "e"), of_long.as_str(), "over 1024 bytes"),
        (
            ("urn:a", long.as_str()),
            long_name.as_str(),
            "over 1024 bytes",
        ),
        (
            ("urn:a", ""),
            "<e xmlns='urn:a'>hunter2</e>",
            "another name",
        ),
        (
            ("urn:a", "p:e"),
            "<p:e xmlns:p='urn:a'>hunter2</p:e>",
            "another name",
        ),
        (
            ("urn:a\0", "e"),
            "<e xmlns='urn:a'>hunter2</e>",
            "another name",
        ),
        (
            ("urn:a\u{1b}[2J", "e"),
            "<e xmlns='urn:a'>hunter2</e>",
            "another name",
        ),
        // Decomposed: it looks the same, and is another name.
        (
            ("urn:a", "e\u{301}"),
            "<\u{e9} xmlns='urn:a'>hunter2</\u{e9}>",
            "another name",
        ),
        (
            ("urn:e\u{301}", "e"),
            "<e xmlns='urn:\u{e9}'>hunter2</e>",
            "another name",
        ),
    ] {
        let bad = Record::of("bert@localhost").with(key, 1, text);
        let attempt = Attempt::with(&forged::backup(&[good("anna@localhost"), bad]));
        attempt.says("bad: bert@localhost: ");
        attempt.says(why);
        attempt.restored(&["anna@localhost"]);
    }
}

/// Whose data it is comes from what a server vouches for, normalised. Data under any other address
/// belongs to nobody who could ask for it; or to the one it is later taken for.
#[test]
fn what_is_no_owner_is_refused() {
    for owner in [
        "Bert@localhost",
        "bert@LOCALHOST",
        "bert@localhost.",
        "bert@localhost/phone",
        "\u{ff22}ert@localhost",
        "be\u{ad}rt@localhost",
        "u\u{308}@localhost",
        "localhost",
        "@localhost",
        "bert@",
        "bert@a@localhost",
        "be rt@localhost",
        "bert\n@localhost",
        "\u{1b}[2J@localhost",
        "be<rt@localhost",
        &format!("{}@localhost", "b".repeat(1024)),
    ] {
        let mut records = [good("anna@localhost"), good(owner)];
        records.sort_by_key(|record| record.owner().to_owned());
        let attempt = Attempt::with(&forged::backup(&records));
        attempt.says("no account has this address, or not in this form");
        attempt.restored(&["anna@localhost"]);
    }
}

/// Those that `address` keeps byte for byte are owners.
#[test]
fn whoever_is_kept_byte_for_byte_is_an_owner() {
    let mut all = [
        "j\u{fc}rgen@b\u{fc}cher.example",
        "\u{1f600}@localhost",
        "per%20cent%+$@localhost",
        "\u{1d43}Lice@example.org",
        "strasse@localhost",
    ];
    all.sort_unstable();
    let folder = place();
    let records = all.map(good);
    fs::write(folder.path().join("backup"), forged::backup(&records)).expect("a file");
    let said = done(folder.path(), &["restore", "backup"]);
    assert!(!said.contains("bad"), "{said}");
    let stored = all_in(&folder.path().join("data"));
    let stored: Vec<_> = stored.iter().map(|(owner, _)| owner).collect();
    assert_eq!(stored, all.each_ref());
}

#[test]
fn what_comes_twice_is_refused() {
    let two = |text: &str| format!("<prefs xmlns='urn:bad'>{text}</prefs>");
    let twice = Record::of("bert@localhost")
        .with(KEY, 1, two("first"))
        .with(KEY, 1, two(SECRET));
    let attempt = Attempt::with(&forged::backup(&[good("anna@localhost"), twice]));
    attempt.says("bad: bert@localhost: \"prefs\" in \"urn:bad\": it is there more than once");
    attempt.restored(&["anna@localhost", "bert@localhost"]);
    assert!(attempt.texts().iter().any(|text| text.contains("first")));

    let again = |text: &str| Record::of("bert@localhost").with(KEY, 1, two(text));
    for records in [
        [good("anna@localhost"), again("first"), again(SECRET)],
        [again("first"), good("carl@localhost"), again(SECRET)],
    ] {
        let attempt = Attempt::with(&forged::backup(&records));
        attempt.says("bad: bert@localhost: the user comes twice");
        assert_eq!(attempt.texts().len(), 2);
        assert!(attempt.texts().iter().any(|text| text.contains("first")));
    }
}

/// A record that cannot be read as one says so by its place; those around it are as good as ever.
#[test]
fn a_record_that_is_none_is_refused() {
    let sound = "<prefs xmlns='urn:bad'>hunter2</prefs>";
    let overlong = b"<prefs xmlns='urn:bad'>\xc0\xbc/prefs>\xc0\xaf</prefs>";
    let bert = || Record::of("bert@localhost");
    for strange in [
        bert().with(KEY, 1, overlong),
        bert().with(KEY, 1, b"<prefs xmlns='urn:bad'>\xed\xa0\x80</prefs>"),
        bert().with(KEY, 1, b"\xff\xfe<\0p\0"),
        bert().with(KEY, 1, sound).saying(2),
        bert().with(KEY, 1, sound).saying(0),
        bert().with(KEY, 1, sound).saying(u32::MAX),
        Record::of("").with(KEY, 1, sound),
        Record::of("bert\0@localhost").with(KEY, 1, sound),
        Record::of(b"b\xffrt@localhost").with(KEY, 1, sound),
        Record::of("b".repeat(5000)).with(KEY, 1, sound),
    ] {
        let records = [good("anna@localhost"), strange, good("carl@localhost")];
        let attempt = Attempt::with(&forged::backup(&records));
        attempt.says("bad: what is at byte ");
        attempt.says(" is not a user with elements");
        attempt.restored(&["anna@localhost", "carl@localhost"]);
    }
}

/// What is cut off, or goes on behind its end, is not a backup with something bad in it: nothing
/// of it is taken in any case.
#[test]
fn what_is_cut_or_too_long_is_never_restored() {
    let bad = good("bert@localhost").with(KEY, 1, "hunter2");
    let whole = forged::backup(&[good("anna@localhost"), bad]);
    let twice = [&whole[..], &whole[..]].concat();
    for (bytes, why) in [
        (&whole[..whole.len() - 1], "cut off"),
        (&whole[..whole.len() - 17], "cut off"),
        (&twice[..], "and more follows"),
    ] {
        let folder = place();
        fs::write(folder.path().join("bad"), bytes).expect("a file");
        for arguments in [
            &["restore", "bad"][..],
            &["restore", "--leave-out-bad", "bad"],
        ] {
            let said = refused(folder.path(), arguments, 65);
            assert!(said.contains(why), "{said}");
            assert!(!folder.path().join("data").exists(), "a store was made");
        }
    }
}

/// Every bad part is named where it is left out; where nothing is restored, enough of them are.
#[test]
fn many_bad_parts_are_counted() {
    let mut bert = Record::of("bert@localhost");
    for number in 0..30 {
        bert = bert.with(("urn:bad", &format!("n{number}")), 1, "hunter2");
    }
    let attempt = Attempt::with(&forged::backup(&[good("anna@localhost"), bert]));
    let named = |said: &str| said.matches("bad: bert@localhost: ").count();
    assert_eq!(named(&attempt.refused), 20, "{}", attempt.refused);
    assert!(attempt.refused.contains("and 10 more like these"));
    assert!(attempt.refused.contains("30 parts of it are not what"));
    assert_eq!(named(&attempt.left_out), 30, "{}", attempt.left_out);
    assert!(attempt.left_out.contains("30 parts of it are left out"));
}

/// However long what is bad is, what is said of it is short.
#[test]
fn what_is_said_of_a_long_name_is_short() {
    let long = "n".repeat(100_000);
    let bad = Record::of("bert@localhost").with((&long, &long), 1, &long);
    let attempt = Attempt::with(&forged::backup(&[good("anna@localhost"), bad]));
    assert!(attempt.refused.len() < 1000, "{}", attempt.refused.len());
    assert!(attempt.left_out.len() < 1000, "{}", attempt.left_out.len());
}

/// What says the same in other words is taken, and stored as if a user had set it.
#[test]
fn what_means_the_same_is_restored_in_normal_form() {
    let normal = "<prefs xmlns='urn:bad' a='1'>x</prefs>";
    for (written, normal) in [
        (normal, normal),
        (r#"<prefs xmlns="urn:bad" a="1">x</prefs>"#, normal),
        (
            "<prefs  a = '1'\n xmlns='urn:bad'\t>&#x78;</prefs >",
            normal,
        ),
        ("<p:prefs xmlns:p='urn:bad' a='1'>x</p:prefs>", normal),
        (
            "<prefs xmlns='urn:bad' a='\"'>></prefs>",
            "<prefs xmlns='urn:bad' a='&quot;'>&gt;</prefs>",
        ),
        (
            "<prefs xmlns='urn:bad'><a></a>\r\n</prefs>",
            "<prefs xmlns='urn:bad'><a/>\n</prefs>",
        ),
        (
            "<prefs xmlns='urn:bad' xmlns:p='urn:p'><p:a p:b='1'/></prefs>",
            "<prefs xmlns='urn:bad'><a xmlns='urn:p' xmlns:n1='urn:p' n1:b='1'/></prefs>",
        ),
        (
            "<prefs xmlns='urn:bad' xml:lang='de'/>",
            "<prefs xmlns='urn:bad' xml:lang='de'/>",
        ),
    ] {
        let folder = place();
        let record = Record::of("bert@localhost").with(KEY, 1, written);
        fs::write(folder.path().join("backup"), forged::backup(&[record])).expect("a file");
        done(folder.path(), &["restore", "backup"]);
        assert_eq!(only_value(folder.path()), normal, "{written}");
    }
}

/// The configured limits do not apply to what was stored within others; this one always has.
#[test]
fn as_deep_as_any_configuration_lets_it_be_is_restored() {
    let deepest = nested(DEEPEST);
    let folder = place();
    let record = Record::of("bert@localhost").with(KEY, 1, &deepest);
    fs::write(folder.path().join("backup"), forged::backup(&[record])).expect("a file");
    let narrow = program(folder.path())
        .env("PRIVATE_STORAGE_LIMITS_MAX_DEPTH", "16")
        .args(["restore", "backup"])
        .output();
    let narrow = narrow.expect("the program runs");
    assert!(narrow.status.success(), "{}", text(&narrow.stderr));
    assert!(only_value(folder.path()) == deepest);
}

/// The running service took the same from any command, of whatever release, and anybody else who
/// may open its socket.
#[test]
fn the_running_service_refuses_what_is_bad_and_goes_on() {
    let mut stage = Stage::new();
    let folder = data(&stage);
    stage.store("<a xmlns='urn:a'>stays</a>");
    let refused = |record: Record, why: &str| {
        for path in ["/1/keep", "/1/replace"] {
            for records in [
                &[record.clone()][..],
                &[good("anna@localhost"), record.clone()],
            ] {
                let (status, said) = post(&folder, path, &forged::archive(records));
                assert_eq!(status, 422, "{path}: {said}");
                assert!(said.contains(why), "{why:?} is not in {said:?}");
                assert!(!said.contains(SECRET), "{said}");
            }
        }
    };
    for (why, elements, text) in bad_values() {
        let bad = good("alice@localhost").with(KEY, elements, text);
        refused(bad, why);
    }
    let bad = Record::of("alice@localhost").with(KEY, 1, SECRET);
    refused(bad, "alice@localhost: \"prefs\" in \"urn:bad\": it ");
    for owner in ["Alice@localhost", "alice@localhost/phone", "localhost"] {
        refused(good(owner), "no account has this address");
    }
    let strange = Record::of("alice@localhost").with(KEY, 1, b"\xc0\xbc");
    refused(strange, "is not a user with elements");
    stage.fetch("<a xmlns='urn:a'/>", "<a xmlns='urn:a'>stays</a>");
    stage.fetch("<prefs xmlns='urn:bad'/>", "<prefs xmlns='urn:bad'/>");
    stage.fetch("<e xmlns='urn:good'/>", "<e xmlns='urn:good'/>");
    // Nothing was put of those that stood before what was bad.
    let said = done(stage.component.folder(), &["stats"]);
    assert!(!said.contains("anna"), "{said}");
    let (status, said) = post(
        &folder,
        "/1/replace",
        &forged::archive(&[good("anna@localhost")]),
    );
    assert_eq!(status, 200, "{said}");
}

/// A store in which an older restore has put what it should not have: that is named, and whoever
/// reads what the commands write is safe from it.
#[test]
fn what_an_older_restore_let_in_is_named_and_not_exported() {
    let stage = stopped();
    let folder = stage.component.folder();
    let injected = "<prefs xmlns='urn:bad'>hunter2</prefs></query></user>\
                    <user name='otto'><query xmlns='jabber:iq:private'><a xmlns='urn:a'>forged</a>";
    let injecting = [
        ("anna@localhost", KEY, injected),
        (
            "Anna@localhost",
            ("urn:a", "a"),
            "<a xmlns='urn:a'>hunter2</a>",
        ),
    ];
    put_past_everything(&data(&stage), &injecting);
    let said = refused(folder, &["export", "--output", "all.xml"], 1);
    let named = "anna@localhost: \"prefs\" in \"urn:bad\": it does not consist of whole elements";
    let owner = "Anna@localhost: no account has this address, or not in this form";
    assert!(said.contains(&format!("left out: {named}")), "{said}");
    assert!(said.contains(&format!("left out: {owner}")), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    let exported = fs::read_to_string(folder.join("all.xml")).expect("a file");
    assert!(
        !exported.contains(SECRET) && !exported.contains("forged"),
        "{exported}"
    );
    let body = exported.split_once('\n').unwrap_or_default().1;
    let users: Vec<String> = parse(body)
        .children()
        .flat_map(|host| host.children())
        .map(|user| user.attr("name").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(users, ["anna", "j\u{fc}rgen", "otto"]);

    let said = refused(folder, &["backup", "all.backup"], 1);
    assert!(said.contains(named) && said.contains(owner), "{said}");
    assert!(
        said.contains("2 parts are not as they should be, as named above"),
        "{said}"
    );
    assert!(said.contains("--leave-out-bad"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(mode(&folder.join("all.backup")), 0o600);
    let bytes = fs::read(folder.join("all.backup")).expect("a backup");
    let attempt = Attempt::with(&bytes);
    attempt.says(named);
    attempt.says(owner);
    assert_eq!(attempt.texts().len(), 6);
}

/// What was restored is what users get, to the byte.
#[test]
fn what_is_restored_is_what_users_get() {
    let mut stage = stopped();
    let folder = stage.component.folder().to_owned();
    let bert = Record::of("alice@localhost").with(KEY, 2, {
        "<prefs xmlns='urn:bad'>1</prefs><p:prefs xmlns:p=\"urn:bad\">2</p:prefs>"
    });
    fs::write(folder.join("backup"), forged::backup(&[bert])).expect("a file");
    fs::rename(folder.join("data"), folder.join("before")).expect("moved");
    done(&folder, &["restore", "backup"]);
    stage.component.restart();
    stage.let_in_again();
    stage.send(request(
        "get",
        "1",
        "alice@localhost/x",
        "<prefs xmlns='urn:bad'/>",
    ));
    let answer = stage.next();
    let prefs = "<prefs xmlns='urn:bad'>1</prefs><prefs xmlns='urn:bad'>2</prefs>";
    assert!(answer.contains(prefs), "{answer}");
}

/// Rooms are hidden on the strength of a note, so none is taken that this program has not written so.
#[test]
fn a_note_that_is_none_is_refused_and_left_out() {
    let digest = "0123456789abcdef";
    let twice = format!("bookmarks-2 0 {digest}{digest} {digest}{digest}");
    let notes = [
        "",
        "hunter2",
        "bookmarks-2",
        "bookmarks-2 hunter2",
        "bookmarks-2 0 hunter2",
        "bookmarks-9 0",
        "bookmarks-2 -1",
        "bookmarks-2 99999999999999999999",
        &twice,
    ];
    for note in notes {
        let records = [good("a@x").noting(note), good("b@x")];
        let attempt = Attempt::with(&forged::backup(&records));
        attempt.says("a@x: what is noted about this user's bookmarks cannot be read");
        attempt.restored(&["a@x", "b@x"]);
    }
    let records = [good("a@x").noting("bookmarks-2 0").noting("bookmarks-2 0")];
    let attempt = Attempt::with(&forged::backup(&records));
    attempt.says("is not a user with elements");
    attempt.restored(&[]);
}
