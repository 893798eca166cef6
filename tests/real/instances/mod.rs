//! Several instances of the program over one database: on Prosody one serves and the others stand by, on an
//! ejabberd cluster each serves the users of its own node.

mod at_each_node;
mod one_by_one;
mod stage;
