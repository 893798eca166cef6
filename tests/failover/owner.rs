//! One owner: what was asked, what was acknowledged, and so what may be stored.
//!
//! The sets of an owner are numbered. Each replaces all that the owner has: the elements `a` and `b` of one
//! namespace, and `c` of another, which every fifth set deletes. Whatever is stored names its owner, the
//! number of its set and a stamp that follows from both: nothing else can be taken for it.
//!
//! A set that was answered with an error that says "later", or not at all, may have happened, or happen
//! yet. That ends when a later one is acknowledged: from then on nothing earlier may ever be seen.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::chaos::dice::Dice;
use crate::support::server::{COMPONENT, HOST};

/// The namespaces of `a` and `b`, and of `c`.
const NAMESPACES: [&str; 2] = ["urn:failover:0", "urn:failover:1"];

/// Sets with a multiple of this number delete `c`.
const DELETES: u64 = 5;

/// Values are up to so long.
const LONGEST: u64 = 1_500;

/// What must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// What was acknowledged is not there any more.
    Lost,
    /// It was there, and what is there now is older: something was applied again, or late.
    Overwritten,
    /// Of one set a part is there.
    Torn,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The set with this number.
    Set(u64),
    /// All of a namespace, after the set with this number.
    Get { namespace: usize, after: u64 },
}

/// A request without an answer.
#[derive(Debug)]
pub struct Open {
    number: u64,
    pub what: What,
    /// When it was sent, by the tests' clock and by the machine's.
    pub since: Duration,
    pub at: Instant,
    pub is_overdue: bool,
}

/// What a get has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What may be.
    Right,
    /// The same; but something that was not acknowledged had been shown before, and is gone.
    Withdrawn,
    Wrong(Wrong),
}

/// An owner.
#[derive(Debug)]
pub struct Owner {
    index: u64,
    seed: u64,
    /// The numbers of the last set that was sent, and of the last that was acknowledged.
    sent: u64,
    acknowledged: u64,
    /// The highest number that a get has shown.
    shown: u64,
    asked: u64,
    open: VecDeque<Open>,
}

impl Owner {
    /// One who has nothing.
    pub fn new(index: u64, seed: u64) -> Owner {
        Owner {
            index,
            seed,
            sent: 0,
            acknowledged: 0,
            shown: 0,
            asked: 0,
            open: VecDeque::new(),
        }
    }

    /// How many sets were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The requests that have no answer.
    pub fn open(&mut self) -> &mut VecDeque<Open> {
        &mut self.open
    }

    /// The next set.
    pub fn set(&mut self, since: Duration) -> String {
        self.sent += 1;
        let elements = self.elements(self.sent);
        self.ask("set", What::Set(self.sent), &elements, since)
    }

    /// A get of all that is in a namespace.
    pub fn get(&mut self, namespace: usize, since: Duration) -> String {
        let of = NAMESPACES[namespace];
        let elements: String = names(namespace)
            .iter()
            .map(|name| format!("<{name} xmlns='{of}'/>"))
            .collect();
        let after = self.sent;
        self.ask("get", What::Get { namespace, after }, &elements, since)
    }

    fn ask(&mut self, kind: &str, what: What, elements: &str, since: Duration) -> String {
        self.asked += 1;
        self.open.push_back(Open {
            number: self.asked,
            what,
            since,
            at: Instant::now(),
            is_overdue: false,
        });
        let (index, number) = (self.index, self.asked);
        format!(
            "<iq type='{kind}' id='u{index}-{number}' from='u{index}@{HOST}/it' to='{COMPONENT}'>\
             <query xmlns='jabber:iq:private'>{elements}</query></iq>"
        )
    }

    /// Takes the open request with this number.
    pub fn take(&mut self, number: u64) -> Option<Open> {
        let at = self.open.iter().position(|open| open.number == number)?;
        self.open.remove(at)
    }

    /// The set with this number was acknowledged.
    pub fn acknowledge(&mut self, set: u64) {
        self.acknowledged = self.acknowledged.max(set);
    }

    /// A get that was asked after this set brought this; complains of what nobody has stored.
    pub fn observe(&mut self, namespace: usize, after: u64, answer: &str) -> Result<Shown, String> {
        let mut numbers = Vec::new();
        for name in names(namespace) {
            numbers.push(self.number(name, content(answer, name)?)?);
        }
        if numbers.iter().any(|number| *number != numbers[0]) {
            return Ok(Shown::Wrong(Wrong::Torn));
        }
        let least = self.acknowledged.min(after);
        let number = match (namespace, numbers[0]) {
            // Deleted by any of these, or never stored.
            (1, 0) => after / DELETES * DELETES,
            (_, number) => number,
        };
        if number > after {
            return Err(format!("set {number} is there, and {after} was the last"));
        }
        if number < least {
            let was_there = self.shown >= least;
            let wrong = if was_there {
                Wrong::Overwritten
            } else {
                Wrong::Lost
            };
            return Ok(Shown::Wrong(wrong));
        }
        if numbers[0] != 0 && number < self.shown {
            return Ok(Shown::Withdrawn);
        }
        if numbers[0] != 0 {
            self.shown = number;
        }
        Ok(Shown::Right)
    }

    /// What both namespaces hold in the end, when nothing is under way: of one set, and whole.
    pub fn is_whole(&self, first: &str, second: &str) -> Result<bool, String> {
        let number = self.number("a", content(first, "a")?)?;
        let in_second = self.number("c", content(second, "c")?)?;
        let expected = if number.is_multiple_of(DELETES) {
            0
        } else {
            number
        };
        Ok(in_second == expected)
    }

    /// What the query of a set holds.
    fn elements(&self, number: u64) -> String {
        let mut elements = String::new();
        for (namespace, of) in NAMESPACES.iter().enumerate() {
            for name in names(namespace) {
                if namespace == 1 && number.is_multiple_of(DELETES) {
                    elements += &format!("<{name} xmlns='{of}'/>");
                } else {
                    let text = self.text(name, number);
                    elements += &format!("<{name} xmlns='{of}'>{text}</{name}>");
                }
            }
        }
        elements
    }

    /// What a set stores under a name.
    fn text(&self, name: &str, number: u64) -> String {
        let mut dice = Dice::new(self.seed ^ self.index, number);
        let (stamp, length) = (dice.below(u64::MAX), dice.below(LONGEST));
        let padding = name.repeat(length as usize);
        format!("u{} {number} {stamp:016x} {padding}", self.index)
    }

    /// The number of the set that has stored this; none where nothing is stored.
    fn number(&self, name: &str, content: Option<&str>) -> Result<u64, String> {
        let Some(content) = content else { return Ok(0) };
        let number = content.split(' ').nth(1).and_then(|it| it.parse().ok());
        match number {
            Some(number) if self.text(name, number) == content => Ok(number),
            _ => Err(format!("nobody has stored {content}")),
        }
    }
}

fn names(namespace: usize) -> &'static [&'static str] {
    if namespace == 0 { &["a", "b"] } else { &["c"] }
}

/// What is in the element of this name in the query of an answer; none where it is empty.
fn content<'a>(answer: &'a str, name: &str) -> Result<Option<&'a str>, String> {
    let none = || format!("no <{name}/> in {answer}");
    let begin = answer.find(&format!("<{name} ")).ok_or_else(none)?;
    let (tag, rest) = answer[begin..].split_once('>').ok_or_else(none)?;
    if tag.ends_with('/') || rest.starts_with("</") {
        return Ok(None);
    }
    let (content, _) = rest.split_once('<').ok_or_else(none)?;
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the component answers when these sets are stored.
    fn answer(owner: &Owner, a: u64, b: u64) -> String {
        let text = |name: &str, number: u64| match number {
            0 => format!("<{name} xmlns='urn:failover:0'/>"),
            number => {
                let text = owner.text(name, number);
                format!("<{name} xmlns='urn:failover:0'>{text}</{name}>")
            }
        };
        format!("<iq><query>{}{}</query></iq>", text("a", a), text("b", b))
    }

    fn deletable(owner: &Owner, number: u64) -> String {
        match number {
            0 => "<iq><query><c xmlns='urn:failover:1'/></query></iq>".to_owned(),
            number => {
                let text = owner.text("c", number);
                format!("<iq><query><c xmlns='urn:failover:1'>{text}</c></query></iq>")
            }
        }
    }

    /// One who has sent so many sets, of which this was the last that was acknowledged.
    fn owner(sent: u64, acknowledged: u64) -> Owner {
        let mut owner = Owner::new(3, 1);
        for _ in 0..sent {
            owner.set(Duration::ZERO);
        }
        owner.acknowledge(acknowledged);
        owner
    }

    #[test]
    fn a_set_in_doubt_may_be_there_until_a_later_one_is_acknowledged() {
        let mut it = owner(6, 4);
        for (number, shown) in [(4, Shown::Right), (5, Shown::Right), (6, Shown::Right)] {
            let answer = answer(&it, number, number);
            assert_eq!(it.observe(0, 6, &answer), Ok(shown), "{number}");
        }
        let earlier = answer(&it, 5, 5);
        assert_eq!(it.observe(0, 6, &earlier), Ok(Shown::Withdrawn));
        it.acknowledge(6);
        let wrong = Shown::Wrong(Wrong::Overwritten);
        assert_eq!(it.observe(0, 6, &earlier), Ok(wrong));
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_lost() {
        let mut it = owner(4, 4);
        for number in [0, 3] {
            let answer = answer(&it, number, number);
            let lost = Shown::Wrong(Wrong::Lost);
            assert_eq!(it.observe(0, 4, &answer), Ok(lost), "{number}");
        }
        let absent = deletable(&it, 0);
        let lost = Shown::Wrong(Wrong::Lost);
        assert_eq!(it.observe(1, 4, &absent), Ok(lost));
    }

    #[test]
    fn a_part_of_a_set_is_torn() {
        let mut it = owner(4, 2);
        let parts = answer(&it, 3, 4);
        assert_eq!(it.observe(0, 4, &parts), Ok(Shown::Wrong(Wrong::Torn)));
        let first = answer(&it, 4, 4);
        for (second, whole) in [(4, true), (3, false), (0, false)] {
            let second = deletable(&it, second);
            assert_eq!(it.is_whole(&first, &second), Ok(whole), "{second}");
        }
    }

    #[test]
    fn what_a_set_deletes_is_not_there() {
        let mut it = owner(7, 3);
        let absent = deletable(&it, 0);
        assert_eq!(it.observe(1, 7, &absent), Ok(Shown::Right));
        it.acknowledge(5);
        assert_eq!(it.observe(1, 7, &absent), Ok(Shown::Right));
        let first = answer(&it, 5, 5);
        assert_eq!(it.is_whole(&first, &absent), Ok(true));
        it.acknowledge(6);
        let overwritten = it.observe(1, 7, &absent);
        assert!(
            matches!(overwritten, Ok(Shown::Wrong(_))),
            "{overwritten:?}"
        );
    }

    #[test]
    fn what_nobody_has_stored_is_complained_of() {
        let mut it = owner(2, 0);
        let other = Owner::new(4, 1);
        for strange in [answer(&other, 1, 1), answer(&it, 9, 9), "<iq/>".to_owned()] {
            assert!(it.observe(0, 2, &strange).is_err(), "{strange}");
        }
    }
}
