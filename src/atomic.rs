//! Files that are there whole or not at all.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Writes `content` beside `path`, then moves it there: whoever reads sees the old file or the new one.
///
/// Missing folders are made. An error names what failed in the words of the operating system.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, Readers::All)
}

/// The same for what nobody else may read: mode 0600, or what the file has of that already. It stays its owner's; folders that are missing are
/// made for the owner alone.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, Readers::Owner)
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Whom the umask lets.
    All,
    Owner,
}

fn replace(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let path = &through_links(path);
    let there = path.metadata().ok();
    // Moving a file there would replace a device, such as /dev/null, by it.
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return Err(io::Error::other("it is there and is no regular file"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mode = match (readers, &there) {
        // As a file that `create` makes: the temporary file's 0600 would shut a pipeline's next stage out.
        (Readers::All, _) => 0o666,
        (Readers::Owner, None) => 0o600,
        (Readers::Owner, Some(there)) => there.mode() & 0o600,
    };
    let mut folders = DirBuilder::new();
    if readers == Readers::Owner {
        folders.mode(0o700);
    }
    folders.recursive(true).create(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".ecr-keeper-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    if let (Readers::Owner, Some(there)) = (readers, &there) {
        keep_owner(file.as_file(), there)?;
    }
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn keep_owner(file: &File, there: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    match (own.uid(), own.gid()) == (there.uid(), there.gid()) {
        true => Ok(()),
        false => fchown(file, Some(there.uid()), Some(there.gid())),
    }
}

/// The file that a link leads to, also where that is not there yet: the link itself stays.
fn through_links(path: &Path) -> PathBuf {
    /// As many as Linux follows.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(next) = path.read_link() else { break };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    path.canonicalize().unwrap_or(path)
}

/// Writes `value` as JSON that people can read, ended by a line feed.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(path, &text)
}

/// The file that [`write()`] writes for `path`, by one name: through links, and where it is not there yet, by the folder that is.
pub fn meant_by(path: &Path) -> PathBuf {
    let Ok(absolute) = std::path::absolute(path) else {
        return path.to_owned();
    };
    let real = |there: &Path| Some(there.canonicalize().ok()?.join(absolute.strip_prefix(there).ok()?));
    let found = absolute.ancestors().find_map(real);
    found.unwrap_or(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/result.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(folder.path(), b"one").is_err());
        assert!(folder.path().is_dir());
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real.txt"), folder.path().join("link.txt"));
        write(&path, b"one").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }

    #[test]
    #[cfg(unix)]
    fn one_file_is_known_by_all_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("a")).unwrap();
        std::os::unix::fs::symlink(path("a"), path("b")).unwrap();
        for other in ["./a/new/file", "b/new/file", "a/../b/new/file"] {
            assert_eq!(meant_by(&path(other)), meant_by(&path("a/new/file")), "{other}");
        }
        for other in ["a/new/other", "new/file"] {
            assert_ne!(meant_by(&path(other)), meant_by(&path("a/new/file")), "{other}");
        }
        write(&path("real.txt"), b"one").unwrap();
        std::os::unix::fs::symlink(path("real.txt"), path("link.txt")).unwrap();
        assert_eq!(meant_by(&path("link.txt")), meant_by(&path("real.txt")));
    }

    #[test]
    fn a_link_to_what_is_not_there_yet_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real.txt"), folder.path().join("link.txt"));
        std::os::unix::fs::symlink("real.txt", &link).unwrap();
        write(&link, b"one").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn what_is_private_is_its_owner_s_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/secret.json");
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        write_private(&path, b"one").unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        // Wider ones are narrowed, narrower ones stay.
        for (before, after) in [(0o644, 0o600), (0o400, 0o400)] {
            std::fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            write_private(&path, b"two").unwrap();
            assert_eq!(mode(&path), after);
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.txt");
        write(&path, b"one").unwrap();
        assert!(write(&path.join("below-a-file"), b"two").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
    }
}
