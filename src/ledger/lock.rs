//! One run at a time with one ledger: a lock beside its file.
//!
//! The operating system holds it for as long as the process lives (flock), so that a holder that died holds nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A holder says nothing when it lets go.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A lock that is held until this is dropped. Its file stays, empty.
#[derive(Debug)]
pub struct Lock(File);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The machine that it runs on.
    pub host: String,
    /// Since when.
    pub since: Timestamp,
}

/// A lock that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("another run holds {}{}", path.display(), by(.holder.as_ref()))]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// Who; none where it has not said so yet.
        holder: Option<Holder>,
    },
    /// Its file cannot be used.
    #[error("lock {}", path.display())]
    Unusable {
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn by(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, host, since }) => format!(": process {pid} on {host}, since {since:.0}"),
        None => String::new(),
    }
}

impl Lock {
    /// Takes the lock of the ledger at `ledger`, and waits `patience` for another run to let go of it; `waiting` is told who
    /// that is, once.
    ///
    /// # Errors
    /// [`LockError::Held`] when the time is over.
    pub async fn take(ledger: &Path, patience: Duration, waiting: impl FnOnce(&LockError)) -> Result<Self, LockError> {
        let path = beside(ledger);
        let began = Instant::now();
        let mut waiting = Some(waiting);
        loop {
            let held = match Self::try_take(&path) {
                Err(held @ LockError::Held { .. }) => held,
                other => return other,
            };
            if began.elapsed() >= patience {
                return Err(held);
            }
            if let Some(waiting) = waiting.take() {
                waiting(&held);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn try_take(path: &Path) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(unusable)?;
        }
        let mut options = OpenOptions::new();
        // What another run wrote into it must stay until the lock is ours.
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = match options.open(path) {
            // One that another user's run has made can be locked all the same.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path).map_err(unusable)?,
            opened => opened.map_err(unusable)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    path: path.to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        // Who cannot say so holds it none the less.
        let _ = say_who(&mut file);
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The next run asks the lock, not the text.
        let _ = self.0.set_len(0);
    }
}

/// `ledger.json.lock`
fn beside(ledger: &Path) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

fn say_who(file: &mut File) -> io::Result<()> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let holder = Holder {
        pid: std::process::id(),
        host,
        since: Timestamp::now(),
    };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(&holder)?)
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_held_by_one_and_says_by_whom() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("new/ledger.json");
        let lock = Lock::take(&ledger, Duration::ZERO, |_| ()).await.unwrap();
        let Err(LockError::Held {
            holder: Some(holder), ..
        }) = Lock::take(&ledger, Duration::ZERO, |_| ()).await
        else {
            panic!("it was had twice");
        };
        assert_eq!(holder.pid, std::process::id());
        drop(lock);
        Lock::take(&ledger, Duration::ZERO, |_| ()).await.unwrap();
    }
}
