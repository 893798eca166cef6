//! What befalls whom when, drawn from a seed before anything begins: so that a part can be left out of a run.

use std::fmt;

use super::line::End;
use super::server::Kind;
use crate::chaos::dice::Dice;

/// Something that goes wrong, or is done to the component; times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfortune {
    /// The connection breaks.
    Cut(End),
    /// What is sent in these directions never arrives; the server notices after this time.
    Swallow {
        to_component: bool,
        to_server: bool,
        noticed: u64,
    },
    /// Nothing arrives for so long.
    Stall(u64),
    /// The server ends, and is there again after this time.
    Restart(u64),
    /// The server delegates no more, and says nothing.
    Undelegate,
    /// The component's machine loses its power, and is there again after this time.
    Kill(u64),
    /// The component is asked to stop, and started again after this time.
    Stop(u64),
    /// The disk fails, is full, or is taken away for so long.
    Failing(u64),
    Full(u64),
    Gone(u64),
    /// The store is compacted.
    Compact,
    /// The server takes the grant back for so long, and says so or not.
    Ungrant {
        is_said: bool,
        time: u64,
    },
    /// PEP answers nothing for so long.
    Silent(u64),
}

/// A run, before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub kind: Kind,
    /// Two share a database, one has a disk.
    pub instances: usize,
    pub owners: usize,
    /// How many others use bookmarks, and whether the server lets the component use PEP.
    pub accounts: usize,
    pub grants: bool,
    /// Whether clients that get no answer may go on from the bookmarks that they knew before.
    pub goes_on: bool,
    /// Whether it lets the component correct the options of nodes.
    pub grants_options: bool,
    /// Whether owners delete their nodes, and open them to others.
    pub edges: bool,
    /// How many rooms a user may have where both sides are kept in step.
    pub max_rooms: usize,
    /// Whether a link that has outlived another of its node is mute, and not only without delegation.
    pub goes_mute: bool,
    /// Whether the store is backed up at the end, and restored into an empty one.
    pub restores: bool,
    /// Whether little may be open, and little unsent.
    pub is_narrow: bool,
    /// Whether the server is asked as seldom as by default whether it is still there.
    pub pings_seldom: bool,
    /// How long owners ask, and things go wrong, in milliseconds.
    pub length: u64,
    pub misfortunes: Vec<(u64, Misfortune)>,
}

/// As many rooms as the component takes where nobody has said anything else.
pub const MAX_ROOMS: usize = 250;

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut dice = Dice::new(seed, 1 << 32);
        let kind = dice.pick(&[Kind::Prosody, Kind::Ejabberd]);
        let instances = if dice.percent(30) { 2 } else { 1 };
        let length = dice.between(20, 90) * 1000;
        let owners = dice.between(1, 4) as usize;
        let accounts = dice.between(0, 2) as usize;
        let grants = dice.percent(80);
        // Some have a bad day, and some none.
        let every = dice.pick(&[3_000, 6_000, 12_000, 30_000]);
        let mut at = 0;
        let mut misfortunes = Vec::new();
        loop {
            at += dice.between(1, 2 * every);
            if at >= length {
                break;
            }
            misfortunes.push((at, Misfortune::any(&mut dice)));
        }
        // Drawn last, so that the rest is as it was before there was this.
        let goes_on = dice.percent(70);
        Plan {
            seed,
            kind,
            instances,
            owners,
            accounts,
            grants,
            goes_on,
            grants_options: dice.percent(85),
            edges: dice.percent(50),
            max_rooms: if dice.percent(12) { 3 } else { MAX_ROOMS },
            goes_mute: dice.percent(50),
            restores: dice.percent(30) && instances == 1,
            is_narrow: dice.percent(15),
            pings_seldom: dice.percent(25),
            length,
            misfortunes,
        }
    }
}

impl Misfortune {
    fn any(dice: &mut Dice) -> Misfortune {
        let how = dice.pick(&[End::Closed, End::Reset]);
        let which = dice.between(1, 3);
        let noticed = dice.between(5, 90) * 1000;
        let short = dice.between(1, 4_000);
        let long = dice.between(1_000, 20_000);
        match dice.below(100) {
            0..22 => Misfortune::Cut(how),
            22..28 => Misfortune::Swallow {
                to_component: which & 1 != 0,
                to_server: which & 2 != 0,
                noticed,
            },
            28..36 => Misfortune::Stall(long),
            36..42 => Misfortune::Restart(long),
            42..48 => Misfortune::Undelegate,
            48..68 => Misfortune::Kill(short),
            68..76 => Misfortune::Stop(short),
            76..82 => Misfortune::Failing(long),
            82..88 => Misfortune::Full(long),
            88..94 => Misfortune::Gone(long),
            94..96 => Misfortune::Compact,
            96..98 => Misfortune::Ungrant {
                is_said: which & 1 != 0,
                time: long,
            },
            _ => Misfortune::Silent(long),
        }
    }
}

impl fmt::Display for Misfortune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |it: u64| format!("{:.1} s", it as f64 / 1000.0);
        match self {
            Misfortune::Cut(how) => write!(f, "the connection breaks ({how:?})"),
            Misfortune::Swallow {
                to_component,
                to_server,
                noticed,
            } => {
                let ways = match (to_component, to_server) {
                    (true, true) => "both ways",
                    (true, false) => "to the component",
                    _ => "to the server",
                };
                let noticed = seconds(*noticed);
                write!(
                    f,
                    "what is sent {ways} is lost, which the server notices after {noticed}"
                )
            }
            Misfortune::Stall(it) => write!(f, "nothing arrives for {}", seconds(*it)),
            Misfortune::Restart(it) => write!(f, "the server is away for {}", seconds(*it)),
            Misfortune::Undelegate => f.write_str("the server delegates no more"),
            Misfortune::Kill(it) => {
                write!(
                    f,
                    "the component's machine loses its power for {}",
                    seconds(*it)
                )
            }
            Misfortune::Stop(it) => write!(f, "the component is stopped for {}", seconds(*it)),
            Misfortune::Failing(it) => write!(f, "the disk fails for {}", seconds(*it)),
            Misfortune::Full(it) => write!(f, "the disk is full for {}", seconds(*it)),
            Misfortune::Gone(it) => write!(f, "the disk is away for {}", seconds(*it)),
            Misfortune::Compact => f.write_str("the store is compacted"),
            Misfortune::Ungrant { is_said, time } => {
                let said = if *is_said {
                    "and says so"
                } else {
                    "without a word"
                };
                write!(
                    f,
                    "the server takes its grant back for {}, {said}",
                    seconds(*time)
                )
            }
            Misfortune::Silent(it) => write!(f, "PEP is silent for {}", seconds(*it)),
        }
    }
}
