//! The documentation: links lead somewhere, what is quoted is said, and the first page stays one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::component;
use crate::support::ports;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The README is for the first minute.
#[test]
fn the_readme_is_one_page() {
    let lines = read(&Path::new(ROOT).join("README.md")).lines().count();
    assert!(lines <= 150, "{lines} lines");
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut links = 0;
    for page in pages() {
        for link in links_in(&read(&page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().expect("a folder").join(path),
            };
            let is_there =
                target.exists() && (anchor.is_empty() || anchors(&read(&target)).contains(anchor));
            if !is_there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(links > 200, "{links} links");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A page that no table of contents names is found by nobody.
#[test]
fn every_page_of_the_book_is_in_its_contents() {
    let docs = Path::new(ROOT).join("docs");
    let contents = read(&docs.join("SUMMARY.md"));
    for page in pages().into_iter().filter(|page| page.starts_with(&docs)) {
        let name = page
            .strip_prefix(&docs)
            .expect("inside")
            .display()
            .to_string();
        assert!(
            name == "SUMMARY.md" || contents.contains(&format!("({name})")),
            "{name}"
        );
    }
}

/// Whoever searches the page for what a log says must find it there, word for word.
#[test]
fn every_message_in_the_page_of_troubles_is_said_by_the_program() {
    let said = literals();
    let page = read(&Path::new(ROOT).join("docs/trouble.md"));
    let mut quotes = 0;
    let mut missing = Vec::new();
    let mut is_of_messages = false;
    for line in page.lines() {
        if !line.starts_with('|') {
            is_of_messages = false;
            continue;
        }
        let first = line
            .trim_start_matches('|')
            .split(" |")
            .next()
            .unwrap_or_default();
        if first.trim() == "message" {
            is_of_messages = true;
            continue;
        }
        for quote in first
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|_| is_of_messages)
        {
            quotes += 1;
            let quote = quote.trim_matches('…');
            if !said.iter().any(|literal| literal.contains(quote)) {
                missing.push(quote.to_owned());
            }
        }
    }
    assert!(quotes > 50, "{quotes} quotes");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_the_servers_of_several_instances_are_told_is_what_is_printed() {
    let page = read(&Path::new(ROOT).join("docs/operate/scale.md"));
    let options = component::Options {
        server: "127.0.0.1:5347".to_owned(),
        jid: "private.example.org".to_owned(),
        domains: vec!["example.org".to_owned()],
        ..component::Options::at(ports::address(5347))
    };
    let printed = |arguments: &[&str], begin: &str| {
        let all = component::print_config_with(&options, arguments);
        let at = all.find(&format!("\n{begin}")).expect("it is printed");
        all[at + 1..].trim_end().to_owned()
    };
    for (kind, block) in [
        ("lua", printed(&["prosody"], "Component ")),
        (
            "yaml",
            printed(&["ejabberd", "--server-version", "26.07"], "listen:"),
        ),
    ] {
        let block = format!("```{kind}\n{block}\n```");
        assert!(page.contains(&block), "the page does not have:\n{block}");
    }
}

/// The string literals of the program, each in one line, and with "…" for what varies.
fn literals() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["src", "crates"] {
        collect(&Path::new(ROOT).join(folder), "rs", &mut files);
    }
    let mut literals = BTreeSet::new();
    for file in files {
        let text = read(&file);
        let mut rest = text.as_str();
        while let Some(begin) = rest.find('"') {
            let (literal, behind) = literal(&rest[begin + 1..]);
            literals.insert(without_placeholders(&literal));
            rest = behind;
        }
    }
    literals
}

/// A literal whose opening quote was just passed, and what stands behind it.
fn literal(text: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (literal, &text[at + 1..]),
            '\\' => match chars.next() {
                // The line goes on.
                Some((at, '\n')) => {
                    let indent = text[at + 1..].len() - text[at + 1..].trim_start().len();
                    chars = text[at + 1 + indent..].char_indices();
                    let (more, behind) = self::literal(chars.as_str());
                    return (literal + &more, behind);
                }
                Some((_, escaped)) => literal.push(escaped),
                None => {}
            },
            c => literal.push(c),
        }
    }
    (literal, "")
}

fn without_placeholders(literal: &str) -> String {
    let mut parts = literal.split('{');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push('…');
        plain.push_str(part.split_once('}').map_or(part, |(_, rest)| rest));
    }
    plain
}

/// All that is written for people.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut pages = Vec::new();
    collect(&root.join("docs"), "md", &mut pages);
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ] {
        pages.push(root.join(name));
    }
    pages
}

fn collect(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, extension, files);
        } else if path.extension().is_some_and(|it| it == extension) {
            files.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Where `[words](…)` lead to, outside of code.
fn links_in(page: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split(')').next().unwrap_or_default();
            links.push(target.to_owned());
        }
    }
    links
}

/// The anchors of a page's headings, as forges and mdBook make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}
