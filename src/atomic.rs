//! Files that are there whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Writes `content` beside `path`, then moves it there: whoever reads sees the old file or the new one.
///
/// Missing folders are made. An error names what failed in the words of the operating system.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    // Through a link to the file that it names: the link itself stays.
    let real = path.canonicalize();
    let path = real.as_deref().unwrap_or(path);
    // Moving a file there would replace a device, such as /dev/null, by it.
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other("it is there and is no regular file"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".ecr-keeper-")
        .permissions(permissions())
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
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

/// As a file that `create` makes, less the umask: the temporary file's 0600 would shut a pipeline's next stage out.
#[cfg(unix)]
fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
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
    fn a_file_that_cannot_be_written_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.txt");
        write(&path, b"one").unwrap();
        assert!(write(&path.join("below-a-file"), b"two").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
    }
}
