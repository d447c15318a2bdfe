//! What was made from which upstream digest.
//!
//! A Docker daemon may push another digest than it pulled, so that the two sides of a copy can not be compared by digest
//! alone. The ledger remembers that pair, which saves the next run a pull. It is only ever a saving: an entry counts for
//! exactly the digests and platforms that it names, and without one the images themselves are compared. It is kept in a file,
//! or in an object of Amazon S3 that several runs write.

mod entries;
mod lock;
mod object;
mod place;

pub use lock::{Holder, Lock, LockError};
pub use place::Place;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::entries::Entries;
use self::object::Shared;
use crate::aws::{AwsError, AwsOptions};
use crate::image::{Attestations, Digest, ImageRef, Platforms, Repository, Tag};

/// The shape of the file; another one is read as if there were none.
const VERSION: u32 = 2;

/// What a target's tag was when it was last known to hold its upstream's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The target's digest.
    pub digest: Digest,
    /// The upstream repository.
    pub upstream: Repository,
    /// The digest that upstream's tag had.
    pub from: Digest,
    /// The platforms that were asked for.
    pub platforms: Platforms,
    /// What was asked for of attestations.
    #[serde(default)]
    pub attestations: Attestations,
    /// Whether somebody put it in the place of what the upstream has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_back: bool,
    /// When this was found.
    pub at: Timestamp,
}

impl Made {
    /// Whether this is how a target came to name `target`: made of exactly this of the upstream. What was rolled back was so from whatever
    /// was wanted of that.
    pub fn is_of(
        &self,
        target: &Digest,
        upstream: &Repository,
        from: &Digest,
        wanted: (&Platforms, Attestations),
    ) -> bool {
        self.digest == *target
            && self.upstream == *upstream
            && self.from == *from
            && (self.rolled_back || (&self.platforms, self.attestations) == wanted)
    }
}

/// What an upstream's tag names, and since when that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The digest.
    pub digest: Digest,
    /// When a run saw it first.
    pub since: Timestamp,
}

/// All [`Made`] that are remembered, by all who work in this process.
#[derive(Debug)]
pub struct Ledger {
    /// One at a time writes it.
    store: tokio::sync::Mutex<Store>,
    /// How often it is written at most.
    save_every: Duration,
    known: Mutex<Known>,
}

/// What is remembered, and what of it is kept.
#[derive(Debug, Default)]
struct Known {
    entries: Entries,
    saved: Option<Instant>,
    /// Whether something was noted that is not kept yet.
    is_changed: bool,
}

#[derive(Debug)]
enum Store {
    File {
        path: PathBuf,
        /// What is there is no ledger that can be read: it makes room for one, and is not lost.
        is_other: bool,
    },
    Object(Shared),
    /// It is forgotten with the run.
    Nowhere,
}

/// A ledger that cannot be used as it is.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be read.
    #[error("read the ledger {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// It is not in the shape that this program writes.
    #[error("the ledger {place} is not one that this version can read: {why}")]
    Corrupt {
        /// The file, or `s3://BUCKET/KEY`.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// It cannot be written.
    #[error("write the ledger {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Amazon S3 did not do what it was asked for.
    #[error("{attempt} the ledger {object}")]
    Object {
        /// What was to be done.
        attempt: &'static str,
        /// `s3://BUCKET/KEY`.
        object: String,
        /// What S3 said.
        #[source]
        source: AwsError,
    },
    /// Amazon S3 took too long.
    #[error("write the ledger {object}: not done within {seconds} s")]
    Late {
        /// `s3://BUCKET/KEY`.
        object: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Each time that it was to be written, somebody else had just done so.
    #[error("write the ledger {object}: others wrote it {times} times in a row meanwhile")]
    Contended {
        /// `s3://BUCKET/KEY`.
        object: String,
        /// How often it was tried.
        times: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct File<Entries> {
    version: u32,
    #[serde(flatten)]
    entries: Entries,
}

impl Ledger {
    /// The ledger at `place`, which `aws` leads to where that is in S3; one that is not there yet is empty.
    ///
    /// An unusable one is empty too, and is handed over with what is wrong: it costs time, never correctness.
    pub async fn open(place: &Place, aws: &AwsOptions) -> (Self, Option<LedgerError>) {
        let (store, read) = match place {
            Place::File(path) => {
                let read = read(path);
                let store = Store::File {
                    path: path.clone(),
                    is_other: matches!(read, Err(LedgerError::Corrupt { .. })),
                };
                (store, read)
            }
            Place::Object { bucket, key } => match Shared::connect(aws, bucket, key).await {
                Ok(mut shared) => {
                    let read = shared.read().await;
                    (Store::Object(shared), read)
                }
                Err(error) => (Store::Nowhere, Err(error)),
            },
        };
        let (entries, trouble) = match read {
            Ok(entries) => (entries, None),
            Err(trouble) => (Entries::default(), Some(trouble)),
        };
        (Self::with(store, entries), trouble)
    }

    /// One that is forgotten with the run.
    pub fn in_memory() -> Self {
        Self::with(Store::Nowhere, Entries::default())
    }

    fn with(store: Store, entries: Entries) -> Self {
        let known = Known {
            entries,
            ..Known::default()
        };
        Self {
            save_every: store.save_every(),
            store: store.into(),
            known: known.into(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the image at `target` was last made from.
    pub fn of(&self, target: &ImageRef) -> Option<Made> {
        self.known().entries.made.get(target).cloned()
    }

    /// Forgets what the image at `target` was made from; that is kept with the next [`save`](Self::save).
    pub fn forget(&self, target: &ImageRef) {
        let mut known = self.known();
        known.is_changed |= known.entries.made.remove(target).is_some();
    }

    /// Since when an upstream's tag is known to name this digest.
    pub fn first_seen(&self, tag: &ImageRef, digest: &Digest) -> Option<Timestamp> {
        let known = self.known();
        let seen = known.entries.seen.get(tag).filter(|seen| seen.digest == *digest);
        seen.map(|seen| seen.since)
    }

    /// Notes that an upstream's tag names this digest; it is kept with the next [`save`](Self::save). What it named before is forgotten.
    pub fn see(&self, tag: &ImageRef, digest: &Digest, now: Timestamp) {
        if self.first_seen(tag, digest).is_none() {
            let seen = Seen {
                digest: digest.clone(),
                since: now,
            };
            let mut known = self.known();
            known.entries.seen.insert(tag.clone(), seen);
            known.is_changed = true;
        }
    }

    /// Notes that a target is kept for it may be the last of its kind; it is kept with the next [`save`](Self::save).
    pub fn protect(&self, target: &ImageRef, now: Timestamp) {
        let mut known = self.known();
        known.is_changed |= !known.entries.protected.contains_key(target);
        known.entries.protected.entry(target.clone()).or_insert(now);
    }

    /// All tags of a repository that are kept for they may be the last of their kind, and since when; by whichever name of ECR's the registry was written.
    pub fn protected_in(&self, host: &str, name: &str) -> Vec<(Tag, Timestamp)> {
        self.known().entries.protected_in(host, name)
    }

    /// Remembers `made` of `target`, where the ledger is kept too: in a moment, or with the next [`save`](Self::save).
    pub async fn record(&self, target: ImageRef, made: Made) -> Result<(), LedgerError> {
        let is_due = {
            let mut known = self.known();
            known.entries.made.insert(target, made);
            known.is_changed = true;
            known.saved.is_none_or(|saved| saved.elapsed() >= self.save_every)
        };
        match is_due {
            true => self.save().await,
            false => Ok(()),
        }
    }

    /// Whether nothing is remembered, as where it is not there yet.
    pub fn is_empty(&self) -> bool {
        self.known().entries == Entries::default()
    }

    /// Whether something was noted that is not kept yet.
    pub fn is_changed(&self) -> bool {
        self.known().is_changed
    }

    /// Writes everything that is remembered. What others have written into the same object meanwhile stays.
    pub async fn save(&self) -> Result<(), LedgerError> {
        // Whoever else is due by now leaves it to this one.
        self.known().saved = Some(Instant::now());
        let mut store = self.store.lock().await;
        let mut entries = {
            let mut known = self.known();
            known.is_changed = false;
            known.entries.clone()
        };
        let saved = match &mut *store {
            Store::File { path, is_other } => {
                let written = write(path, is_other, &entries);
                written.map_err(|source| LedgerError::Write {
                    path: path.clone(),
                    source: source.into(),
                })
            }
            Store::Object(shared) => {
                let saved = shared.save(&mut entries).await;
                self.known().entries.add(entries);
                saved
            }
            Store::Nowhere => Ok(()),
        };
        self.known().is_changed |= saved.is_err();
        saved
    }
}

impl Store {
    /// It is written whole, so not for each of thousands of images. What a kill loses costs the next run a pull.
    fn save_every(&self) -> Duration {
        match self {
            Self::File { .. } | Self::Nowhere => Duration::from_secs(1),
            Self::Object(_) => Duration::from_secs(30),
        }
    }
}

fn read(path: &Path) -> Result<Entries, LedgerError> {
    let read = || match path.metadata()?.is_file() {
        true => std::fs::read(path),
        // A pipe would keep us waiting, a device have no end.
        false => Err(io::Error::other("it is there and is no regular file")),
    };
    match read() {
        Ok(bytes) => parse(&bytes, || path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Entries::default()),
        Err(source) => Err(LedgerError::Read {
            path: path.to_owned(),
            source: source.into(),
        }),
    }
}

fn write(path: &Path, is_other: &mut bool, entries: &Entries) -> io::Result<()> {
    if *is_other {
        set_aside(path)?;
        *is_other = false;
    }
    crate::atomic::write_json(path, &file(entries))
}

/// Gives what is at `path` another name beside it, one that nothing has yet.
fn set_aside(path: &Path) -> io::Result<()> {
    let name = |number: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".set-aside-{number}"));
        PathBuf::from(name)
    };
    let free = (1..).map(name).find(|name| !name.exists());
    let aside = free.ok_or_else(|| io::Error::other("there is no free name beside it"))?;
    tracing::warn!("{} is no ledger: it is {} from now on", path.display(), aside.display());
    std::fs::rename(path, aside)
}

/// What is written of entries.
fn file(entries: &Entries) -> File<&Entries> {
    File {
        version: VERSION,
        entries,
    }
}

fn parse(bytes: &[u8], place: impl Fn() -> String) -> Result<Entries, LedgerError> {
    let corrupt = |why: String| LedgerError::Corrupt { place: place(), why };
    let file: File<Entries> = serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
    match file.version {
        VERSION => Ok(file.entries),
        other => Err(corrupt(format!("version {other}, not {VERSION}"))),
    }
}
