//! One read of a blob, for all that lack it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Session;
use super::blobs::Line;
use super::image::Image;
use crate::engine::registries::{failed, first};
use crate::engine::{EngineError, Side};
use crate::image::Descriptor;
use crate::registry::{BlobReader, Pieces, RegistryError, Remote, Upload};

/// The most bytes of a piece: one read of a connection may bring more, and smaller ones cost a wake-up each.
const PIECE: usize = 256 << 10;

/// Pieces of a blob that wait for one target.
const WAITING: usize = 2;

/// Bytes of all blobs together that were read and not yet sent to all who lack them, where those are several: what one alone lacks waits in
/// its connections.
pub(super) const IN_FLIGHT: usize = 16 << 20;

/// A piece of a blob on its way, and its share of what may be in memory.
struct Carried {
    piece: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Carried {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

/// How one line of a blob ended.
pub(super) enum Fed {
    /// The registry has it.
    Done,
    /// It held up the others for too long.
    TooSlow,
    /// The registry, or the way to it, failed.
    Failed(RegistryError),
}

impl Fed {
    /// Whether it is one of the tries that somebody has.
    pub(super) fn counts(&self) -> bool {
        match self {
            Self::Done => false,
            Self::TooSlow => true,
            Self::Failed(error) => !error.is_free(),
        }
    }
}

/// A blob that is being read. To drop it ends that.
struct Reading {
    pieces: mpsc::Receiver<Result<Bytes, RegistryError>>,
    _task: AbortOnDropHandle<()>,
}

impl Reading {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        match self.pieces.recv().await {
            Some(piece) => piece.map(Some),
            None => Ok(None),
        }
    }
}

/// Where the pieces of a blob go out to one target.
struct Outlet {
    /// None once it takes no more.
    sender: Option<mpsc::Sender<Bytes>>,
    /// How much later than the fastest it took its pieces, in all.
    lag: Duration,
    /// Cancelled where it is taken out for that: its upload ends.
    is_slow: CancellationToken,
    sent: u64,
}

impl Session {
    /// Reads a blob once and sends it along all lines; answers for each of them. `reading` is given back when all was read: another
    /// blob may begin while the targets have not answered yet.
    pub(super) async fn feed(
        &self,
        image: &Image,
        sources: &[Remote],
        blob: &Descriptor,
        lines: &[(Line<'_>, Upload)],
        reading: Option<SemaphorePermit<'_>>,
    ) -> Result<Vec<Fed>, EngineError> {
        let reader = self.reader(image, sources, blob).await?;
        if let [one] = lines
            && blob.size > 0
        {
            let fed = self.feed_straight(reader, blob, one, reading).await;
            return fed.map(|fed| vec![fed]).map_err(|error| unread(image, blob, error));
        }
        let mut blob_read = self.read_apart(reader);
        let over = CancellationToken::new();
        let mut outlets = Vec::new();
        let mut uploads = Vec::new();
        for (line, upload) in lines {
            let is_slow = CancellationToken::new();
            let (outlet, inlet) = mpsc::channel(WAITING);
            outlets.push(Outlet {
                sender: Some(outlet),
                lag: Duration::ZERO,
                is_slow: is_slow.clone(),
                sent: 0,
            });
            let pieces: Pieces = Box::pin(futures::stream::unfold(inlet, |mut inlet| async move {
                let piece: Bytes = inlet.recv().await?;
                Some((Ok(piece), inlet))
            }));
            let upload = self.answer(
                upload.clone().send(&blob.digest, blob.size, pieces),
                over.clone(),
                is_slow,
            );
            uploads.push(async {
                let answer = upload.await;
                if matches!(answer, Some(Ok(()))) {
                    self.has_come(line, blob);
                }
                answer
            });
        }
        let feeding = async {
            let fed = self.pump(&mut blob_read, &mut outlets, lines).await;
            drop(reading);
            // An upload whose pieces end early is none that the registry can take for whole.
            outlets.iter_mut().for_each(|outlet| outlet.sender = None);
            over.cancel();
            fed
        };
        let (fed, answers) = tokio::join!(feeding, join_all(uploads));
        let outcomes = answers
            .into_iter()
            .zip(outlets)
            .zip(lines)
            .map(|((answer, outlet), (line, _))| {
                let fed = match answer {
                    Some(Ok(())) => Fed::Done,
                    _ if outlet.is_slow.is_cancelled() => Fed::TooSlow,
                    Some(Err(error)) => Fed::Failed(error),
                    None => Fed::TooSlow,
                };
                if !matches!(fed, Fed::Done) {
                    line.lost(outlet.sent);
                }
                fed
            });
        let outcomes: Vec<Fed> = outcomes.collect();
        match fed {
            Ok(()) => Ok(outcomes),
            Err(error) => Err(unread(image, blob, error)),
        }
    }

    /// The registry has taken a blob.
    pub(super) fn has_come(&self, line: &Line<'_>, blob: &Descriptor) {
        self.note(line.repository(), blob);
        line.is_through();
    }

    /// An upload's end; none where it was too slow, or the registry does not answer in time once all was sent.
    async fn answer(
        &self,
        upload: impl Future<Output = Result<(), RegistryError>>,
        over: CancellationToken,
        is_slow: CancellationToken,
    ) -> Option<Result<(), RegistryError>> {
        let patience = async {
            over.cancelled().await;
            tokio::time::sleep(self.options.transfer).await;
        };
        tokio::select! {
            answer = upload => Some(answer),
            () = patience => None,
            () = is_slow.cancelled() => None,
        }
    }

    async fn reader(&self, image: &Image, sources: &[Remote], blob: &Descriptor) -> Result<BlobReader, EngineError> {
        let read = async |remote: Remote| match blob.is_foreign() {
            true => remote.foreign_blob(&blob.urls, &blob.digest, blob.size).await,
            false => remote.blob(&blob.digest, blob.size).await,
        };
        let reader = first(sources, read).await;
        reader.map_err(|error| unread(image, blob, error))
    }

    /// Reads a blob on a task of its own: blobs are summed up on all cores, and not on the one that the run itself is on.
    fn read_apart(&self, mut reader: BlobReader) -> Reading {
        let (outlet, pieces) = mpsc::channel(1);
        let room = Arc::clone(&self.room);
        let task = tokio::spawn(async move {
            loop {
                let read = match reader.next().await {
                    Ok(Some(read)) => read,
                    Ok(None) => return,
                    Err(error) => {
                        // Whoever has gone does not need to know.
                        let _ = outlet.send(Err(error)).await;
                        return;
                    }
                };
                for piece in read.chunks(PIECE) {
                    if outlet.send(Ok(carried(piece, &room).await)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Reading {
            pieces,
            _task: AbortOnDropHandle::new(task),
        }
    }

    async fn pump(
        &self,
        reading: &mut Reading,
        outlets: &mut [Outlet],
        lines: &[(Line<'_>, Upload)],
    ) -> Result<(), RegistryError> {
        while let Some(piece) = reading.next().await? {
            self.offer(outlets, &piece).await;
            let taking = outlets.iter_mut().zip(lines);
            for (outlet, (line, _)) in taking.filter(|(outlet, _)| outlet.sender.is_some()) {
                outlet.sent += piece.len() as u64;
                line.moved(piece.len() as u64);
            }
            if outlets.iter().all(|outlet| outlet.sender.is_none()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands one piece to every line that still takes pieces. One alone may take its time; of several, each may be behind the fastest
    /// for so long in all.
    async fn offer(&self, outlets: &mut [Outlet], piece: &Bytes) {
        let began = Instant::now();
        let alone = outlets.iter().filter(|outlet| outlet.sender.is_some()).count() == 1;
        let took = join_all(outlets.iter().map(|outlet| async {
            let sender = outlet.sender.as_ref()?;
            let patience = match alone {
                true => self.options.transfer,
                false => self.options.lag.saturating_sub(outlet.lag),
            };
            match tokio::time::timeout(patience, sender.send(piece.clone())).await {
                Ok(Ok(())) => Some(Ok(began.elapsed())),
                // The upload has ended already, which tells why.
                Ok(Err(_)) => None,
                Err(_) => Some(Err(())),
            }
        }))
        .await;
        let fastest = took.iter().flatten().flatten().min().copied().unwrap_or_default();
        for (outlet, took) in outlets.iter_mut().zip(took) {
            match took {
                Some(Ok(took)) => outlet.lag += took.saturating_sub(fastest),
                Some(Err(())) => {
                    outlet.is_slow.cancel();
                    outlet.sender = None;
                }
                None => outlet.sender = None,
            }
        }
    }
}

/// Waits until there is room for a piece. The room is free again when the last line has sent it. It is a copy: a part of what a
/// connection has read keeps all of its buffer, some times that part's size, and makes the connection get another.
async fn carried(piece: &[u8], room: &Arc<Semaphore>) -> Bytes {
    let share = u32::try_from(piece.len()).unwrap_or(u32::MAX);
    let room = Arc::clone(room).acquire_many_owned(share).await;
    Bytes::from_owner(Carried {
        piece: piece.to_vec(),
        _room: room.ok(),
    })
}

/// Says which blob it is, where the registry does not.
fn unread(image: &Image, blob: &Descriptor, error: RegistryError) -> EngineError {
    let mut error = failed("read a layer of", Side::Upstream, &image.upstream, error);
    if let EngineError::Registry { message, .. } = &mut error
        && !message.contains(blob.digest.as_str())
    {
        message.insert_str(0, &format!("{}: ", blob.digest));
    }
    error
}
