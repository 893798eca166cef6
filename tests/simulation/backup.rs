//! A store is backed up, and restored into an empty one: by what `backup` and `restore` are made of, without their files.

use tokio::sync::oneshot;
use xmpp_private_storage::archive::{self, Reader};
use xmpp_private_storage::owners::sound::Sound;
use xmpp_private_storage::owners::{LocalStore, OwnersError, for_each_document};
use xmpp_private_storage::store::{Existing, Store};

use super::instance::Kept;
use super::life::Life;
use super::predicate::{self, Violation};
use super::world::World;

impl World {
    /// What is stored is kept in a backup, and nowhere else: the next process begins with that.
    pub fn back_up(&mut self) {
        self.tell(|| "the store is backed up, and restored into an empty one".to_owned());
        let life = self.instances.iter().find_map(|it| it.life.as_ref());
        let Some(store) = life.and_then(Life::store) else {
            return;
        };
        match backup(store) {
            Ok(backup) => {
                self.backup = Some(backup);
                self.kept = Kept::of(&self.plan);
            }
            Err(why) => self.fail(Violation::new(predicate::RESTORED, why.to_string())),
        }
    }
}

fn backup(store: Store) -> Result<Vec<u8>, OwnersError> {
    let mut bytes = archive::HEADER.as_bytes().to_vec();
    let mut owners = 0;
    for_each_document(&LocalStore::without_limits(store), |document| {
        owners += 1;
        archive::write(&document, &mut bytes);
        Ok::<_, OwnersError>(())
    })?;
    archive::write_end(owners, &mut bytes);
    Ok(bytes)
}

/// Puts all of it into this store, which is empty.
pub async fn restore(store: &Store, backup: &[u8]) -> Result<(), String> {
    let place = LocalStore::without_limits(store.clone());
    let mut reader = Reader::of_backup(backup).map_err(|it| it.to_string())?;
    while let Some(document) = reader.next_document().map_err(|it| it.to_string())? {
        let sound = Sound::whole(document).map_err(|it| it.to_string())?;
        let (done, result) = oneshot::channel();
        place.submit(sound, Existing::Replace, |it| drop(done.send(it)));
        match result.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("the store was closed".to_owned()),
        }
    }
    Ok(())
}
