use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the file is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// Where settings come from that may change while a process stays.
#[derive(Debug)]
pub(super) struct Source {
    file: Option<PathBuf>,
    stamp: Option<(SystemTime, u64)>,
    content: Option<Vec<u8>>,
    hangup: Signal,
    ticks: Interval,
}

impl Source {
    /// Knows the file as it is now.
    pub(super) fn watch(file: Option<PathBuf>) -> io::Result<Self> {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut source = Self {
            file,
            stamp: None,
            content: None,
            hangup: signal(SignalKind::hangup())?,
            ticks,
        };
        source.has_changed();
        Ok(source)
    }

    /// Waits until settings have to be read again, and answers why. Dropped before, it misses nothing.
    pub(super) async fn changed(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    // A change that is there by now is read as well, and is no news a moment later.
                    self.has_changed();
                    return "SIGHUP";
                }
                _ = self.ticks.tick() => if self.has_changed() {
                    return "their file has changed";
                }
            }
        }
    }

    /// Whether the file's content is another one than the last time. It is read only where time or size are others, too.
    fn has_changed(&mut self) -> bool {
        let Some(file) = &self.file else { return false };
        let stamp = file.metadata().ok();
        let stamp = stamp.and_then(|stamp| Some((stamp.modified().ok()?, stamp.len())));
        if stamp == self.stamp {
            return false;
        }
        self.stamp = stamp;
        let content = std::fs::read(file).ok();
        let is_other = content != self.content;
        self.content = content;
        is_other
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn only_another_content_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.yaml");
        fs::write(&path, "concurrency: 4\n").unwrap();
        let mut source = Source::watch(Some(path.clone())).unwrap();
        assert!(!source.has_changed(), "nothing was done to it");
        let touched = SystemTime::UNIX_EPOCH;
        let touch = |path: &PathBuf| fs::File::options().append(true).open(path)?.set_modified(touched);
        touch(&path).unwrap();
        assert!(!source.has_changed(), "touched, no more");
        fs::write(&path, "concurrency: 5\n").unwrap();
        assert!(source.has_changed());
        // As Kubernetes brings a ConfigMap: another file under the same name.
        let other = folder.path().join("new.yaml");
        fs::write(&other, "concurrency: 66\n").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(source.has_changed());
        fs::remove_file(&path).unwrap();
        assert!(source.has_changed(), "gone");
        assert!(!source.has_changed(), "told once");
    }
}
