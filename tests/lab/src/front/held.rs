//! Requests that wait for their release.

use tokio::sync::watch;

/// All that wait at one front.
#[derive(Debug)]
pub(crate) struct Held {
    generation: watch::Sender<u64>,
    count: watch::Sender<usize>,
}

impl Default for Held {
    fn default() -> Held {
        Held {
            generation: watch::channel(0).0,
            count: watch::channel(0).0,
        }
    }
}

impl Held {
    pub(super) async fn wait(&self) {
        struct Leave<'a>(&'a Held);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.count.send_modify(|count| *count -= 1);
            }
        }
        let mut generation = self.generation.subscribe();
        self.count.send_modify(|count| *count += 1);
        // Also when the client goes away while it waits.
        let _leave = Leave(self);
        let _ = generation.changed().await;
    }

    pub(crate) fn release(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Waits until this many requests are held at once.
    pub(crate) async fn reached(&self, wanted: usize) {
        let mut count = self.count.subscribe();
        let _ = count.wait_for(|count| *count >= wanted).await;
    }
}
