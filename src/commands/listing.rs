//! The list of what is not current, in the place of copies: in a file, or zipped in Amazon S3.

use std::path::{Path, PathBuf};

use crate::atomic;
use crate::aws::s3::Object;
use crate::record::{listed, zipped};
use crate::report::{Failure, Preview};
use crate::settings::Settings;

use super::CommandError;

/// Where the list goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) file: Option<PathBuf>,
    pub(super) with_header: bool,
    pub(super) to_s3: bool,
}

impl Listing {
    /// Makes sure that there is a place for it, before anybody is asked anything.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), CommandError> {
        match self.to_s3 && settings.bucket.is_none() {
            true => Err(CommandError::Unusable(Failure {
                message: "put the list into S3: s3.bucket is not set".to_owned(),
                causes: Vec::new(),
                hint: Some("name the bucket in BUCKET_NAME or s3.bucket"),
            })),
            false => Ok(()),
        }
    }

    /// Writes what a plan would copy. A failure of one place leaves the other alone.
    pub(super) async fn write(&self, preview: &Preview, settings: &Settings) -> Vec<Failure> {
        let list = match listed(preview.plan.copies(), self.with_header) {
            Ok(list) => list,
            Err(error) => return vec![unwritten("images.csv", &error, NO_ROOM)],
        };
        let mut failures = Vec::new();
        if let Some(path) = &self.file {
            let written = atomic::write(path, &list);
            failures.extend(written.err().map(|error| of_file(path, &error)));
        }
        if self.to_s3 {
            failures.extend(put(&list, settings).await.err());
        }
        failures
    }
}

const NO_ROOM: &str = "see whether there is room for it";

async fn put(list: &[u8], settings: &Settings) -> Result<(), Failure> {
    let Some((bucket, key)) = &settings.bucket else {
        return Ok(());
    };
    let archive = zipped(list).map_err(|error| unwritten("images.zip", &error, NO_ROOM))?;
    let object = Object::connect(&settings.aws, bucket, key).await;
    let object = object.map_err(|error| Failure::from(&error))?;
    object
        .put_encrypted(archive, "application/zip")
        .await
        .map_err(|error| Failure::from(&error))
}

fn of_file(path: &Path, error: &std::io::Error) -> Failure {
    let hint = "name a file in a folder that can be written to with --csv";
    unwritten(&path.display().to_string(), error, hint)
}

fn unwritten(name: &str, error: &std::io::Error, hint: &'static str) -> Failure {
    Failure {
        message: format!("write the list to {name}"),
        causes: vec![error.to_string()],
        hint: Some(hint),
    }
}
