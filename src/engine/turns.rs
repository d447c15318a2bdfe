//! One at a time, for each thing that two copies must not touch at once.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Who is at work on what.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Turns {
    /// Waits until nobody else is at work on `thing`; the turn ends when what is answered is dropped.
    pub(super) async fn wait_for(&self, thing: String) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(self.0.lock().await.entry(thing).or_default());
        turn.lock_owned().await
    }
}
