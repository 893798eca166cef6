//! The page for a browser: how the service is, at a glance. Whoever can reach the port can read it, so
//! it says nothing that `/metrics` does not.

use chrono::{DateTime, Utc};

use crate::clock;
use crate::stanza::escape_text;
use crate::status::words::{between, bytes, count, lasting, moment};
use crate::status::{Bookmarks, Known, KnownDomain, KnownLimit, KnownLink, KnownStore, Place};

/// How it looks. Colours are never alone in saying something.
const STYLE: &str = "
:root {
  color-scheme: light dark;
  --back: #f4f5f7; --card: #ffffff; --text: #1d2127; --dim: #5a636e; --line: #d9dee4;
  --link: #0a56b8; --good: #14693a; --warn: #835400; --bad: #b3192b;
  --good-back: #e3f4e8; --bad-back: #fbe6e7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171b; --card: #1d2126; --text: #e4e8ec; --dim: #9ba5b0; --line: #343b43;
    --link: #7db4f5; --good: #6ccb8c; --warn: #e3b04b; --bad: #f58a8f;
    --good-back: #17301f; --bad-back: #3a1c20;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 2rem 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif;
}
main { max-width: 44rem; margin: 0 auto; }
h1 { margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 0 0 .5rem; font-size: 1.05rem; }
p { margin: 0; }
a { color: var(--link); }
section, .verdict {
  margin: 0 0 1rem; padding: 1rem 1.25rem; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--card); overflow-x: auto;
}
.verdict { font-size: 1.1rem; border-left: .4rem solid; }
.verdict.good { background: var(--good-back); border-color: var(--good); }
.verdict.bad { background: var(--bad-back); border-color: var(--bad); }
.verdict.calm { border-color: var(--dim); }
.good b { color: var(--good); } .warn b { color: var(--warn); } .bad b { color: var(--bad); }
span.good, span.calm, span.warn, span.bad { display: inline-block; padding-left: 1.5em; text-indent: -1.5em; }
b { display: inline-block; width: 1.2em; text-indent: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: 0; }
dt { color: var(--dim); } dd { margin: 0; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .3rem 1.25rem .3rem 0; text-align: left; vertical-align: top; }
thead th { color: var(--dim); font-weight: normal; }
tbody th { font-weight: 600; overflow-wrap: break-word; }
tbody tr { border-top: 1px solid var(--line); }
dd time, .dim { white-space: nowrap; }
.dim, footer { color: var(--dim); }
footer { font-size: .9rem; }
@media (max-width: 40rem) {
  section { padding: 1rem; } th, td { padding-right: .75rem; font-size: .9rem; }
}
@media (max-width: 30rem) {
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
}
";

/// The page as of now.
pub fn of(known: &Known) -> String {
    let now: DateTime<Utc> = clock::wall().into();
    let (title, class, verdict) = match (&known.not_alive, &known.not_ready) {
        (None, None) => (
            "ready",
            "good",
            said(Sign::Good, "Ready: users are served."),
        ),
        (Some(_), _) => {
            let why = "Stuck: users are not served. <a href=\"livez\">Why?</a>";
            ("stuck", "bad", said(Sign::Bad, why))
        }
        (None, Some(_)) if known.stands_by_well() => {
            let what = "Standing by: another instance is connected to the server.";
            ("standing by", "calm", said(Sign::Neutral, what))
        }
        (None, Some(_)) => {
            let why = "Not ready: users are not served. <a href=\"readyz\">Why?</a>";
            ("not ready", "bad", said(Sign::Bad, why))
        }
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Private storage: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Private storage</h1>\n<p class=\"verdict {class}\">{verdict}</p>\n"
    );
    page.push_str(&section("Service", &service(known, &now)));
    page.push_str(&section(
        "Domains",
        &domains(&known.domains, known.link.is_up),
    ));
    page.push_str(&section("Store", &store(&known.store)));
    page.push_str(&section("Limits", &limits(&known.limits)));
    page.push_str(&format!(
        "<footer>\n<p>As of {}. <a href=\"metrics\">Metrics</a> · <a href=\"livez\">alive?</a> · \
         <a href=\"readyz\">ready?</a></p>\n<p>On the machine itself, <code>xmpp-private-storage \
         status</code> tells more.</p>\n</footer>\n</main>\n</body>\n</html>\n",
        time(&now)
    ));
    page
}

#[derive(Clone, Copy)]
enum Sign {
    Good,
    Neutral,
    Warning,
    Bad,
}

/// A mark, and the words without which it says nothing to whoever does not see it.
fn said(sign: Sign, words: &str) -> String {
    let (class, mark) = match sign {
        Sign::Good => ("good", "✓"),
        Sign::Neutral => ("calm", "·"),
        Sign::Warning => ("warn", "!"),
        Sign::Bad => ("bad", "✗"),
    };
    format!("<span class=\"{class}\"><b aria-hidden=\"true\">{mark}</b> {words}</span>")
}

fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{content}</section>\n")
}

fn time(at: &DateTime<Utc>) -> String {
    let machine = at.format("%Y-%m-%dT%H:%M:%SZ");
    format!("<time datetime=\"{machine}\">{}</time>", moment(at))
}

fn since(at: &DateTime<Utc>, now: &DateTime<Utc>) -> String {
    let lasted = lasting(between(at, now));
    format!("since {} <span class=\"dim\">({lasted})</span>", time(at))
}

fn list(rows: &[(&str, String)]) -> String {
    let rows: String = rows
        .iter()
        .map(|(term, value)| format!("<dt>{term}</dt><dd>{value}</dd>\n"))
        .collect();
    format!("<dl>\n{rows}</dl>\n")
}

fn service(known: &Known, now: &DateTime<Utc>) -> String {
    let KnownLink {
        is_up,
        stands_by,
        since: at,
        ..
    } = &known.link;
    let since_then = since(at, now);
    let link = match (is_up, stands_by) {
        (true, _) => said(Sign::Good, &format!("logged in {since_then}")),
        (false, true) => said(
            Sign::Neutral,
            &format!("standing by, not logged in {since_then}"),
        ),
        (false, false) => said(Sign::Bad, &format!("not logged in {since_then}")),
    };
    let mut version = String::new();
    escape_text(&known.version, &mut version);
    list(&[
        ("Version", version),
        ("Running", since(&known.started, now)),
        ("Link", link),
    ])
}

/// What they say is said on a link.
fn domains(domains: &[KnownDomain], is_linked: bool) -> String {
    const UNKNOWN: &str = "<span class=\"dim\">not known without a link</span>";
    let wants_bookmarks = domains.iter().any(|it| it.bookmarks != Bookmarks::Off);
    let wants_delegation = domains.iter().any(|it| it.delegates.is_some());
    let mut columns = vec!["Domain"];
    columns.extend(wants_delegation.then_some("Delegation"));
    columns.extend(wants_bookmarks.then_some("Room bookmarks"));
    let rows = domains.iter().map(|domain| {
        let mut name = String::new();
        escape_text(&domain.name, &mut name);
        let mut row = vec![name];
        row.extend(domain.delegates.map(|delegates| match delegates {
            _ if !is_linked => UNKNOWN.to_owned(),
            true => said(Sign::Good, "delegates"),
            false => said(Sign::Bad, "does not delegate"),
        }));
        row.extend(wants_bookmarks.then(|| match domain.bookmarks {
            _ if !is_linked => UNKNOWN.to_owned(),
            state => bookmarks(state),
        }));
        row
    });
    table(&columns, rows)
}

fn bookmarks(state: Bookmarks) -> String {
    match state {
        Bookmarks::InStep => said(Sign::Good, "in step with PEP"),
        Bookmarks::Off => "not kept in step".to_owned(),
        Bookmarks::NoAccess => said(Sign::Warning, "not in step: no access to PEP"),
        Bookmarks::Silent => said(Sign::Warning, "not in step: PEP does not answer"),
    }
}

fn store(store: &KnownStore) -> String {
    let state = match (store.failed, &store.place) {
        (false, _) => said(Sign::Good, "works"),
        (true, Place::Folder(_)) => said(Sign::Bad, "has failed; the log says why"),
        (true, Place::Database(_)) => said(
            Sign::Bad,
            "the database cannot be reached; the log says why",
        ),
    };
    let stored = match (store.stored, &store.place) {
        (Some(stored), _) => {
            let owners = count(stored.owners, "user", "users");
            format!("{} of {owners}", bytes(stored.bytes))
        }
        (None, Place::Folder(_)) => "not counted yet".to_owned(),
        (None, Place::Database(_)) => "not counted yet, or by another instance".to_owned(),
    };
    list(&[("State", state), ("Stored", stored)])
}

fn limits(limits: &[KnownLimit]) -> String {
    if limits.is_empty() {
        let none = said(Sign::Good, "None was reached since the start.");
        return format!("<p>{none}</p>\n");
    }
    let rows = limits.iter().map(|limit| {
        let mut name = String::new();
        escape_text(&limit.name, &mut name);
        let refused = count(limit.refused, "request", "requests");
        vec![name, said(Sign::Warning, &refused), time(&limit.last)]
    });
    table(&["Limit", "Refused since the start", "Last"], rows)
}

/// The first cell of each row says what the row is about.
fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head: String = columns
        .iter()
        .map(|column| format!("<th scope=\"col\">{column}</th>"))
        .collect();
    let mut table = format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
    for row in rows {
        table.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            table.push_str(&match column {
                0 => format!("<th scope=\"row\">{cell}</th>"),
                _ => format!("<td>{cell}</td>"),
            });
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody>\n</table>\n");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration takes no such name, and the page does not rely on that.
    #[test]
    fn a_name_is_never_read_as_a_tag() {
        let hostile = KnownDomain {
            name: "<script>&amp;.example".to_owned(),
            delegates: Some(true),
            grants: true,
            bookmarks: Bookmarks::InStep,
        };
        let page = domains(&[hostile], true);
        let escaped = "<th scope=\"row\">&lt;script&gt;&amp;amp;.example</th>";
        assert!(page.contains(escaped), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }
}
