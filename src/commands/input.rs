use std::io;
use std::path::Path;

/// What people call a file that may be standard input, which is `-`.
pub(super) fn name(file: &Path) -> String {
    match file == Path::new("-") {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    }
}

/// All that is in it.
pub(super) fn read(file: &Path) -> io::Result<String> {
    match file == Path::new("-") {
        true => io::read_to_string(io::stdin().lock()),
        false => std::fs::read_to_string(file),
    }
}
