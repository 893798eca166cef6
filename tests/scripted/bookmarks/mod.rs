//! Bookmarks in step with PEP, beside a server that plays the granting host: what real ones never
//! do, or too rarely.

mod announced;
mod answers;
mod between;
mod bounds;
mod grants;
mod hostile;
mod items;
mod links;
mod logs;
mod node;
mod partly;
pub mod pep;
mod publishing;
mod silence;
mod trees;
