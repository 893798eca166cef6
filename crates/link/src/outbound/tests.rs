use super::*;

fn outbox(replies: &[&str]) -> Outbox {
    let mut outbox = Outbox::default();
    for reply in replies {
        outbox.push((*reply).to_owned());
    }
    outbox
}

fn gathered(outbox: &Outbox) -> Chunk {
    let mut chunk = Chunk::default();
    chunk.gather(outbox);
    chunk
}

#[test]
fn a_long_flush_ends_in_as_many_blanks_as_its_longest_tag() {
    let tag = format!("<iq id='{}'/>", "x".repeat(2000));
    let chunk = gathered(&outbox(&["<a/>", &tag]));
    assert_eq!(chunk.bytes.len(), 4 + 2 * tag.len());
    let padding = &chunk.bytes[4 + tag.len()..];
    assert!(padding.iter().all(|byte| *byte == b' '));
}

/// A busy Prosody reads 8 KiB at a time, so the last of many short answers came in two parts, of which the second was the
/// shorter: its client waited until something else was written.
#[test]
fn however_little_is_written_it_makes_a_server_look_at_the_last_tag_again() {
    assert_eq!(gathered(&outbox(&["<a/>"])).bytes, b"<a/>    ");
}

#[test]
fn the_longest_tag_is_found_wherever_it_stands() {
    let tags = [
        "<a/>",
        "<a>",
        "</a>",
        "<iq id='1'>",
        "<query xmlns='urn:x'/>",
    ];
    let between = ["", "x", "text that is longer than any of these tags is"];
    let mut orders = vec![vec![]];
    for _ in 0..3 {
        let longer = orders.iter().flat_map(|order: &Vec<&str>| {
            let next = tags.iter().map(|tag| [&order[..], &[*tag]].concat());
            next.collect::<Vec<_>>()
        });
        orders = longer.collect();
    }
    for order in orders {
        let longest = order.iter().map(|tag| tag.len()).max().unwrap();
        for text in between {
            let xml = order.join(text) + text;
            assert_eq!(longest_tag(xml.as_bytes()), longest, "{xml}");
        }
    }
    assert_eq!(longest_tag(b"no tag"), 0);
}

/// What the next link would be sent.
fn sent_anew(outbox: &mut Outbox) -> String {
    outbox.rewind();
    let bytes = String::from_utf8(gathered(outbox).bytes).unwrap();
    bytes.trim_end().to_owned()
}

#[test]
fn what_a_link_did_not_take_whole_or_confirm_is_written_anew() {
    let mut outbox = outbox(&["<a/>", "<b/>", "<c/>"]);
    gathered(&outbox).advance(6, &mut outbox);
    assert_eq!((outbox.len(), outbox.bytes()), (2, 8));
    assert_eq!(sent_anew(&mut outbox), "<a/><b/><c/>");
    gathered(&outbox).advance(12, &mut outbox);
    assert!(outbox.is_empty() && outbox.has_unconfirmed());
    assert_eq!(outbox.bytes(), 0);
}

#[test]
fn what_a_ping_has_confirmed_is_not_sent_again() {
    let mut outbox = outbox(&["<a/>"]);
    outbox.push_ping(7, "<ping/>".into());
    outbox.push("<b/>".into());
    gathered(&outbox).advance(15, &mut outbox);
    outbox.confirm(6);
    assert!(outbox.has_unconfirmed(), "another ping confirms nothing");
    outbox.confirm(7);
    assert_eq!(sent_anew(&mut outbox), "<b/>");
    gathered(&outbox).advance(4, &mut outbox);
    outbox.confirm(7);
    assert!(outbox.has_unconfirmed(), "an old ping confirms nothing");
}

#[test]
fn what_nobody_waits_for_any_more_is_dropped_and_counted() {
    let mut outbox = outbox(&["<a/>", "<b/>"]);
    std::thread::sleep(std::time::Duration::from_millis(2));
    let between = Instant::now();
    outbox.push("<c/>".into());
    assert_eq!(outbox.drop_older_than(between), 2);
    assert_eq!((outbox.len(), outbox.bytes()), (1, 4));
}

#[test]
fn what_is_kept_for_another_link_is_bounded() {
    let large = "x".repeat(MAX_SENT / 4);
    let mut outbox = outbox(&[&large, &large, &large, &large, "<a/>"]);
    while !outbox.is_empty() {
        let mut chunk = gathered(&outbox);
        chunk.advance(chunk.bytes.len(), &mut outbox);
    }
    assert!(outbox.sent_bytes <= MAX_SENT);
    assert!(sent_anew(&mut outbox).ends_with("<a/>") || outbox.len() == 4);
}
