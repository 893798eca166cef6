//! The program beside real servers.
//!
//! Whatever users' requests can show on a shared server is in `scenarios`; whatever takes a
//! server or the component down has servers of its own.

mod bookmarks;
mod check;
mod deleted;
mod encrypted;
mod formats;
mod hazards;
mod instances;
mod links;
mod local;
mod printed;
mod prosody_module;
mod reload;
mod restarts;
mod scenarios;
mod slixmpp;
mod stage;
mod tryout;
mod undelegated;
mod vanished;
