//! Room bookmarks through both forms: old clients with their lists, modern ones with their items, and
//! a host that answers for the nodes as it likes. All goes through the requests, as it comes from
//! the link and goes there. There are no threads, and time goes on where nothing else can.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio::time::sleep;
use xmpp_private_storage::bookmarks;
use xmpp_private_storage::clock::Instant;
use xmpp_private_storage::limits::Limits;
use xmpp_private_storage::link::Outbox;
use xmpp_private_storage::metrics::Metrics;
use xmpp_private_storage::replies::Replies;
use xmpp_private_storage::requests::{Requests, Settings};
use xmpp_private_storage::service::{self, CONTAINERS, Profile, Reserved};
use xmpp_private_storage::store::{Storage, Store};
use xmpp_private_storage::threads::Workers;
use xmpp_private_storage::xml::frame::{Frame, Framer};
use xmpp_private_storage::xml::reader::{Bounds, Reader};

use super::infoset::Token;
use super::pep::{
    self, ADDRESSES, Asked, Item, LEGACY, Mood, NODE, Pep, Says, beside, room_in, tree_of,
};
use super::tree::{Tree, Trees, escape, push_text};
use super::{HEADER, is_xml};

const PRIVATE: &str = "jabber:iq:private";
const ACCEPT: &str = "jabber:component:accept";
const CLIENT: &str = "jabber:client";
const US: &str = "private.example.org";

/// Who there is: two whose host lets us, and one whose host does not.
const USERS: [&str; 3] = [
    "alice@example.org",
    "bob@example.org",
    "carol@second.example",
];
const MARKS: [&str; 3] = ["{0}", "{1}", "{2}"];
const CLIENTS: [&str; 3] = ["old", "older", "é"];

/// How many requests a case has at most.
const REQUESTS: usize = 24;

/// How many rooms there may be, where that is narrow, and where it is wide.
const FEW_ROOMS: usize = 3;
const MANY_ROOMS: usize = 1000;

/// How many bytes of replies may wait: more than there ever are.
const MAX_UNSENT: usize = 1 << 25;

/// How long a request may wait for PEP.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time goes on by so much only when nothing can be done at once any more.
const MOMENT: Duration = Duration::from_millis(1);

/// For how long requests may wait for the turns of large nodes, at most.
const HANG: Duration = Duration::from_secs(600);

/// What minidom's parser takes in one attribute, and more. Whoever cannot read more may pass over
/// an item, and that one alone.
const LONG: usize = 8000;

/// Exactly one answer to each request, with its id and addresses, in time and without an internal
/// error; every IQ of ours is sound XML, and changes what it has to change and nothing else; what a
/// get brings is what is stored, or that and the node together; both sides are in step when nothing
/// is under way any more; and nobody gets to see what others have.
pub fn bookmarks(input: &[u8]) {
    RUNTIME.with(|runtime| {
        let requests = LocalSet::new();
        runtime.block_on(requests.run_until(async {
            if is_xml(input) {
                as_written(std::str::from_utf8(input).unwrap_or_default()).await;
                return;
            }
            // Choices that end early leave nothing behind.
            let _ = generated(&mut Unstructured::new(input)).await;
        }));
    });
}

thread_local! {
    static RUNTIME: Runtime = {
        let mut builder = Builder::new_current_thread();
        let builder = builder.enable_time().start_paused(true);
        builder.build().expect("a runtime")
    };
}

/// What a user has.
#[derive(Debug, Default)]
struct User {
    /// Elements in private storage, by namespace and name.
    stored: BTreeMap<(String, String), Vec<Tree>>,
    /// All lists of bookmarks that there ever were.
    lists: Vec<Vec<Tree>>,
    pep: Pep,
    /// How many items there ever were at once.
    most_items: usize,
    /// The rooms of some list that the node did not have when it was asked for.
    absent: BTreeSet<String>,
    /// The items that were fetched last, if they could be read.
    fetched: Option<Vec<Item>>,
    /// How often that was so, and everything was said.
    fetches: usize,
    /// How many questions in this user's name were answered.
    answers: u64,
}

/// A request that has no answer yet.
#[derive(Debug)]
struct Request {
    user: usize,
    from: String,
    id: String,
    /// The host that delegates it, and the id outside.
    delegated: Option<(&'static str, String)>,
    said: String,
    expected: Expected,
    /// What the user's node had been fetched how often, if nothing else of the user's was open.
    fetches: Option<usize>,
}

#[derive(Debug)]
enum Expected {
    /// It is stored.
    Stored,
    /// There are too many rooms in it.
    TooMany,
    /// These, or for bookmarks what they come to.
    Elements {
        stored: Vec<Tree>,
        /// The lists that are stored, where it is about bookmarks.
        lists: Option<Vec<Tree>>,
    },
    /// What elements, is not predicted.
    Something,
}

/// An IQ of the component's that has no answer yet.
#[derive(Debug)]
struct Question {
    user: usize,
    id: String,
    asked: Asked,
}

/// The requests, and all around them.
#[derive(Debug)]
struct Stage {
    reader: Reader,
    requests: Requests,
    replies: Replies,
    users: [User; 3],
    open: HashMap<String, Request>,
    questions: Vec<Question>,
    silent: Vec<Question>,
    max_rooms: usize,
    /// Whether nothing at all was under way when the last requests were sent.
    is_quiet: bool,
    /// What answers are chosen by: not in the order in which questions come, which depends on threads.
    seed: u64,
    /// What a get of this user's brought last, where both sides must be in step by it.
    view: Option<(usize, Vec<Token>)>,
    /// How many requests there were.
    asked: usize,
}

/// How questions are answered.
#[derive(Clone, Copy)]
enum Answers {
    /// As they should be.
    Sound,
    /// In any mood.
    Rough,
}

/// How many bytes an answer is chosen by.
const CHOICES: usize = 256;

fn trees<'u, 'd>(choices: &'u mut Unstructured<'d>, user: usize) -> Trees<'u, 'd> {
    let mark = MARKS[user];
    Trees { choices, mark }
}

impl Stage {
    fn new(max_rooms: usize, configure: bool, seed: u64) -> Self {
        let bounds = Bounds {
            text: 1 << 22,
            depth: 64,
            children: 1 << 20,
            containers: CONTAINERS,
        };
        let (reader, _) = Reader::open(HEADER.as_bytes(), bounds).expect("a header");
        let service = service::Settings {
            profile: Profile {
                domain: US.into(),
                contact: Vec::new(),
                os: None,
                started: Instant::now(),
            },
            domains: vec!["example.org".into(), "second.example".into()],
            admins: Vec::new(),
            reserved: Reserved::Refuse,
            limits: Limits {
                max_stanza_bytes: 1 << 21,
                max_depth: 64,
                max_namespace_bytes: 1 << 22,
                max_user_bytes: 1 << 23,
                max_user_elements: 1 << 20,
                max_open_bytes: 1 << 25,
                max_user_open_bytes: 1 << 24,
                max_unsent_bytes: MAX_UNSENT,
            },
        };
        let bookmarks = bookmarks::Settings {
            from: US.into(),
            active: true,
            max_rooms,
            held: 1 << 24,
        };
        let settings = Settings { service, bookmarks };
        let metrics = Metrics::new();
        let replies = Replies::new(metrics.requests.clone(), MAX_UNSENT);
        let requests = Requests::new(
            settings,
            Storage::by_caller(Store::by_caller()),
            Workers::none(),
            &metrics,
            replies.clone(),
        );
        let mut stage = Self {
            reader,
            requests,
            replies,
            users: Default::default(),
            open: HashMap::new(),
            questions: Vec::new(),
            silent: Vec::new(),
            max_rooms,
            is_quiet: true,
            seed,
            view: None,
            asked: 0,
        };
        stage.let_in(configure);
        stage
    }

    /// The link is up, and the first host grants what it grants.
    fn let_in(&mut self, configure: bool) {
        self.requests.logged_in();
        let items = "<namespace ns='http://jabber.org/protocol/pubsub' type='both'/>";
        let owner = "<namespace ns='http://jabber.org/protocol/pubsub#owner' type='both'/>";
        let owner = if configure { owner } else { "" };
        self.hear(&format!(
            "<message from='example.org' to='{US}'><privilege xmlns='urn:xmpp:privilege:2'>\
             <perm access='iq'>{items}{owner}</perm></privilege></message>"
        ));
    }

    /// The server sends this.
    fn hear(&mut self, stanzas: &str) {
        let (mut framer, mut rest) = (Framer::new(1 << 22), stanzas.as_bytes());
        framer.next(&mut HEADER.as_bytes()).expect("a header");
        while let Ok(Some(Frame::Stanza(mut stanza))) = framer.next(&mut rest) {
            if let Some(received) = self.reader.receive(&mut stanza).expect("XML") {
                self.requests.accept(received, Instant::now());
            }
        }
    }

    /// Goes on until nothing is under way, or nothing but what waits for questions that are not answered.
    async fn settle(&mut self, answers: Answers) -> Result<()> {
        self.is_quiet = false;
        let latest = Instant::now() + HANG;
        loop {
            sleep(MOMENT).await;
            let said = self.replies.with(Outbox::take);
            if !said.is_empty() {
                for xml in said {
                    self.take(&xml);
                }
                continue;
            }
            if !self.questions.is_empty() {
                self.answer_one(answers)?;
                continue;
            }
            if self.requests.count() == 0 {
                assert!(self.open.is_empty(), "never answered: {:#?}", self.open);
                self.is_quiet = true;
                return Ok(());
            }
            if !self.silent.is_empty() {
                return Ok(());
            }
            // A large node waits for its turn.
            assert!(Instant::now() < latest, "it hangs: {:#?}", self.open);
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// No question is answered any more, and what is open now must be, in time. (What is not in step yet
    /// may go on, and ask.)
    async fn all_answered(&mut self, patience: Duration) {
        self.is_quiet = false;
        let latest = Instant::now() + patience + 10 * MOMENT;
        loop {
            sleep(MOMENT).await;
            for xml in self.replies.with(Outbox::take) {
                self.take(&xml);
            }
            self.silent.append(&mut self.questions);
            if self.open.is_empty() {
                return;
            }
            assert!(Instant::now() < latest, "it is late: {:#?}", self.open);
        }
    }

    fn answer_one(&mut self, answers: Answers) -> Result<()> {
        let is_rough = matches!(answers, Answers::Rough);
        let question = self.questions.remove(0);
        let bytes = self.choices(question.user);
        let choices = &mut Unstructured::new(&bytes);
        let user = question.user;
        let mut trees = trees(choices, user);
        let mood = match is_rough && trees.one_in(3)? {
            true => Mood::any(&mut trees)?,
            false => Mood::Sound,
        };
        let whole = self.users[user].pep.execute(&question.asked);
        let items = self.users[user].pep.items.len();
        self.users[user].most_items = self.users[user].most_items.max(items);
        let pep = &self.users[user].pep;
        if matches!(question.asked, Asked::Fetch) {
            let items = pep.items.clone();
            let user = &mut self.users[user];
            let there: BTreeSet<String> = items.iter().filter_map(Item::room).collect();
            let listed = user.lists.iter().flatten().flat_map(Tree::children);
            let absent = listed
                .filter_map(room_in)
                .filter(|room| !there.contains(room));
            user.absent.extend(absent);
            user.fetches += usize::from(mood.is_whole());
            user.fetched = match mood {
                Mood::Refused => Some(Vec::new()),
                _ => mood.is_whole().then_some(items),
            };
        }
        let about = (&*question.id, USERS[user]);
        let answer = pep::answer(whole, mood, about, &mut trees)?;
        if mood.leaves_waiting() {
            self.silent.push(question);
        }
        self.hear(&answer);
        Ok(())
    }

    /// What the next answer in this user's name is chosen by: as much as a hash makes of the seed.
    fn choices(&mut self, user: usize) -> Vec<u8> {
        self.users[user].answers += 1;
        let mut word = self.seed ^ (self.users[user].answers << 2) ^ user as u64;
        let mut bytes = Vec::with_capacity(CHOICES);
        while bytes.len() < CHOICES {
            word = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    /// Something that the component sends: each is sound XML, and an answer or a question.
    fn take(&mut self, xml: &str) {
        let stanza = tree_of(xml);
        assert!(stanza.is(ACCEPT, "iq"), "{xml}");
        assert_eq!(stanza.attribute("from"), Some(US), "{xml}");
        let inside: Vec<&Tree> = stanza.children().collect();
        let user = match &*inside {
            [iq] if iq.is("urn:xmpp:privilege:2", "privileged_iq") => self.asked(&stanza, iq, xml),
            _ => self.answered(&stanza, xml),
        };
        for other in (0..USERS.len()).filter(|other| *other != user) {
            assert!(!xml.contains(MARKS[other]), "another's: {xml}");
        }
    }

    /// A question of the component's. Returns the user in whose name it is.
    fn asked(&mut self, stanza: &Tree, around: &Tree, xml: &str) -> usize {
        let to = stanza.attribute("to").expect(xml);
        let user = USERS.iter().position(|user| *user == to);
        let user = user.filter(|user| *user < 2).expect(xml);
        let id = stanza.attribute("id").expect(xml).to_owned();
        let iqs: Vec<&Tree> = around.children().collect();
        let [iq] = &*iqs else {
            panic!("one iq: {xml}");
        };
        assert!(iq.is(CLIENT, "iq"), "{xml}");
        assert_eq!(iq.attribute("id"), Some(&*id), "{xml}");
        let asked = Asked::read(iq.children().next().expect(xml), xml);
        let kind = match asked {
            Asked::Fetch | Asked::Reread(_) => "get",
            _ => "set",
        };
        for iq in [stanza, iq] {
            assert_eq!(iq.attribute("type"), Some(kind), "{xml}");
        }
        self.users[user].allows(&asked, xml);
        self.questions.push(Question { user, id, asked });
        user
    }

    /// An answer to a request. Returns whose it is.
    fn answered(&mut self, stanza: &Tree, xml: &str) -> usize {
        let id = stanza.attribute("id").expect(xml);
        let request = self.open.remove(id);
        let request = request.unwrap_or_else(|| panic!("nobody asked, or twice: {xml}"));
        // Written only where something is wrong: it takes longer than all the rest.
        let user = &self.users[request.user];
        let said = fmt::from_fn(|f| write!(f, "{}\n{xml}\n{user:#?}", request.said));
        let answer = match &request.delegated {
            None => stanza,
            Some((host, _)) => {
                assert_eq!(stanza.attribute("to"), Some(*host), "{said}");
                assert_eq!(stanza.attribute("type"), Some("result"), "{said}");
                let inside = stanza.children().next().and_then(|it| it.children().next());
                inside
                    .and_then(|it| it.children().next())
                    .unwrap_or_else(|| panic!("{said}"))
            }
        };
        assert_eq!(answer.attribute("id"), Some(&*request.id), "{said}");
        assert_eq!(answer.attribute("to"), Some(&*request.from), "{said}");
        let payloads: Vec<&Tree> = answer.children().collect();
        let kind = answer.attribute("type");
        let condition = || {
            let error = payloads.iter().find(|it| it.name == "error");
            error
                .and_then(|it| it.children().next())
                .map(|it| &*it.name)
        };
        match &request.expected {
            Expected::Stored => {
                assert_eq!((kind, payloads.len()), (Some("result"), 0), "{said}");
            }
            Expected::TooMany => {
                assert_eq!(kind, Some("error"), "{said}");
                assert_eq!(condition(), Some("resource-constraint"), "{said}");
            }
            Expected::Something => assert_eq!(kind, Some("result"), "{said}"),
            Expected::Elements { stored, lists } => {
                assert_eq!((kind, payloads.len()), (Some("result"), 1), "{said}");
                assert!(payloads[0].is(PRIVATE, "query"), "{said}");
                let is_stored = tokens(payloads[0].children()) == tokens(stored.iter());
                let user = &self.users[request.user];
                let must = request.fetches.is_some_and(|before| user.fetches > before);
                let lists = lists.as_ref().filter(|_| request.user < 2);
                // Where the store answers alone, rooms that are known to be gone are not shown.
                let is_left = || lists.is_some() && user.is_left_of(payloads[0], stored);
                match (lists, &user.fetched) {
                    (Some(lists), Some(items)) if must || !(is_stored || is_left()) => {
                        view(lists, items, payloads[0], stored, &said);
                    }
                    _ => assert!(is_stored || is_left(), "{said}"),
                }
                let seen = tokens(payloads[0].children());
                self.view = must.then_some((request.user, seen));
            }
        }
        request.user
    }

    /// Both sides were brought into step by a get, and nothing has happened since.
    fn in_step(&mut self) {
        let Some((user, seen)) = self.view.take() else {
            return;
        };
        let user = &self.users[user];
        let mut node: BTreeMap<String, Says> = BTreeMap::new();
        for item in &user.pep.items {
            if let Some(room) = item.room() {
                node.entry(room).or_insert_with(|| Says::of(&item.payload));
            }
        }
        let storage = (!seen.is_empty()).then(|| Tree::of(&seen));
        let rooms = storage.iter().flat_map(Tree::children);
        let rooms: BTreeMap<String, Says> = rooms
            .filter_map(|room| Some((room_in(room)?, Says::of(room))))
            .collect();
        // Where the node would have too many items, nothing in it is changed.
        let new = rooms
            .keys()
            .filter(|room| !node.contains_key(*room))
            .count();
        if new == 0 || user.pep.items.len() + new <= self.max_rooms {
            assert_eq!(rooms, node, "shown, and what is in PEP: {user:#?}");
        }
    }
}

impl User {
    /// Whether an answer has all that is stored but for rooms that the node was seen to have lost.
    fn is_left_of(&self, query: &Tree, stored: &[Tree]) -> bool {
        let mut shown = query.children().flat_map(Tree::children).peekable();
        let mut seen = BTreeSet::new();
        // Of a room that is there twice the first counts.
        let mut is_gone = |child: &Tree| {
            room_in(child).is_some_and(|room| self.absent.contains(&room) || !seen.insert(room))
        };
        let all = stored.iter().flat_map(Tree::children);
        let is_less = all.into_iter().all(|child| {
            let is_next = shown
                .peek()
                .is_some_and(|next| next.tokens() == child.tokens());
            if is_next {
                shown.next();
            }
            is_gone(child) || is_next
        });
        let attributes = |tree: Option<&Tree>| {
            let all: Option<BTreeSet<_>> =
                tree.map(|tree| tree.attributes.iter().cloned().collect());
            all
        };
        is_less
            && shown.next().is_none()
            && attributes(query.children().next()) == attributes(stored.first())
    }

    /// Whether a question may be asked: what is published says of a room what an old client has
    /// stored, and beside what the item had; what is retracted some list was without.
    fn allows(&self, asked: &Asked, xml: &str) {
        let said = fmt::from_fn(|f| write!(f, "{xml}\n{self:#?}"));
        let rooms = |list: &Vec<Tree>, wanted: &str| {
            let all = list.iter().flat_map(Tree::children).cloned();
            let found = all.filter(|child| room_in(child).as_deref() == Some(wanted));
            found.collect::<Vec<Tree>>()
        };
        let fetched = self.fetched.iter().flatten();
        match asked {
            Asked::Fetch | Asked::Reread(_) | Asked::Configure => {}
            Asked::Retract(id) => {
                let mut known = fetched.chain(&self.pep.items);
                let room = known.find(|item| item.id == *id).and_then(Item::room);
                let room = room.unwrap_or_else(|| panic!("no such item: {said}"));
                let without = |list: &&Vec<Tree>| rooms(list, &room).is_empty();
                assert!(self.lists.iter().any(|list| without(&list)), "{said}");
            }
            Asked::Publish(item) => {
                let room = item.room().unwrap_or_else(|| panic!("{said}"));
                let says = Says::of(&item.payload);
                let stored = self.lists.iter().flat_map(|list| rooms(list, &room));
                let stored: Vec<Says> = stored.map(|room| Says::of(&room)).collect();
                let known = fetched.chain(&self.pep.items);
                let mut of_room = known.filter(|it| it.room().as_ref() == Some(&room));
                // What has come between stands beside.
                let there = of_room.clone().map(|item| Says::of(&item.payload));
                let there: Vec<Says> = there.collect();
                let has_changed = there.iter().any(|it| *it != there[0]);
                let sources = [&*there, &*stored].concat();
                let is_merged = has_changed && !stored.is_empty() && says.is_of(&sources);
                assert!(stored.contains(&says) || is_merged, "{said}");
                let beside_it = beside(&item.payload);
                let is_new = self
                    .fetched
                    .iter()
                    .flatten()
                    .all(|it| it.room().as_ref() != Some(&room));
                let bare = Tree::new(NODE, "conference").tokens();
                let fits = of_room.any(|it| it.id == item.id && beside(&it.payload) == beside_it)
                    || is_new && item.id == room && beside_it == bare;
                assert!(fits, "something was lost, or added: {said}");
            }
        }
    }

    fn lists(&self) -> Vec<Tree> {
        let key = (LEGACY.to_owned(), "storage".to_owned());
        self.stored.get(&key).cloned().unwrap_or_default()
    }

    /// The letter of docs/internals/contract.md.
    fn get(&self, namespace: &str, name: &str) -> Vec<Tree> {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(found) = self.stored.get(&key) {
            return found.clone();
        }
        let of_namespace = self.stored.iter().filter(|((its, _), _)| its == namespace);
        let found: Vec<Tree> = of_namespace.flat_map(|(_, all)| all.clone()).collect();
        match found.is_empty() {
            true => vec![Tree::new(namespace, name)],
            false => found,
        }
    }

    fn set(&mut self, elements: &[Tree]) {
        let mut names: BTreeMap<(String, String), Vec<Tree>> = BTreeMap::new();
        for tree in elements {
            let key = (tree.namespace.clone(), tree.name.clone());
            names.entry(key).or_default().push(tree.clone());
        }
        for (key, trees) in names {
            let is_bookmarks = key.0 == LEGACY && key.1 == "storage";
            if is_bookmarks {
                self.lists.push(trees.clone());
            }
            match &*trees {
                [one] if one.is_bare() => self.stored.remove(&key),
                _ => self.stored.insert(key, trees),
            };
        }
    }
}

fn tokens<'t>(trees: impl Iterator<Item = &'t Tree>) -> Vec<Token> {
    trees.flat_map(Tree::tokens).collect()
}

/// Holds what a get of bookmarks has brought to what is stored and what the node has.
fn view(lists: &[Tree], items: &[Item], query: &Tree, stored: &[Tree], said: &dyn fmt::Display) {
    let kept = || lists.iter().flat_map(Tree::children);
    let shown: Vec<&Tree> = query.children().collect();
    let all_of_node = || items.iter().filter_map(|item| Some((item.room()?, item)));
    let readable = |(_, item): &(String, &Item)| item.payload.longest() < LONG;
    if lists.is_empty() && tokens(query.children()) == tokens(stored.iter()) {
        assert!(
            !all_of_node().any(|it| readable(&it)),
            "rooms are missing: {said}"
        );
        return;
    }
    let [storage] = &*shown else {
        panic!("one <storage/>: {said}");
    };
    assert!(storage.is(LEGACY, "storage"), "{said}");
    let attributes = |tree: &Tree| -> BTreeMap<_, _> { tree.attributes.iter().cloned().collect() };
    let around = lists.first().map(attributes).unwrap_or_default();
    assert_eq!(attributes(storage), around, "{said}");

    let (rooms, rest): (Vec<&Tree>, Vec<&Tree>) = storage
        .children()
        .partition(|child| room_in(child).is_some());
    let kept_rest = kept().filter(|child| room_in(child).is_none());
    assert_eq!(tokens(rest.into_iter()), tokens(kept_rest), "{said}");

    let mut seen = BTreeMap::new();
    for room in rooms {
        let key = room_in(room).unwrap_or_else(|| panic!("{said}"));
        let before = seen.insert(key.clone(), room);
        assert!(before.is_none(), "twice: {said}");
        let of_store = kept().find(|child| room_in(child).as_ref() == Some(&key));
        let of_node = all_of_node().find(|(its, _)| *its == key);
        let of_node = of_node.map(|(_, item)| &item.payload);
        let says = Says::of(room);
        let agrees = |with: &Tree| Says::of(with) == says;
        match (of_store, of_node) {
            (Some(stored), Some(item)) => {
                assert!(agrees(stored) || agrees(item), "{said}");
                assert_eq!(beside(room), beside(stored), "{said}");
                if agrees(stored) {
                    assert_eq!(room.tokens(), stored.tokens(), "{said}");
                }
            }
            (Some(stored), None) => assert_eq!(room.tokens(), stored.tokens(), "{said}"),
            (None, Some(item)) => {
                assert!(agrees(item), "{said}");
                let made = Tree::new(LEGACY, "conference").with("jid", key);
                assert_eq!(beside(room), made.tokens(), "{said}");
            }
            (None, None) => panic!("nobody has this room: {said}"),
        }
    }
    for (room, _) in all_of_node().filter(readable) {
        assert!(seen.contains_key(&room), "{room} is missing: {said}");
    }
}

/// Stanzas of one user's, written by hand, among them items in a `<node/>` that a modern client has
/// put there: what holds of every answer.
async fn as_written(stanzas: &str) {
    let mut stage = Stage::new(MANY_ROOMS, true, 0);
    let mut none = Unstructured::new(&[]);
    let all = tree_of(&format!("<all>{stanzas}</all>"));
    for stanza in all.children() {
        let mut elements: Vec<Tree> = stanza.children().cloned().collect();
        match &*stanza.name {
            "node" => {
                let items = elements.iter().map(|item| Item {
                    id: item.attribute("id").unwrap_or_default().to_owned(),
                    payload: item.children().next().expect("a payload").clone(),
                });
                let pep = &mut stage.users[0].pep;
                (pep.is_made, pep.is_right) = (true, true);
                pep.items = items.collect();
            }
            "set" => stage
                .ask(0, 0, false, "set", elements, &mut none)
                .expect("no choices"),
            "get" => {
                if elements.is_empty() {
                    elements.push(Tree::new(LEGACY, "storage"));
                }
                stage
                    .ask(0, 0, false, "get", elements, &mut none)
                    .expect("no choices");
            }
            other => panic!("neither node, set nor get: {other}"),
        }
        let settled = stage.settle(Answers::Sound).await;
        settled.expect("no choices");
        stage.in_step();
    }
}

async fn generated(choices: &mut Unstructured<'_>) -> Result<()> {
    let is_rough = choices.ratio(1, 2)?;
    let is_narrow = choices.ratio(1, 8)?;
    let configure = choices.ratio(7, 8)?;
    let max_rooms = if is_narrow { FEW_ROOMS } else { MANY_ROOMS };
    let mut stage = Stage::new(max_rooms, configure, choices.arbitrary()?);
    for user in 0..2 {
        stage.modern_client(user, choices)?;
    }
    while !choices.is_empty() && stage.asked < REQUESTS {
        for _ in 0..choices.int_in_range(1..=if is_rough { 3 } else { 1 })? {
            stage.old_client(choices)?;
        }
        let answers = match is_rough {
            true => Answers::Rough,
            false => Answers::Sound,
        };
        stage.settle(answers).await?;
        if is_rough {
            stage.view = None;
        } else if configure {
            stage.in_step();
        }
        let user = choices.int_in_range(0..=1)?;
        if choices.ratio(1, 3)? {
            stage.modern_client(user, choices)?;
        }
        if choices.ratio(1, 16)? {
            stage.requests.link_ended();
            stage.all_answered(Duration::ZERO).await;
            stage.silent.clear();
            stage.let_in(configure);
        }
    }
    let patience = match choices.ratio(1, 4)? {
        true => {
            stage.requests.link_ended();
            Duration::ZERO
        }
        false => PATIENCE,
    };
    stage.all_answered(patience).await;
    Ok(())
}

impl Stage {
    /// A request of a user's about their private XML.
    fn old_client(&mut self, choices: &mut Unstructured<'_>) -> Result<()> {
        let user = [0, 0, 0, 1, 1, 2][choices.int_in_range(0..=5)?];
        let client = choices.int_in_range(0..=CLIENTS.len() - 1)?;
        let is_delegated = choices.ratio(1, 3)?;
        let (mut kind, mut elements) = ("get", vec![Tree::new(LEGACY, "storage")]);
        match choices.int_in_range(0..=7)? {
            0..=2 => {}
            3 => {
                let name = ["x", "e"][choices.int_in_range(0..=1)?];
                let namespace = [LEGACY, "urn:x"][choices.int_in_range(0..=1)?];
                elements = vec![Tree::new(namespace, name)];
            }
            _ => {
                kind = "set";
                elements = lists(&mut trees(choices, user))?;
            }
        }
        self.ask(user, client, is_delegated, kind, elements, choices)
    }

    fn ask(
        &mut self,
        user: usize,
        client: usize,
        is_delegated: bool,
        kind: &str,
        elements: Vec<Tree>,
        choices: &mut Unstructured<'_>,
    ) -> Result<()> {
        self.view = None;
        if kind == "set" && self.may_be_too_many(user, &elements) {
            return Ok(());
        }
        self.asked += 1;
        let id = format!("r{}", self.asked);
        let from = format!("{}/{}", USERS[user], CLIENTS[client]);
        let mut query = format!("<query xmlns='{PRIVATE}'>");
        for element in &elements {
            trees(choices, user).write(element, PRIVATE, &mut query)?;
        }
        query.push_str("</query>");
        let mut delegated = None;
        let mut said = String::new();
        if is_delegated {
            let host = ["example.org", "second.example"][user / 2];
            let outer = format!("outer-{id}");
            said.push_str(&format!(
                "<iq type='set' id='{outer}' from='{host}' to='{US}'>\
                 <delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>\
                 <iq xmlns='{CLIENT}' type='{kind}' id='{id}' from='"
            ));
            escape(&from, &mut said);
            said.push_str(&format!("'>{query}</iq></forwarded></delegation></iq>"));
            delegated = Some((host, outer));
        } else {
            said.push_str(&format!("<iq type='{kind}' id='{id}' to='{US}' from='"));
            escape(&from, &mut said);
            said.push_str(&format!("'>{query}</iq>"));
        }
        let others = self.open.values().any(|open| open.user == user);
        let expected = self.expect(user, kind, &elements);
        let request = Request {
            user,
            from,
            id: id.clone(),
            delegated,
            said: said.clone(),
            expected,
            fetches: (self.is_quiet && !others).then_some(self.users[user].fetches),
        };
        let key = request
            .delegated
            .as_ref()
            .map_or(id, |(_, outer)| outer.clone());
        self.open.insert(key, request);
        self.hear(&said);
        Ok(())
    }

    /// What a request comes to, which takes effect.
    fn expect(&mut self, user: usize, kind: &str, elements: &[Tree]) -> Expected {
        let first = &elements[0];
        let user_has = &mut self.users[user];
        if kind == "get" {
            if first.is(LEGACY, "storage") {
                return Expected::Elements {
                    stored: user_has.get(LEGACY, "storage"),
                    lists: Some(user_has.lists()),
                };
            }
            if first.namespace == LEGACY {
                return Expected::Something;
            }
            return Expected::Elements {
                stored: user_has.get(&first.namespace, &first.name),
                lists: None,
            };
        }
        if rooms_in(elements) > self.max_rooms && user < 2 {
            return Expected::TooMany;
        }
        user_has.set(elements);
        Expected::Stored
    }

    /// Whether a set has too many rooms, but perhaps not more than there were, by what is remembered.
    fn may_be_too_many(&self, user: usize, elements: &[Tree]) -> bool {
        let of_user = &self.users[user];
        let lists = of_user.lists.iter().map(|list| rooms_in(list));
        let most = lists.max().unwrap_or(0) + of_user.most_items;
        let rooms = rooms_in(elements);
        user < 2 && rooms > self.max_rooms && rooms <= most
    }

    /// A client of the user's that knows PEP does something.
    fn modern_client(&mut self, user: usize, choices: &mut Unstructured<'_>) -> Result<()> {
        self.view = None;
        let mut trees = trees(choices, user);
        for _ in 0..trees.choose(4)? {
            let pep = &mut self.users[user].pep;
            if !pep.is_made {
                (pep.is_made, pep.is_right) = (true, !trees.one_in(4)?);
            }
            match trees.choose(6)? {
                0 if !pep.items.is_empty() => {
                    let at = trees.choose(pep.items.len())?;
                    pep.items.remove(at);
                }
                1 if trees.one_in(4)? => *pep = Pep::default(),
                _ => pep.publish(item(&mut trees)?),
            }
            let user = &mut self.users[user];
            user.most_items = user.most_items.max(user.pep.items.len());
        }
        Ok(())
    }
}

/// How many rooms are in the bookmarks among these.
fn rooms_in(elements: &[Tree]) -> usize {
    let lists = elements.iter().filter(|it| it.is(LEGACY, "storage"));
    let rooms: BTreeSet<String> = lists.flat_map(Tree::children).filter_map(room_in).collect();
    rooms.len()
}

fn item(trees: &mut Trees<'_, '_>) -> Result<Item> {
    let id = ADDRESSES[trees.choose(ADDRESSES.len())?].to_owned();
    if trees.one_in(8)? {
        let payload = trees.any(12)?;
        return Ok(Item { id, payload });
    }
    let mut conference = conference(NODE, trees)?;
    if trees.one_in(2)? {
        let mut extensions = Tree::new(NODE, "extensions");
        trees.dress(&mut extensions)?;
        trees.fill(&mut extensions, 8)?;
        conference = conference.holding(extensions);
    }
    let payload = conference;
    Ok(Item { id, payload })
}

fn conference(namespace: &str, trees: &mut Trees<'_, '_>) -> Result<Tree> {
    let mut tree = Tree::new(namespace, "conference");
    if !trees.one_in(4)? {
        let name = if trees.one_in(8)? {
            String::new()
        } else {
            trees.text()?
        };
        tree = tree.with("name", name);
    }
    if let value @ 0..4 = trees.choose(6)? {
        tree = tree.with("autojoin", ["true", "1", "false", "maybe"][value]);
    }
    trees.dress(&mut tree)?;
    if trees.one_in(3)? {
        trees.fill(&mut tree, 8)?;
    }
    for name in ["nick", "password"] {
        let is_there = tree.children().any(|child| child.is(namespace, name));
        if !is_there && trees.one_in(3)? {
            let mut child = Tree::new(namespace, name);
            let text = trees.text()?;
            push_text(&mut child, &text);
            tree = tree.holding(child);
        }
    }
    Ok(tree)
}

/// What an old client stores: mostly one `<storage/>` with rooms, and anything in it; or several, or
/// others beside.
fn lists(trees: &mut Trees<'_, '_>) -> Result<Vec<Tree>> {
    let mut all = vec![list(trees)?];
    match trees.choose(12)? {
        0 => all.push(list(trees)?),
        1 => all.push(Tree::new("urn:x", "e").with("k", trees.text()?)),
        2 => all = vec![Tree::new("urn:x", "x").with("k", trees.text()?)],
        3 => all = vec![Tree::new(LEGACY, "storage")],
        _ => {}
    }
    Ok(all)
}

fn list(trees: &mut Trees<'_, '_>) -> Result<Tree> {
    let mut storage = Tree::new(LEGACY, "storage");
    trees.dress(&mut storage)?;
    for _ in 0..trees.choose(6)? {
        let child = match trees.choose(8)? {
            0 => trees.any(8)?,
            1 => Tree::new(LEGACY, "url").with("url", trees.text()?),
            _ => {
                let conference = conference(LEGACY, trees)?;
                match trees.one_in(16)? {
                    true => conference,
                    false => {
                        let jid = ADDRESSES[trees.choose(ADDRESSES.len())?];
                        conference.with("jid", jid)
                    }
                }
            }
        };
        storage = storage.holding(child);
    }
    if trees.one_in(12)? {
        let text = trees.text()?;
        push_text(&mut storage, &text);
    }
    Ok(storage)
}
