//! What was made from which upstream digest.
//!
//! A Docker daemon may push another digest than it pulled, so that the two sides of a copy can not be compared by digest
//! alone. The ledger remembers that pair, which saves the next run a pull. It is only ever a saving: an entry counts for
//! exactly the digests and platforms that it names, and without one the images themselves are compared.

mod lock;

pub use lock::{Holder, Lock, LockError};

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::{Attestations, Digest, ImageRef, Platforms, Repository};

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
    /// When this was found.
    pub at: Timestamp,
}

impl Made {
    /// Whether this is how a target came to name `target`: made of exactly this of the upstream.
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
            && (&self.platforms, self.attestations) == wanted
    }
}

/// A file of [`Made`], one entry a target's tag.
#[derive(Debug)]
pub struct Ledger {
    /// None for one that nobody keeps.
    path: Option<PathBuf>,
    made: BTreeMap<ImageRef, Made>,
    saved: Option<Instant>,
}

/// The file is written whole, so not for each of thousands of images. What a kill loses costs the next run a pull.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// A ledger that cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It is there and cannot be read.
    #[error("read the ledger {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is not in the shape that this program writes.
    #[error("the ledger {} is not one that this version can read: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It cannot be written.
    #[error("write the ledger {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct File<Entries> {
    version: u32,
    made: Entries,
}

impl Ledger {
    /// The ledger at `path`; one that is not there yet is empty.
    ///
    /// An unusable one is empty too, and is handed over with what is wrong: it costs time, never correctness.
    pub fn open(path: PathBuf) -> (Self, Option<LedgerError>) {
        let (made, trouble) = match read(&path) {
            Ok(made) => (made, None),
            Err(trouble) => (BTreeMap::new(), Some(trouble)),
        };
        (
            Self {
                path: Some(path),
                made,
                saved: None,
            },
            trouble,
        )
    }

    /// One that is forgotten with the run.
    pub fn in_memory() -> Self {
        Self {
            path: None,
            made: BTreeMap::new(),
            saved: None,
        }
    }

    /// What is remembered of a target's tag.
    pub fn of(&self, target: &ImageRef) -> Option<&Made> {
        self.made.get(target)
    }

    /// Remembers `made` of `target`, on disk too within a second or with the next [`save`](Self::save).
    pub fn record(&mut self, target: ImageRef, made: Made) -> Result<(), LedgerError> {
        self.made.insert(target, made);
        match self.saved {
            Some(saved) if saved.elapsed() < SAVE_EVERY => Ok(()),
            _ => self.save(),
        }
    }

    /// Writes everything that is remembered.
    pub fn save(&mut self) -> Result<(), LedgerError> {
        self.saved = Some(Instant::now());
        let Some(path) = &self.path else { return Ok(()) };
        let file = File {
            version: VERSION,
            made: &self.made,
        };
        crate::atomic::write_json(path, &file).map_err(|source| LedgerError::Write {
            path: path.clone(),
            source,
        })
    }
}

fn read(path: &Path) -> Result<BTreeMap<ImageRef, Made>, LedgerError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => {
            return Err(LedgerError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    let corrupt = |why: String| LedgerError::Corrupt {
        path: path.to_owned(),
        why,
    };
    let file: File<BTreeMap<ImageRef, Made>> =
        serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
    if file.version != VERSION {
        return Err(corrupt(format!("version {}, not {VERSION}", file.version)));
    }
    Ok(file.made)
}
