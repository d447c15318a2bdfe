//! A small disk in memory, to see what a daemon takes and what it does when there is no more.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::statvfs;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::chance;

/// A file system of its own size. It needs root. Dropping it takes it away, with all that is in it.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Makes one of so many bytes in a new folder inside `dir`. With a lab's folder as `dir` it also ends with the lab.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn in_memory(dir: &Path, bytes: u64) -> Result<Disk> {
        let folder = dir.join(format!("disk-{}", chance::hex(2)));
        std::fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        let size = std::ffi::CString::new(format!("size={bytes}"))?;
        mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), size.as_c_str())
            .with_context(|| format!("mount a tmpfs at {}", folder.display()))?;
        Ok(Disk { folder })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes in use, all at one moment.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub fn used(&self) -> Result<u64> {
        let about = statvfs(&self.folder).with_context(|| format!("ask {} for its room", self.folder.display()))?;
        Ok((about.f_blocks - about.f_bfree) * about.f_frsize)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Who still has a file in it keeps only that file.
        let _ = unmount(&self.folder, UnmountFlags::DETACH);
        let _ = std::fs::remove_dir(&self.folder);
    }
}
