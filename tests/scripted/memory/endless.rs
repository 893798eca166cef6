//! Stanzas far over the limit: what is over it is skipped, whatever it is, and the next is served.

use super::{BOB, WORST, growth};
use crate::scripted::stage::{Stage, set};

/// How long they are, in MiB. `scripts/prove-memory` has more.
const VARIABLE: &str = "MEMORY_MIB";
const MEBIBYTES: u64 = 64;

/// What one may cost, at the default limit of 1 MiB: what of it is kept, the same twice while that
/// buffer grows, its text, and the tree of what was read of it; and what allocators round up.
const TOO_LONG: u64 = 16 << 20;

fn bytes() -> u64 {
    let mebibytes = std::env::var(VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok());
    mebibytes.unwrap_or(MEBIBYTES) << 20
}

/// Alice sends something endless, and Bob a request right behind it.
#[track_caller]
fn costs_little(send: impl FnOnce(&mut Stage), refusal: Option<&str>, most: u64) {
    let mut stage = Stage::new();
    let growth = growth(&mut stage, |stage| {
        send(stage);
        stage.send(BOB.0);
        if let Some(limit) = refusal {
            let received = stage.next();
            assert!(
                received.starts_with("<iq type='error' id='long'"),
                "{received}"
            );
            assert!(received.contains(limit), "{received}");
        }
        let received = stage.next();
        assert!(received.starts_with(BOB.1), "{received}");
    });
    assert!(growth < most, "{growth} bytes");
}

/// A set of Alice's that is far too long, because `unit` stands in it so often, and is refused by
/// the name of this limit.
#[track_caller]
fn set_of(begin: &str, unit: &str, end: &str, limit: &str, most: u64) {
    let whole = set("long", "|");
    let (head, foot) = whole.split_once('|').expect("a mark");
    costs_little(
        |stage| {
            stage.send(format!("{head}{begin}"));
            stage.send_again_and_again(unit, bytes());
            stage.send(format!("{end}{foot}"));
        },
        Some(limit),
        most,
    );
}

#[test]
fn a_text_without_end_costs_little() {
    set_of(
        "<a xmlns='urn:x'>",
        "text",
        "</a>",
        "max_stanza_bytes",
        TOO_LONG,
    );
}

#[test]
fn an_attribute_without_end_costs_little() {
    set_of(
        "<a xmlns='urn:x' k='",
        "value",
        "'/>",
        "max_stanza_bytes",
        TOO_LONG,
    );
}

#[test]
fn children_without_end_cost_little() {
    set_of(
        "<a xmlns='urn:x'>",
        "<a/>",
        "</a>",
        "max_stanza_bytes",
        TOO_LONG,
    );
}

#[test]
fn elements_to_store_without_end_cost_little() {
    set_of(
        "",
        "<a xmlns='urn:x'>1</a>",
        "",
        "max_user_elements",
        TOO_LONG,
    );
}

#[test]
fn attributes_without_end_cost_little() {
    set_of(
        "<a xmlns='urn:x'",
        " k='v'",
        "/>",
        "max_stanza_bytes",
        WORST,
    );
}

#[test]
fn comments_without_end_cost_little() {
    set_of(
        "<a xmlns='urn:x'>1<!--",
        "comment",
        "--></a>",
        "max_stanza_bytes",
        TOO_LONG,
    );
}

#[test]
fn nesting_without_end_costs_little() {
    let send = |stage: &mut Stage| {
        let whole = set("long", "|");
        let (head, foot) = whole.split_once('|').expect("a mark");
        let levels = bytes() / 8;
        stage.send(format!("{head}<a xmlns='urn:x'>"));
        for tag in ["<bb>", "</bb>"] {
            let piece = tag.repeat(1024);
            for _ in 0..levels / 1024 {
                stage.send(&piece);
            }
        }
        stage.send(format!("</a>{foot}"));
    };
    costs_little(send, Some("max_depth"), TOO_LONG);
}

#[test]
fn a_start_tag_without_end_costs_little() {
    let send = |stage: &mut Stage| {
        stage.send("<iq type='set' from='alice@localhost/phone' to='private.localhost' id='");
        stage.send_again_and_again("id", bytes());
        stage.send("'><query xmlns='jabber:iq:private'/></iq>");
    };
    costs_little(send, None, TOO_LONG);
}

#[test]
fn a_message_without_end_costs_little() {
    let send = |stage: &mut Stage| {
        stage.send("<message from='alice@localhost/phone' to='private.localhost'><body>");
        stage.send_again_and_again("words", bytes());
        stage.send("</body></message>");
    };
    costs_little(send, None, TOO_LONG);
}

/// Blanks between stanzas, comments among them: nothing of it is kept.
#[test]
fn nothing_at_all_without_end_costs_little() {
    let send = |stage: &mut Stage| {
        stage.send_again_and_again(" \n<!-- nothing -->", bytes());
    };
    costs_little(send, None, TOO_LONG);
}
