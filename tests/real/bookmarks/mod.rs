//! Bookmarks: clients that keep them in private storage and clients that keep them in PEP see the
//! same rooms.

mod announced;
mod anonymous;
#[cfg(feature = "newer-servers")]
mod at_both_nodes;
mod at_once;
mod away;
mod both_ways;
#[cfg(feature = "newer-servers")]
mod converted;
mod disturbed;
mod edges;
mod edits;
mod first_contact;
mod here;
mod instances;
mod modern;
mod old;
mod options;
mod returning;
mod room;
mod slixmpp;
mod stage;
mod trees;
#[cfg(feature = "newer-servers")]
mod twice;
