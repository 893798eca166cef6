//! How each fault is played, and what must hold right after it.

use std::time::{Duration, Instant};

use super::fault::{Death, Fault, Life};
use super::line::{Line, Manners, stream_error};
use super::play::Play;
use super::user::User;

/// How long the component may take to come back on a busy machine: longer than any pause that a
/// life's faults bring about.
const COMES_BACK: Duration = Duration::from_secs(90);

/// How long it may take there to close a stream that is over, or to end: 5 s by its own measure.
const LEAVES: Duration = Duration::from_secs(60);

/// One that took longer may have given up a server that does not read: after 3.4 s.
const IN_TIME: Duration = Duration::from_secs(3);

/// How often everybody asks for everything to fill the kernel's buffers: some megabytes.
const BACKLOG: usize = 90;

/// Plays one life of the component's.
pub fn live(play: &mut Play, life: &Life) {
    until_up(play);
    for &(before, fault) in &life.faults {
        play.go_on(Duration::from_millis(before));
        suffer(play, fault);
        until_up(play);
    }
    play.go_on(Duration::from_millis(life.last));
    if !life.linked {
        lose_link(play, drop);
        play.go_on(Duration::from_millis(200));
    }
    die(play, life.death);
}

/// A server that does no worse than pause: the component's memory must not grow.
pub fn endure(play: &mut Play, end: Instant) {
    until_up(play);
    while Instant::now() < end {
        play.go_on(Duration::from_secs(2));
        suffer(play, Fault::Stall(500));
    }
}

/// At the end everything is answered, and everything acknowledged is there, also after one more
/// start.
pub fn settle(play: &mut Play) {
    until_up(play);
    play.until("certainty", COMES_BACK, |play| {
        play.users.iter().all(User::is_sure)
    });
    answer_all(play);
    die(play, Death::Kill);
    play.asking = false;
    until_up(play);
    for user in 0..play.users.len() {
        for namespace in User::namespaces() {
            play.ask(user, |user, place| Some(user.read_all(namespace, place)));
        }
    }
    answer_all(play);
    let bad = |line: &&String| line.contains("panicked") || line.contains(" ERROR ");
    if let Some(line) = play.component.log().iter().find(bad) {
        play.fail(&format!("the log has {line}"));
    }
}

fn answer_all(play: &mut Play) {
    play.asking = false;
    let link = play.tally.links;
    play.until("the last answer", COMES_BACK, |play| {
        play.owed(Some(link)).is_empty()
    });
    play.asking = true;
}

fn until_up(play: &mut Play) {
    play.until("a login", COMES_BACK, |play| {
        play.line.as_ref().is_some_and(Line::is_up)
    });
}

fn suffer(play: &mut Play, fault: Fault) {
    play.tally.faults += 1;
    match fault {
        Fault::Close => lose_link(play, drop),
        Fault::Reset => lose_link(play, Line::reset),
        Fault::Cut => lose_link(play, |mut line| {
            line.send("<iq type='set' id='cut' from='cut@localhost' to='private.local");
            line.flush();
        }),
        Fault::HalfAnswer(most) => {
            pause(play, 300);
            play.read(most);
            lose_link(play, drop);
        }
        Fault::HalfClose => half_close(play),
        Fault::Backlog => {
            play.reading = false;
            for _ in 0..BACKLOG {
                for user in 0..play.users.len() {
                    for namespace in User::namespaces() {
                        play.ask(user, |user, place| Some(user.read_all(namespace, place)));
                    }
                }
                play.go_on(Duration::from_millis(10));
            }
            play.reading = true;
            half_close(play);
        }
        Fault::Conflict => end_stream(play, false, |line| line.send(&stream_error("conflict"))),
        Fault::Goodbye => end_stream(play, true, |line| line.send("</stream:stream>")),
        Fault::Garbage => end_stream(play, true, |line| line.send("<a></b>")),
        Fault::Away(time) => {
            play.port.shut();
            lose_link(play, drop);
            play.go_on(Duration::from_millis(time));
            play.port.open();
        }
        Fault::Refuse(condition) => {
            mistreat_next(play, Manners::Refuse(condition));
            play.until("the end of a refused login", COMES_BACK, |play| {
                play.line.is_none()
            });
        }
        Fault::Silence(time) => {
            mistreat_next(play, Manners::Silent);
            play.go_on(Duration::from_millis(time));
            lose_link(play, drop);
        }
        Fault::Slam => {
            mistreat_next(play, Manners::Silent);
            lose_link(play, drop);
        }
        Fault::Stall(time) => pause(play, time),
    }
}

/// The server does not read for so long.
fn pause(play: &mut Play, time: u64) {
    play.reading = false;
    play.go_on(Duration::from_millis(time));
    play.reading = true;
    play.works_since = Instant::now();
}

/// The connection ends, and what the component wrote last is lost.
fn lose_link(play: &mut Play, end: impl FnOnce(Line)) {
    if let Some(line) = play.line.take() {
        end(line);
    }
    play.lost_link(true);
}

fn mistreat_next(play: &mut Play, manners: Manners) {
    play.manners = manners;
    lose_link(play, drop);
    play.until("the next attempt", COMES_BACK, |play| play.line.is_some());
}

fn half_close(play: &mut Play) {
    end_stream(play, false, |line| {
        line.flush();
        line.half_close();
    });
}

/// The server says these last words and reads on until the component closes: no answer is lost.
/// `read` if the component must have read everything before it closes, and so answered it.
fn end_stream(play: &mut Play, read: bool, last_words: impl FnOnce(&mut Line)) {
    let Some(line) = &mut play.line else { return };
    last_words(line);
    play.asking = false;
    let (link, begin) = (play.tally.links, Instant::now());
    play.until("the end of the link", LEAVES, |play| play.line.is_none());
    play.asking = true;
    if read && begin.elapsed() < IN_TIME {
        let owed = play.owed(Some(link));
        if !owed.is_empty() {
            play.fail(&format!("{owed:?} had no answer when the stream ended"));
        }
        if !play.closed {
            play.fail("the stream was not closed");
        }
    }
}

fn die(play: &mut Play, death: Death) {
    let memory = play.component.memory();
    play.tally.peaks.extend(memory.map(|memory| memory.peak));
    if death != Death::Kill {
        let linked = play.line.as_ref().is_some_and(Line::is_up);
        play.asking = death == Death::Terminate;
        let begin = Instant::now();
        play.component.terminate();
        play.until("the end of the process", LEAVES, |play| {
            play.line.is_none() && play.component.exited().is_some()
        });
        play.asking = true;
        let status = play.component.exited();
        if status.and_then(|status| status.code()) != Some(0) {
            play.fail(&format!("it ended with {status:?}"));
        }
        let in_time = begin.elapsed() < IN_TIME;
        let owed = play.owed(None);
        if linked && in_time && !owed.is_empty() {
            play.fail(&format!("it read {owed:?}, and stopped without an answer"));
        }
    }
    play.component.kill();
    lose_link(play, drop);
    play.users.iter_mut().for_each(User::end_of_life);
    play.component.restart();
    play.tally.lives += 1;
    play.tally.memory.clear();
}
