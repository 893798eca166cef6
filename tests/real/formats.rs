//! Files of other servers: what these write, we read, and what we write, they read.
//!
//! No component is here: the servers serve private storage themselves.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use minidom::Element;
use xmpp_private_storage::formats::{Export, Import, Item, Limits, Stale, file_name};

use crate::fidelity::infoset::{self, Item as Infoset};
use crate::support::answers::{fragment, stored, succeeded, text};
use crate::support::client::{PATIENCE, RawClient};
use crate::support::server::{HOST, OTHER_HOST, Options, PASSWORD, Ports, Server};
use crate::support::{ejabberd, prosody};

const ALICE: &str = "alice@localhost";
const NAMESAKE: &str = "alice@test2.localhost";

/// What a client may store, each in a namespace of its own, since ejabberd keeps one element for
/// each. The third is what Prosody's xep0227 storage cannot keep: an element without a namespace.
const DATA: [&str; 6] = [
    "<storage xmlns='storage:bookmarks'><conference name='Council of Oberon' autojoin='true' \
     jid='council@underhill.org'><nick>Puck</nick></conference></storage>",
    "<foo xmlns='urn:t:p' xmlns:q='urn:t:q' q:b='3' xml:lang='de' a='2'><bar/>x\n\
     <q:baz> </q:baz><q:baz xmlns:q='urn:t:r' q:c='4'>\u{1F600}</q:baz></foo>",
    "<none xmlns='urn:t:none'><inner xmlns=''>without <deeper/></inner></none>",
    "<odd xmlns='urn:t:odd' k='&lt;&amp;&quot;&apos;\\ ü'>ä\"'\\ [[]]&gt; \\n --\u{85}\u{7f}\
     &#x9;tab\nline</odd>",
    "<long xmlns='urn:t:long'>0123456789012345678901234567890123456789</long>",
    "<iq xmlns='jabber:client' type='get'><query xmlns='jabber:iq:private'/></iq>",
];

/// The one that Prosody's xep0227 storage changes: `xmlns=''` is lost when it reads the file.
const NO_NAMESPACE: usize = 2;

fn limits() -> Limits {
    Limits {
        bytes: 1 << 20,
        elements: 1000,
        depth: 256,
        name_bytes: 1024,
    }
}

fn options(host_blocks: impl FnOnce(Ports) -> String) -> Options {
    let ports = Ports::free();
    Options {
        besides: String::new(),
        ports,
        accounts: vec![ALICE.to_owned(), NAMESAKE.to_owned()],
        delegation: false,
        host_blocks: Some(host_blocks(ports)),
        modules: &[],
    }
}

fn prosody_with(storage: &str) -> Server {
    prosody::start(options(|_| {
        let host = |host| {
            format!("VirtualHost \"{host}\"\n  modules_enabled = {{ \"private\" }}\n  {storage}\n")
        };
        // The tests wait for its port.
        let component = "Component \"c.localhost\"\n  component_secret = \"x\"\n";
        format!("{}{}{component}", host(HOST), host(OTHER_HOST))
    }))
}

/// ejabberd with its own private storage, which imports `import.xml` if that is there, and exports
/// into `export` if that is there.
fn ejabberd_with(document: &str) -> Server {
    let options = options(|ports| {
        format!(
            "listen:\n  -\n    port: {}\n    ip: \"127.0.0.1\"\n    module: ejabberd_service\n\
             modules:\n  mod_private: {{}}\n",
            ports.component
        )
    });
    ejabberd::start_and(options, |folder| {
        folder.write("import.xml", document);
        let (import, export) = (folder.inside("import.xml"), folder.inside("export"));
        format!(
            "case filelib:is_file(\"{import}\") of \
                 true -> io:format(\"imported: ~p~n\", \
                     [ejabberd_piefxis:import_file(<<\"{import}\">>)]); \
                 false -> none end, \
             io:format(\"bob exists: ~p~n\", \
                 [ejabberd_auth:user_exists(<<\"bob\">>, <<\"{HOST}\">>)]), \
             case filelib:is_dir(\"{export}\") of \
                 true -> io:format(\"exported: ~p~n\", \
                     [ejabberd_piefxis:export_server(<<\"{export}\">>)]); \
                 false -> none end, \
             ejabberd_auth:try_register(<<\"bob\">>, <<\"{HOST}\">>, <<\"{PASSWORD}\">>), "
        )
    })
}

/// What an import brings, each user's elements as infosets.
fn imported(path: PathBuf) -> Vec<(String, Vec<Infoset>)> {
    let mut users: Vec<(String, Vec<Infoset>)> = Import::of([path], limits(), Stale::LeaveOut)
        .map(|item| match item {
            Item::User(user) => {
                assert!(user.problems.is_empty(), "{:?}", user.problems);
                let xml: String = user
                    .entries
                    .iter()
                    .map(|entry| entry.xml.as_str())
                    .collect();
                (user.jid, infosets(&xml))
            }
            Item::Problem(problem) => panic!("{problem}"),
        })
        .collect();
    users.sort_by(|a, b| a.0.cmp(&b.0));
    users
}

fn infosets(xml: &str) -> Vec<Infoset> {
    let mut all: Vec<Infoset> = fragment(&format!("<all>{xml}</all>"))
        .children()
        .map(infoset::of)
        .collect();
    all.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    all
}

/// The same data as it comes out of an import: in normal form.
fn normal(data: &[&str]) -> Vec<String> {
    let document = format!(
        "<host xmlns='urn:xmpp:pie:0' jid='h'><user name='u'><query xmlns='jabber:iq:private'>{}\
         </query></user></host>",
        data.concat()
    );
    let document = std::io::Cursor::new(document.into_bytes());
    let mut items = Import::from_reader(document, "f".as_ref(), limits());
    match items.next() {
        Some(Item::User(user)) => user.entries.into_iter().map(|entry| entry.xml).collect(),
        other => panic!("{other:?}"),
    }
}

/// What a client gets for each of these.
fn fetched(client: &mut RawClient, data: &[&str]) -> Vec<Infoset> {
    data.iter()
        .flat_map(|xml| {
            let element = fragment(xml);
            let asked = Element::bare(element.name(), element.ns());
            let answer = client.get("", &text(&asked));
            stored(&answer).iter().map(infoset::of).collect::<Vec<_>>()
        })
        .collect()
}

fn as_set(data: &[&str]) -> Vec<Infoset> {
    data.iter().map(|xml| infoset::of(&fragment(xml))).collect()
}

fn store_all(server: &Server, jid: &str, data: &[&str]) {
    let mut client = RawClient::login(server, jid);
    for xml in data {
        succeeded(&client.set("", xml));
    }
}

fn sorted(mut data: Vec<Infoset>) -> Vec<Infoset> {
    data.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    data
}

#[test]
fn what_prosody_has_stored_internally_is_imported() {
    let server = prosody_with("");
    store_all(&server, ALICE, &DATA);
    store_all(&server, NAMESAKE, &DATA[..1]);
    let data = server.folder().outside().join("data");
    let users = imported(data);
    assert_eq!(users[0], (ALICE.to_owned(), sorted(as_set(&DATA))));
    assert_eq!(users[1], (NAMESAKE.to_owned(), as_set(&DATA[..1])));
    assert_eq!(users.len(), 2);
}

/// Through its storage, in both directions: the files are those of XEP-0227.
#[test]
fn prosody_serves_what_was_exported_and_its_files_are_imported() {
    let server = prosody_with("storage = { private = \"xep0227\" }");
    let mut data = DATA.to_vec();
    data.remove(NO_NAMESPACE);
    let mut export = Export::new(Vec::new()).expect("written");
    export.user(ALICE, normal(&data)).expect("written");
    let document = String::from_utf8(export.finish().expect("written")).expect("UTF-8");
    let file = format!("data/{}", file_name(ALICE).expect("a name"));
    server.folder().write(&file, &document);

    let mut alice = RawClient::login(&server, ALICE);
    assert_eq!(fetched(&mut alice, &data), as_set(&data));

    // Now Prosody writes the file itself.
    let more = "<more xmlns='urn:t:more'>m<none xmlns=''/></more>";
    succeeded(&alice.set("", more));
    data.push(more);
    let written = imported(server.folder().outside().join(&file));
    assert_eq!(written, [(ALICE.to_owned(), sorted(as_set(&data)))]);
}

#[test]
fn ejabberd_serves_what_was_exported_and_its_export_is_imported() {
    let mut export = Export::new(Vec::new()).expect("written");
    for jid in [ALICE, NAMESAKE] {
        export.user(jid, normal(&DATA)).expect("written");
    }
    // ejabberd keeps one element for each namespace: the last.
    let two = ["<a xmlns='urn:t:two'>1</a>", "<b xmlns='urn:t:two'>2</b>"];
    export.user("bob@localhost", two).expect("written");
    let document = String::from_utf8(export.finish().expect("written")).expect("UTF-8");
    let mut server = ejabberd_with(&document);
    assert!(server.log().contains("imported: ok"), "{}", server.log());

    // Nobody gets an account by an import, and Alice has kept her password.
    assert!(
        server.log().contains("bob exists: false"),
        "{}",
        server.log()
    );
    for jid in [ALICE, NAMESAKE] {
        let mut client = RawClient::login(&server, jid);
        assert_eq!(fetched(&mut client, &DATA), as_set(&DATA), "{jid}");
    }
    // But who takes the name has the data.
    let mut bob = RawClient::login(&server, "bob@localhost");
    assert_eq!(fetched(&mut bob, &two[1..]), as_set(&two[1..]));

    // And back, with what clients have stored themselves. (A carriage return in text would become
    // a line feed: ejabberd writes it bare.)
    let more = "<more xmlns='urn:t:more' xmlns:p='urn:t:p' p:k='&#xA;&#x9;&#xD;'>m</more>";
    let changed = "<long xmlns='urn:t:long'>changed, and replaced by another import</long>";
    store_all(&server, ALICE, &[more, changed]);
    let folder = server.folder().outside().to_owned();
    fs::create_dir(folder.join("export")).expect("a folder");
    server.restart();
    assert!(server.log().contains("exported: ok"), "{}", server.log());
    let users = imported(folder.join("export"));
    let mut hers = DATA.to_vec();
    hers.push(more);
    assert_eq!(users[0], (ALICE.to_owned(), sorted(as_set(&hers))));
    assert_eq!(users[1], (NAMESAKE.to_owned(), sorted(as_set(&DATA))));
    assert_eq!(users[2], ("bob@localhost".to_owned(), as_set(&two[1..])));
    assert_eq!(users.len(), 3);
}

/// Where Prosody keeps accounts in the same files.
#[test]
fn an_exported_user_is_no_account_on_prosody() {
    let server = prosody_with("storage = { accounts = \"xep0227\", private = \"xep0227\" }");
    let mut export = Export::new(Vec::new()).expect("written");
    export.user(ALICE, normal(&DATA)).expect("written");
    let document = String::from_utf8(export.finish().expect("written")).expect("UTF-8");
    let file = format!("data/{}", file_name(ALICE).expect("a name"));
    server.folder().write(&file, &document);
    // Without a password, and with one.
    for credentials in ["AGFsaWNlAA==", "AGFsaWNlAHNlY3JldA=="] {
        let answer = log_in(&server, credentials);
        assert!(answer.contains("<failure"), "{answer}");
    }
    // Such a file with a password does let its user in: it was read.
    let with_password = document.replace("<user name", "<user password='secret' name");
    server.folder().write(&file, &with_password);
    let answer = log_in(&server, "AGFsaWNlAHNlY3JldA==");
    assert!(answer.contains("<success"), "{answer}");
}

/// All that a server says to somebody who tries to log in to its first host.
fn log_in(server: &Server, credentials: &str) -> String {
    let mut stream = TcpStream::connect(server.client_address()).expect("a server");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let header = format!(
        "<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    );
    stream.write_all(header.as_bytes()).expect("sent");
    let mut answer = String::new();
    let mut read_until = |ends: &[&str], stream: &mut TcpStream| {
        let mut buffer = [0; 4096];
        while !ends.iter().any(|end| answer.contains(end)) {
            let count = stream.read(&mut buffer).unwrap_or_else(|error| {
                panic!("{error} after {answer}; the log:\n{}", server.log())
            });
            assert!(count > 0, "{answer}");
            answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        answer.clone()
    };
    read_until(&["</stream:features>", "<stream:features/>"], &mut stream);
    let auth = format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{credentials}</auth>"
    );
    stream.write_all(auth.as_bytes()).expect("sent");
    read_until(&["<success", "</failure>"], &mut stream)
}
