//! What is not current, as a list for another pipeline, which copies it by itself.

use std::io::{self, Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::image::Reference;
use crate::plan::Copy;

const HEADER: [&str; 3] = ["source", "ecr_url", "tag"];

/// The list within the archive.
const NAME: &str = "images.csv";

/// A row for each copy that is to be made, in the plan's order: the upstream repository, the target's, and the tag (RFC 4180, with line
/// feeds alone between rows). An upstream that is followed by its digest is written with it.
pub fn listed<'a>(copies: impl Iterator<Item = &'a Copy>, with_header: bool) -> io::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    if with_header {
        table.write_record(HEADER)?;
    }
    for copy in copies {
        let source = match &copy.upstream.reference {
            Reference::Tag(_) => copy.upstream.repository.to_string(),
            Reference::Digest(_) => copy.upstream.to_string(),
        };
        let url = copy.target.repository.to_string();
        table.write_record([source.as_str(), url.as_str(), copy.target.reference.as_str()])?;
    }
    table.into_inner().map_err(|error| error.into_error())
}

/// The list as `images.csv` in a zip archive, the same bytes for the same list.
pub fn zipped(list: &[u8]) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(NAME, SimpleFileOptions::default())?;
    archive.write_all(list)?;
    Ok(archive.finish()?.into_inner())
}
