//! The shell that removes a folder once everything that lives in it has ended.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

const SCRIPT: &str = include_str!("keeper.sh");

/// All keepers of this process: a server that is started later finds the one of the folder it lives in.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// The pipe that a supervisor waits on, shared so that a keeper can end what its owner has not.
pub(crate) type Line = Arc<Mutex<Option<ChildStdin>>>;

#[derive(Debug)]
struct Kept {
    folder: PathBuf,
    pipe: ChildStdin,
    lines: Vec<Line>,
}

/// Removes its folder when this process and all supervisors in the folder are gone.
#[derive(Debug)]
pub(crate) struct Keeper {
    folder: PathBuf,
    shell: Child,
}

impl Keeper {
    /// Starts the keeper of a folder, which is best created after.
    pub(crate) fn start(folder: &Path) -> Result<Keeper> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "ecr-lab-keeper"])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("start the keeper of the lab's folder")?;
        let pipe = shell.stdin.take().context("the keeper's pipe")?;
        kept().push(Kept {
            folder: folder.to_owned(),
            pipe,
            lines: Vec::new(),
        });
        let keeper = Keeper {
            folder: folder.to_owned(),
            shell,
        };
        keeper.also_remove(folder)?;
        Ok(keeper)
    }

    /// Removes this path too at the end. The last one given goes last.
    pub(crate) fn also_remove(&self, path: &Path) -> Result<()> {
        let mut kept = kept();
        let mine = kept.iter_mut().find(|kept| kept.folder == self.folder);
        let mine = mine.context("the keeper has ended")?;
        writeln!(mine.pipe, "{}", path.display()).context("tell the keeper a path")
    }

    /// A copy of the pipe's end, for a supervisor in `folder`.
    pub(crate) fn pipe_for(folder: &Path) -> Result<Stdio> {
        let copy = with_keeper_of(folder, |kept| kept.pipe.as_fd().try_clone_to_owned())??;
        Ok(copy.into())
    }

    /// Makes a supervisor in `folder` end with its keeper at the latest.
    pub(crate) fn enlist(folder: &Path, line: &Line) -> Result<()> {
        with_keeper_of(folder, |kept| kept.lines.push(line.clone()))
    }

    /// Whether a keeper has this folder.
    pub(crate) fn has(folder: &Path) -> bool {
        with_keeper_of(folder, |_| ()).is_ok()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut kept = kept();
        let mine = kept.iter().position(|kept| kept.folder == self.folder);
        let mine = mine.map(|at| kept.swap_remove(at));
        drop(kept);
        // A server whose handle lives longer than the lab would hold up the folder's removal.
        for line in mine.iter().flat_map(|kept| &kept.lines) {
            hang_up(line);
        }
        drop(mine);
        let _ = self.shell.wait();
    }
}

/// Closes the pipe, upon which the supervisor ends its server.
pub(crate) fn hang_up(line: &Line) {
    line.lock().unwrap_or_else(PoisonError::into_inner).take();
}

fn with_keeper_of<T>(folder: &Path, work: impl FnOnce(&mut Kept) -> T) -> Result<T> {
    let mut kept = kept();
    let found = kept.iter_mut().find(|kept| folder.starts_with(&kept.folder));
    let found = found.with_context(|| format!("no keeper has {}", folder.display()))?;
    Ok(work(found))
}

fn kept() -> MutexGuard<'static, Vec<Kept>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}
