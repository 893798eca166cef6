//! What may happen.

use proptest::prelude::*;

use super::CLIENTS;

#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// An old client asks.
    Get(usize),
    /// It adds a room to what it knows.
    Add(usize),
    /// It deletes one of those.
    Delete(usize, usize),
    /// It is at the other instance from now on.
    Move(usize),
    /// A modern client adds a room.
    ModernAdd,
    /// It deletes one.
    ModernDelete(usize),
    /// It changes one while nothing is under way, and so wants it.
    ModernEdit(usize),
    /// An IQ of an instance is answered by PEP.
    Answer(usize),
    /// All that is under way is done.
    Settle,
    /// The server says that it has read what an instance has said.
    Confirm(usize),
    /// Nobody has the user's turn any more: another database server has become the primary.
    LoseTurns,
    /// An instance is killed and started again.
    Kill(usize, Meanwhile),
    /// Its link is lost, and it comes back; the clients go over to the other, unless they stay.
    Lose {
        instance: usize,
        stay: bool,
        /// What it could not say it says then.
        resend: bool,
        meanwhile: Meanwhile,
    },
}

/// What PEP does with an IQ to which the answer is lost.
#[derive(Debug, Clone, Copy)]
pub enum Meanwhile {
    Nothing,
    Done,
}

pub fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    let instance = 0..2_usize;
    let meanwhile = prop_oneof![Just(Meanwhile::Nothing), Just(Meanwhile::Done)];
    let lose = (
        instance.clone(),
        any::<bool>(),
        any::<bool>(),
        meanwhile.clone(),
    );
    prop_oneof![
        8 => client.clone().prop_map(Event::Get),
        8 => client.clone().prop_map(Event::Add),
        6 => (client.clone(), any::<usize>()).prop_map(|(client, which)| Event::Delete(client, which)),
        1 => client.prop_map(Event::Move),
        2 => Just(Event::ModernAdd),
        2 => any::<usize>().prop_map(Event::ModernDelete),
        2 => any::<usize>().prop_map(Event::ModernEdit),
        24 => instance.clone().prop_map(Event::Answer),
        6 => Just(Event::Settle),
        6 => instance.clone().prop_map(Event::Confirm),
        1 => Just(Event::LoseTurns),
        2 => (instance, meanwhile).prop_map(|(instance, meanwhile)| Event::Kill(instance, meanwhile)),
        2 => lose.prop_map(|(instance, stay, resend, meanwhile)| Event::Lose {
            instance,
            stay,
            resend,
            meanwhile,
        }),
    ]
}
