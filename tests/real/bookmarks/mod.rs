//! Bookmarks: clients that keep them in private storage and clients that keep them in PEP see the
//! same rooms.

mod here;
mod modern;
mod old;
mod room;
mod slixmpp;
mod stage;
