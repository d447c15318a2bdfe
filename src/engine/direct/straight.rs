//! A blob that one repository alone lacks: what its connection reads goes out as it is, without a stop between.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::Session;
use super::blobs::Line;
use super::feed::Fed;
use crate::image::Descriptor;
use crate::registry::{BlobReader, Pieces, RegistryError, Upload};

/// How often it is told what moved.
const TICK: Duration = Duration::from_millis(100);

/// The pieces of a blob as they are read.
type Reading = Pin<Box<dyn Stream<Item = Result<Bytes, RegistryError>> + Send>>;

/// What becomes of a blob while the upload's own connection reads it and sums it up.
struct Way {
    size: u64,
    /// None once it is at its end, or nobody waits for it any more.
    reading: Mutex<Option<Reading>>,
    /// Bytes that were handed out.
    moved: AtomicU64,
    /// Since when the target has asked for no other piece; none while the upstream is waited for.
    handed: Mutex<Option<Instant>>,
    /// Why it was not read to its end.
    failed: Mutex<Option<RegistryError>>,
    /// Nothing more is read.
    over: CancellationToken,
    /// Who waits for the upstream's next piece.
    waiting: Mutex<Option<Waker>>,
}

fn open<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Way {
    fn new(reading: Reading, size: u64) -> Self {
        Self {
            size,
            reading: Mutex::new(Some(reading)),
            moved: AtomicU64::new(0),
            handed: Mutex::new(Some(Instant::now())),
            failed: Mutex::new(None),
            over: CancellationToken::new(),
            waiting: Mutex::new(None),
        }
    }

    /// The pieces of a blob. An upload whose pieces end early is none that the registry can take for whole.
    fn pieces(self: Arc<Self>) -> Pieces {
        Box::pin(futures::stream::poll_fn(move |context| {
            self.poll(context).map(|piece| piece.map(Ok))
        }))
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // Held for this one look alone: who leaves takes the reader out, although the connection may never ask again.
        let mut reading = open(&self.reading);
        let Some(pieces) = reading.as_mut() else {
            return Poll::Ready(None);
        };
        *open(&self.handed) = None;
        let Poll::Ready(read) = pieces.as_mut().poll_next(context) else {
            *open(&self.waiting) = Some(context.waker().clone());
            return Poll::Pending;
        };
        *open(&self.handed) = Some(Instant::now());
        let is_last = |piece: &Bytes| {
            let length = piece.len() as u64;
            // Nobody asks what comes after the last.
            self.moved.fetch_add(length, Ordering::Relaxed) + length == self.size
        };
        let piece = match read {
            Some(Ok(piece)) => Some(piece),
            Some(Err(error)) => {
                *open(&self.failed) = Some(error);
                None
            }
            None => None,
        };
        if piece.as_ref().is_none_or(is_last) {
            *reading = None;
            self.over.cancel();
        }
        Poll::Ready(piece)
    }

    /// For how long the target has taken nothing.
    fn held_up(&self) -> Duration {
        open(&self.handed).map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// That nothing is read any more once the upload has been left, however: a connection may outlive it.
struct Leaving<'a>(&'a Way);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let reading = open(&self.0.reading).take();
        drop(reading);
        // A connection that waits for more ends now, and not when its other side does.
        if let Some(waker) = open(&self.0.waiting).take() {
            waker.wake();
        }
    }
}

impl Session {
    /// Reads a blob and sends it along one line. `permit` is given back when all was read.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) async fn feed_straight(
        &self,
        reader: BlobReader,
        blob: &Descriptor,
        (line, upload): &(Line<'_>, Upload),
        mut permit: Option<SemaphorePermit<'_>>,
    ) -> Result<Fed, RegistryError> {
        let reading = futures::stream::try_unfold(reader, |mut reader| async {
            Ok(reader.next().await?.map(|piece| (piece, reader)))
        });
        let way = Arc::new(Way::new(Box::pin(reading), blob.size));
        let _leaving = Leaving(&way);
        let pieces = Arc::clone(&way).pieces();
        let upload = upload.clone().send(&blob.digest, blob.size, pieces);
        let mut told = 0;
        let mut tell = || {
            let moved = way.moved.load(Ordering::Relaxed);
            if moved > told {
                line.moved(moved - told);
                told = moved;
            }
        };
        let watching = async {
            while way.held_up() < self.options.transfer {
                tokio::select! {
                    () = way.over.cancelled(), if permit.is_some() => permit = None,
                    () = tokio::time::sleep(TICK) => tell(),
                }
            }
        };
        let answer = tokio::select! {
            // What has just ended well is not too slow.
            biased;
            answer = upload => Some(answer),
            () = watching => None,
        };
        tell();
        let fed = match answer {
            Some(Ok(())) => Fed::Done,
            Some(Err(error)) => Fed::Failed(error),
            None => Fed::TooSlow,
        };
        match fed {
            Fed::Done => self.has_come(line, blob),
            Fed::TooSlow | Fed::Failed(_) => line.lost(told),
        }
        let failed = open(&way.failed).take();
        failed.map_or(Ok(fed), Err)
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn who_leaves_reads_no_more_and_wakes_who_waits() {
        let upstream = Arc::new(());
        let held = Arc::clone(&upstream);
        let first = stream::iter([Ok(Bytes::from_static(b"first"))]);
        let silent = stream::poll_fn(move |_| {
            let _ = &held;
            Poll::Pending
        });
        let way = Arc::new(Way::new(Box::pin(first.chain(silent)), 10));
        let mut pieces = Arc::clone(&way).pieces();
        let leaving = Leaving(&way);
        assert_eq!(pieces.next().await.unwrap().unwrap(), "first");
        let mut waiting = tokio::spawn(async move { pieces.next().await.is_none() });
        tokio::task::yield_now().await;
        assert!((&mut waiting).now_or_never().is_none(), "the upstream is silent");
        drop(leaving);
        assert_eq!(
            Arc::strong_count(&upstream),
            1,
            "the reader has gone, whoever holds the upload"
        );
        let is_over = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(is_over.expect("it is woken").unwrap());
    }
}
