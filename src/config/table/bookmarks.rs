//! `[bookmarks]`: whether room bookmarks are kept in step with PEP.

use super::super::types::BookmarksMode;
use super::{Setting, Value};

pub(super) const SETTINGS: &[Setting] = &[
    setting!(
        bookmarks.mode,
        Value::Default("\"pep\""),
        at once,
        "\"pep\": on each domain whose server gives the component access to PEP (XEP-0356; \
         `print-config` prints how), the room bookmarks of old clients (storage:bookmarks) and \
         those of modern ones (XEP-0402) are kept in step. On other domains, and with \"off\", \
         private storage stands alone.",
        |given| given.choice(&[("pep", BookmarksMode::Pep), ("off", BookmarksMode::Off)])?
    ),
    setting!(
        bookmarks.max_rooms,
        Value::Default("250"),
        at once,
        "Bookmarks with more rooms than this are refused while they are kept in step with PEP: \
         Prosody keeps 256 (its pep_max_items), ejabberd 1000, and both drop the oldest beyond \
         that without a word.",
        |given| given.whole(1..=10_000, "a number of rooms")?
    ),
];
