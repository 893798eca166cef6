//! The subset of Lua, by itself.

use crate::lua::{Error, Table, Value, parse};

const MEMORY: usize = 20_000;

fn table(text: &str) -> Table {
    parse(text.as_bytes(), MEMORY).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn error(text: &str) -> (&'static str, usize) {
    match parse(text.as_bytes(), MEMORY) {
        Err(Error { why, at }) => (why, at),
        Ok(table) => panic!("{text}: {table:?}"),
    }
}

/// The string that stands under `k`.
fn string(text: &str) -> Vec<u8> {
    match table(&format!("return {{ k = {text} }}")).get("k") {
        Some(Value::String(string)) => string.clone(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn strings_with_all_escapes_that_lua_has() {
    for (text, expected) in [
        (r#""""#, ""),
        (r#""a'b""#, "a'b"),
        (r#"'a"b'"#, "a\"b"),
        (r#""\a\b\f\n\r\t\v\\\"\'""#, "\x07\x08\x0c\n\r\t\x0b\\\"'"),
        ("\"a\\\nb\\\r\nc\"", "a\nb\nc"),
        (r#""\1\01\0019\65b""#, "\x01\x01\x019Ab"),
        (r#""\195\188\240\159\152\128""#, "ü😀"),
        (r#""\xc3\xBC\u{1F600}""#, "ü😀"),
        ("\"a\\z \n\t b\"", "ab"),
        ("[[a\"\\n]]", "a\"\\n"),
        ("[[\na\r\nb]]", "a\nb"),
        ("[==[a]]b]=]c]==]", "a]]b]=]c"),
    ] {
        assert_eq!(string(text), expected.as_bytes(), "{text}");
    }
    assert_eq!(string(r#""\255""#), [255], "any bytes");
}

#[test]
fn tables_in_every_notation() {
    let table = table(
        "-- a comment\n--[[ another\n one ]] return { a = 1, [\"b\"] = 0x10; ['c'] = -2.5e3, \
         d = {}; [1.5] = true, [true] = nil, e = (1/0), f = (0/0); \"one\", [2] = \"two\"; \
         --[==[ x ]] ]==] [4] = \"four\", [-1] = false };\n",
    );
    assert_eq!(table.get("a"), Some(&Value::Integer(1)));
    assert_eq!(table.get("b"), Some(&Value::Integer(16)));
    assert_eq!(table.get("c"), Some(&Value::Other));
    assert_eq!(table.get("d"), Some(&Value::Table(Table::default())));
    assert_eq!(table.get("e"), Some(&Value::Other));
    assert_eq!(table.get("g"), None);
    let words = |words: [&str; 2]| words.map(|word| Value::String(word.into()));
    let sequence: Vec<Value> = table.sequence().into_iter().cloned().collect();
    assert_eq!(
        sequence,
        words(["one", "two"]),
        "up to the first that is missing"
    );
}

#[test]
fn of_two_fields_with_one_key_the_later_counts() {
    let table = table("return { a = 'x', a = 'y', [1] = 'p', [1] = 'q' }");
    assert_eq!(table.get("a"), Some(&Value::String("y".into())));
    assert_eq!(table.sequence(), [&Value::String("q".into())]);
}

#[test]
fn what_is_no_plain_data_is_an_error_with_its_place() {
    for (text, why, at) in [
        ("", "it does not begin with return", 0),
        ("item({});", "it does not begin with return", 4),
        ("return 1", "it does not return a table", 8),
        (
            "return os.execute('x')",
            "something that is not plain data",
            7,
        ),
        (
            "return { os.execute('x') }",
            "something that is not plain data",
            9,
        ),
        (
            "return { a = function() end }",
            "something that is not plain data",
            13,
        ),
        ("return { a = 'x' .. 'y' }", "a field that does not end", 17),
        ("return { a = 1 + 1 }", "a field that does not end", 15),
        ("return { a = (1) }", "something that is not plain data", 13),
        ("return { a", "something that is not plain data", 9),
        ("return { [1 }", "a key without its ]", 12),
        ("return { 'a", "a string without an end", 11),
        ("return { 'a\n' }", "a string without an end", 11),
        ("return { [[a] }", "a string without an end", 11),
        ("return { '\\q' }", "an escape that Lua does not know", 12),
        ("return { '\\256' }", "an escape that cannot be read", 14),
        ("return { '\\x1' }", "an escape that cannot be read", 13),
        (
            "return { '\\u{d800}' }",
            "an escape that cannot be read",
            18,
        ),
        ("return { 1x }", "a number that cannot be read", 9),
        ("return {} {}", "there is more than one value", 10),
        ("return {", "something that is not plain data", 8),
        ("return { --[[ ", "a string without an end", 13),
    ] {
        assert_eq!(error(text), (why, at), "{text}");
    }
}

#[test]
fn depth_and_memory_are_bounded() {
    let deep = |n: usize| format!("return {}{}", "{".repeat(n), "}".repeat(n));
    table(&deep(190));
    assert_eq!(error(&deep(191)).0, "tables nested too deeply");
    assert_eq!(error(&deep(1_000_000)).0, "tables nested too deeply");
    assert_eq!(
        error(&format!("return {{{}}}", "{},".repeat(1000))).0,
        "too much data"
    );
    assert_eq!(
        error(&format!("return {{'{}'}}", "x".repeat(30_000))).0,
        "too much data"
    );
    assert_eq!(
        error(&format!("return {{'{}'}}", "\\n".repeat(30_000))).0,
        "too much data"
    );
}
