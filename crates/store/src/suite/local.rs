//! The rigs of this crate's own engines.

use std::path::Path;
use std::sync::Arc;

use super::Rig;
use crate::memory::Memory;
use crate::{Options, Store};

pub(crate) const OPTIONS: Options = Options {
    cache_bytes: 8 * 1024 * 1024,
    compact_above_bytes: u64::MAX,
};

impl Rig for Memory {
    fn open(&self) -> Store {
        let memory = Arc::new(self.clone());
        Store::over(Arc::clone(&memory) as _, memory, u64::MAX).unwrap()
    }
}

impl Rig for tempfile::TempDir {
    fn open(&self) -> Store {
        open(&self.path().join("data"))
    }
}

/// For tests of one engine or one trouble.
pub(crate) fn open(folder: &Path) -> Store {
    Store::open(folder, &OPTIONS).unwrap()
}
