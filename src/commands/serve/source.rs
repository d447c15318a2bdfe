use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::commands::CommandError;
use crate::settings::{Given, SettingsError, Written};

/// How often the file is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// Where settings come from that may change while a process stays.
pub(super) struct Source {
    /// None where nobody names one.
    file: Option<PathBuf>,
    /// Whether it can be read again: what comes through a pipe comes once, and what is kept at AWS is not asked for all the time.
    stays: bool,
    stamp: Option<Stamp>,
    /// What was told last; none where it could not be read.
    told: Option<Written>,
    /// What the last look found where that is something else.
    found: Option<Found>,
    hangup: Signal,
    ticks: Interval,
}

/// Settings that have to be used from now on.
pub(super) struct Change {
    /// How that was noticed.
    pub(super) why: &'static str,
    /// What the file says.
    pub(super) file: Result<Option<Written>, SettingsError>,
}

/// What the file held at one look; none where it could not be read.
#[derive(PartialEq, Eq)]
struct Found(Option<Written>);

/// What becomes another one whenever a file's content does, by itself or by a link that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            file: (file.dev(), file.ino()),
            length: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl Source {
    /// Reads the file as it is now.
    pub(super) async fn watch(file: Option<PathBuf>, given: &Given) -> Result<Self, CommandError> {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Before it is read: what changes from here on is seen.
        let there = file.as_deref().and_then(|file| file.metadata().ok());
        Ok(Self {
            stays: there.as_ref().is_some_and(Metadata::is_file),
            stamp: there.as_ref().map(Stamp::of),
            told: match &file {
                Some(file) => Some(Written::fetch(file, given).await?),
                None => None,
            },
            found: None,
            file,
            hangup: signal(SignalKind::hangup())?,
            ticks,
        })
    }

    /// What was told last.
    pub(super) fn told(&self) -> Option<&Written> {
        self.told.as_ref()
    }

    /// Waits until settings have to be used anew. Dropped before, it misses nothing.
    pub(super) async fn changed(&mut self) -> Change {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => return Change {
                    why: "SIGHUP",
                    file: self.read_now(),
                },
                _ = self.ticks.tick() => if let Some(file) = self.look() {
                    return Change {
                        why: "their file has changed",
                        file: file.map(Some),
                    };
                }
            }
        }
    }

    /// For who says that it is time: what is there is whole, and is no news a moment later.
    fn read_now(&mut self) -> Result<Option<Written>, SettingsError> {
        let Some(file) = self.file.clone().filter(|_| self.stays) else {
            return Ok(self.told.clone());
        };
        self.stamp = stamp(&file);
        self.found = None;
        let read = read(&file);
        self.told = read.as_ref().ok().cloned();
        read.map(Some)
    }

    /// What the file says, where that is something else than the last time and two looks in a row found it: one that is being
    /// written is not done at the first. It is read only where its stamp is another one, too.
    fn look(&mut self) -> Option<Result<Written, SettingsError>> {
        let file = self.file.clone().filter(|_| self.stays)?;
        let stamp = stamp(&file);
        if stamp == self.stamp && self.found.is_none() {
            return None;
        }
        self.stamp = stamp;
        let read = read(&file);
        let now = Found(read.as_ref().ok().cloned());
        let before = self.found.take();
        if now.0 == self.told {
            return None;
        }
        if before.as_ref() != Some(&now) {
            self.found = Some(now);
            return None;
        }
        self.told = now.0;
        Some(read)
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    file.metadata().ok().as_ref().map(Stamp::of)
}

fn read(path: &Path) -> Result<Written, SettingsError> {
    match path.metadata() {
        // A pipe would keep us waiting.
        Ok(there) if !there.is_file() => Err(SettingsError::Unreadable {
            path: path.to_owned(),
            source: io::Error::other("it is there and is no regular file"),
        }),
        _ => Written::read(path),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::SystemTime;

    use super::*;
    use crate::settings::Settings;

    /// How many images at once the settings say that were told last.
    fn concurrency(source: &Source) -> usize {
        Settings::of(source.told(), &Given::default()).unwrap().concurrency
    }

    /// Whether two looks tell of a change; one alone never does.
    fn has_changed(source: &mut Source) -> bool {
        assert!(source.look().is_none(), "told at the first look");
        let told = source.look().is_some();
        assert!(source.look().is_none(), "told twice");
        told
    }

    fn touch(path: &Path) {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }

    #[tokio::test]
    async fn only_another_content_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.yaml");
        fs::write(&path, "concurrency: 4\n").unwrap();
        let mut source = Source::watch(Some(path.clone()), &Given::default()).await.unwrap();
        assert!(!has_changed(&mut source), "nothing was done to it");
        touch(&path);
        assert!(!has_changed(&mut source), "touched, no more");
        fs::write(&path, "concurrency: 5\n").unwrap();
        assert!(has_changed(&mut source));
        assert_eq!(concurrency(&source), 5);
        fs::remove_file(&path).unwrap();
        assert!(has_changed(&mut source), "gone");
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_a_change_though_time_and_length_are_the_same() {
        // As Kubernetes brings a ConfigMap.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.yaml");
        for (name, text) in [("old", "concurrency: 4\n"), ("new", "concurrency: 5\n")] {
            fs::write(folder.path().join(name), text).unwrap();
            touch(&folder.path().join(name));
        }
        symlink("old", &path).unwrap();
        let mut source = Source::watch(Some(path.clone()), &Given::default()).await.unwrap();
        let link = folder.path().join("link");
        symlink("new", &link).unwrap();
        fs::rename(&link, &path).unwrap();
        assert!(has_changed(&mut source));
        assert_eq!(concurrency(&source), 5);
    }

    #[tokio::test]
    async fn a_file_that_is_being_written_is_told_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.yaml");
        fs::write(&path, "concurrency: 4\n").unwrap();
        let mut source = Source::watch(Some(path.clone()), &Given::default()).await.unwrap();
        for part in ["", "retry: { tries: 2 }\n", "retry: { tries: 2 }\nconcurrency: 9\n"] {
            fs::write(&path, part).unwrap();
            assert!(source.look().is_none(), "{part:?}");
        }
        let told = source.look().unwrap().ok().unwrap();
        // What is there by now is for the next looks.
        fs::write(&path, "concurrency: 4\n").unwrap();
        let settings = Settings::of(Some(&told), &Given::default()).unwrap();
        assert_eq!(settings.concurrency, 9);
        assert!(has_changed(&mut source));
        fs::write(&path, "concurrency: 5\n").unwrap();
        assert!(source.look().is_none());
        fs::write(&path, "concurrency: 4\n").unwrap();
        assert!(!has_changed(&mut source), "it is as it was");
    }

    #[tokio::test]
    async fn who_says_that_it_is_time_is_told_at_once_and_nobody_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.yaml");
        fs::write(&path, "concurrency: 4\n").unwrap();
        let mut source = Source::watch(Some(path.clone()), &Given::default()).await.unwrap();
        fs::write(&path, "concurrency: 5\n").unwrap();
        assert!(source.look().is_none());
        assert!(source.read_now().is_ok());
        assert_eq!(concurrency(&source), 5);
        assert!(!has_changed(&mut source));
    }
}
