//! What was once wrong although every row of the table had its test, each with the story of how.

use super::stage::{Stage, request};

/// Routers normalise addresses by Unicode 3.2 and let through what is newer; the `jid` crate
/// normalises by today's Unicode and looks for what is newer only afterwards, when U+1D43 has
/// become an `a`. So whoever registered `ᵃlice` beside `alice` read and wrote what was Alice's.
#[test]
fn an_account_that_a_newer_unicode_would_call_alice_is_not_alice() {
    let mut stage = Stage::new();
    stage.store("<diary xmlns='urn:x'>Alice's own</diary>");
    for (id, namesake) in [
        "\u{1d43}lice@localhost/x",
        "alic\u{1d49}@localhost",
        "alice@loc\u{1d43}lhost",
    ]
    .into_iter()
    .enumerate()
    {
        stage.send(request(
            "get",
            &id.to_string(),
            namesake,
            "<diary xmlns='urn:x'/>",
        ));
        let answer = stage.next();
        assert!(!answer.contains("Alice's own"), "{namesake} reads {answer}");
        stage.send(request(
            "set",
            "set",
            namesake,
            "<diary xmlns='urn:x'>not hers</diary>",
        ));
        stage.next();
    }
    stage.fetch(
        "<diary xmlns='urn:x'/>",
        "<diary xmlns='urn:x'>Alice's own</diary>",
    );
}
