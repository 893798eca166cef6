//! All that goes wrong, and in which order.
//!
//! A process of the component waits longer after each link it loses, and starts again only after a
//! login that lasted a minute. So it loses a few, and is then ended and started again: most of
//! the time goes into faults, and not into waiting.

use super::dice::Dice;

/// What the server does to the link, in milliseconds where it takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Closes the connection; what it has not read is lost.
    Close,
    /// Resets it.
    Reset,
    /// Closes it in the middle of a stanza that it sends.
    Cut,
    /// Lets answers pile up, reads so many bytes of them, and closes it.
    HalfAnswer(usize),
    /// Stops sending in the middle of whatever it sends, and reads on to the end.
    HalfClose,
    /// Lets answers pile up until the kernel takes no more of them, and then does the same.
    Backlog,
    /// Sends the end of the stream, with requests under way.
    Goodbye,
    /// Ends the stream with an error, as when another instance logs in.
    Conflict,
    /// Sends what is not XML.
    Garbage,
    /// Dies, and does not listen for a while.
    Away(u64),
    /// Dies, and refuses the next login.
    Refuse(&'static str),
    /// Dies, and is silent at the next login for a while.
    Silence(u64),
    /// Dies, and closes the next connection at once.
    Slam,
    /// Stops reading for a while.
    Stall(u64),
}

/// How a process of the component ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// SIGKILL.
    Kill,
    /// SIGTERM, while requests keep coming.
    Terminate,
    /// SIGTERM, when nothing is being asked any more.
    TerminateQuietly,
}

/// One process of the component: for how long it works undisturbed before each fault, in
/// milliseconds, and how it ends: with or without a link.
#[derive(Debug)]
pub struct Life {
    pub faults: Vec<(u64, Fault)>,
    pub last: u64,
    pub linked: bool,
    pub death: Death,
}

impl Life {
    /// Any life.
    pub fn at_random(dice: &mut Dice) -> Life {
        let mut faults = Vec::new();
        // Pauses of up to 1, 2 and 4 seconds.
        let mut attempts = dice.between(1, 3);
        while attempts > 0 {
            let fault = Fault::at_random(dice);
            if fault.attempts() <= attempts {
                attempts -= fault.attempts();
                faults.push((dice.between(100, 1500), fault));
            }
        }
        Life {
            faults,
            last: dice.below(1000),
            linked: dice.percent(75),
            death: dice.pick(&[Death::Kill, Death::Terminate, Death::TerminateQuietly]),
        }
    }
}

impl Fault {
    fn at_random(dice: &mut Dice) -> Fault {
        match dice.below(19) {
            0 => Fault::Close,
            1 => Fault::Reset,
            2 => Fault::Cut,
            3 | 4 => Fault::HalfAnswer(dice.between(1, 30_000) as usize),
            5 | 6 => Fault::HalfClose,
            7 | 8 => Fault::Goodbye,
            9 => Fault::Conflict,
            10 => Fault::Garbage,
            11 => Fault::Away(dice.between(500, 3000)),
            12 => Fault::Refuse(dice.pick(&["conflict", "not-authorized", "host-unknown"])),
            13 => Fault::Silence(dice.between(200, 2000)),
            14 => Fault::Slam,
            15 | 16 => Fault::Backlog,
            _ => Fault::Stall(dice.between(200, 3000)),
        }
    }

    /// How many times the component has to connect again because of it.
    fn attempts(self) -> u64 {
        match self {
            Fault::Stall(_) => 0,
            Fault::Away(_) | Fault::Refuse(_) | Fault::Silence(_) | Fault::Slam => 2,
            _ => 1,
        }
    }
}
