//! A blob that one repository alone lacks: what its connection reads goes out as it is, without a stop between.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::Session;
use super::blobs::Line;
use super::feed::Fed;
use crate::image::Descriptor;
use crate::registry::{BlobReader, Pieces, RegistryError, Upload};

/// How often it is told what moved.
const TICK: Duration = Duration::from_millis(100);

/// What becomes of a blob while the upload's own connection reads it and sums it up.
struct Way {
    size: u64,
    /// Bytes that were handed out.
    moved: AtomicU64,
    /// Since when the target has a piece and asks for no other; none while the upstream is waited for.
    handed: Mutex<Option<Instant>>,
    /// Why it was not read to its end.
    failed: Mutex<Option<RegistryError>>,
    /// Nothing more is read.
    over: CancellationToken,
}

impl Way {
    /// The pieces of a blob. An upload whose pieces end early is none that the registry can take for whole.
    fn pieces(self: Arc<Self>, reader: BlobReader) -> Pieces {
        Box::pin(futures::stream::unfold((reader, self), |(mut reader, way)| async {
            let piece = way.next(&mut reader).await?;
            Some((Ok(piece), (reader, way)))
        }))
    }

    async fn next(&self, reader: &mut BlobReader) -> Option<Bytes> {
        self.hand(None);
        let read = reader.next().await;
        if let Ok(Some(piece)) = read {
            let length = piece.len() as u64;
            let before = self.moved.fetch_add(length, Ordering::Relaxed);
            // Nobody asks what comes after the last.
            if before + length == self.size {
                self.over.cancel();
            }
            self.hand(Some(Instant::now()));
            return Some(piece);
        }
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = read.err();
        self.over.cancel();
        None
    }

    fn hand(&self, since: Option<Instant>) {
        *self.handed.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// For how long the target has taken nothing.
    fn held_up(&self) -> Duration {
        let handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        handed.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Session {
    /// Reads a blob and sends it along one line. `reading` is given back when all was read.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) async fn feed_straight(
        &self,
        reader: BlobReader,
        blob: &Descriptor,
        (line, upload): &(Line<'_>, Upload),
        mut reading: Option<SemaphorePermit<'_>>,
    ) -> Result<Fed, RegistryError> {
        let way = Arc::new(Way {
            size: blob.size,
            moved: AtomicU64::new(0),
            handed: Mutex::new(None),
            failed: Mutex::new(None),
            over: CancellationToken::new(),
        });
        let pieces = Arc::clone(&way).pieces(reader);
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
                    () = way.over.cancelled(), if reading.is_some() => reading = None,
                    () = tokio::time::sleep(TICK) => tell(),
                }
            }
        };
        let answer = tokio::select! {
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
            Fed::Done => {
                self.note(line.repository(), blob);
                line.is_through();
            }
            Fed::TooSlow | Fed::Failed(_) => line.lost(told),
        }
        let failed = way.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(fed), Err)
    }
}
