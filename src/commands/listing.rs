//! The list of what is not current, in the place of copies: in a file, or zipped in Amazon S3.

use std::path::{Path, PathBuf};

use super::CommandError;
use crate::atomic::{self, meant_by};
use crate::aws::s3::Object;
use crate::ledger::Place;
use crate::plan::{Copy, CopyBecause};
use crate::record::{listed, zipped};
use crate::report::{Failure, Listed, Preview};
use crate::settings::Settings;
use crate::stop::Stop;

/// A list that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) file: Option<PathBuf>,
    /// A bucket and the key in it.
    pub(super) object: Option<(String, String)>,
    pub(super) with_header: bool,
}

impl Listing {
    /// What the command line asks for; none where that is no list. That there is a place for it is made sure of before anybody is asked anything.
    pub(super) fn of(options: &super::plan::Options, settings: &Settings) -> Result<Option<Self>, CommandError> {
        let object = match (options.to_s3, &settings.list_in) {
            (false, _) => None,
            (true, Some(Place::Object { bucket, key })) => Some((bucket.clone(), key.clone())),
            (true, _) => {
                let hint = "name the bucket in BUCKET_NAME or s3.bucket";
                return Err(unusable("put the list into S3: s3.bucket is not set".to_owned(), hint));
            }
        };
        if let Some((bucket, _)) = object.as_ref().filter(|(bucket, _)| !is_bucket(bucket)) {
            let hint = "name the bucket alone in BUCKET_NAME or s3.bucket, and the object's key in s3.key";
            return Err(unusable(
                format!("put the list into S3: {bucket:?} is no bucket's name"),
                hint,
            ));
        }
        if object.is_some() && settings.list_in.as_ref() == Some(&settings.ledger) {
            let hint = "name another object in s3.key";
            return Err(unusable(
                "put the list into S3: the ledger is that object".to_owned(),
                hint,
            ));
        }
        if options.csv.as_deref() == Some(Path::new("-")) {
            let hint = "name a file with --csv; standard output has the plan, as JSON with --output json";
            return Err(unusable("write the list to -: that is no file".to_owned(), hint));
        }
        if let Some(file) = &options.csv {
            let out = options.out.iter().cloned();
            let ledger = match &settings.ledger {
                Place::File(path) => Some(path.clone()),
                Place::Object { .. } => None,
            };
            let results = settings
                .results
                .in_folder()
                .chain(settings.results.files.iter().map(|(_, file)| file.clone()));
            let mut others = out.chain(ledger).chain(results);
            if others.any(|other| meant_by(&other) == meant_by(file)) {
                let message = format!("write the list to {}: it is another file of this run", file.display());
                return Err(unusable(message, "name one of its own with --csv"));
            }
        }
        let is_asked = options.csv.is_some() || object.is_some();
        Ok(is_asked.then(|| Self {
            file: options.csv.clone(),
            object,
            with_header: options.csv_header,
        }))
    }

    /// Writes what a plan would copy, and adds to the preview what came of it. A failure of one place leaves the other alone. A list of nothing because
    /// nothing could be read would say that all is well: then what is there stays.
    pub(super) async fn write(&self, preview: &mut Preview, settings: &Settings, stop: &Stop) {
        let plan = &preview.plan;
        let knows_some = plan.copies().next().is_some() || !plan.kept.is_empty() || !plan.refused.is_empty();
        if preview.is_blind() && !knows_some {
            let message =
                "the list is not written: nothing could be read, and an empty one would say that all is current";
            preview.failures.push(Failure {
                message: message.to_owned(),
                causes: Vec::new(),
                hint: None,
            });
            return;
        }
        // Of the others the image itself is current.
        let is_row = |copy: &&Copy| copy.because != CopyBecause::ReferrersMissing;
        let images = plan.copies().filter(is_row).count();
        let list = match listed(plan.copies().filter(is_row), self.with_header) {
            Ok(list) => list,
            Err(error) => return preview.failures.push(unwritten("images.csv", &error, None)),
        };
        let mut add = |place: String, written: Result<(), Failure>| match written {
            Ok(()) => preview.lists.push(Listed { place, images }),
            Err(failure) => preview.failures.push(failure),
        };
        if let Some(path) = &self.file {
            let written = atomic::write(path, &list).map_err(|error| of_file(path, &error));
            add(path.display().to_string(), written);
        }
        if let Some(object) = &self.object {
            let put = stop.hard.run_until_cancelled(put(&list, object, settings)).await;
            let put = put.unwrap_or_else(|| Err(Failure::stopped("putting the list into S3")));
            add(format!("s3://{}/{}", object.0, object.1), put);
        }
    }
}

async fn put(list: &[u8], (bucket, key): &(String, String), settings: &Settings) -> Result<(), Failure> {
    let archive = zipped(list).map_err(|error| unwritten("images.zip", &error, None))?;
    let object = Object::connect(&settings.aws, bucket, key).await;
    let object = object.map_err(|error| Failure::from(&error))?;
    let put = object.put_encrypted(archive, "application/zip").await;
    put.map_err(|error| Failure {
        hint: Some("see that s3.bucket (BUCKET_NAME) is there and that s3:PutObject on it is allowed".into()),
        ..Failure::from(&error)
    })
}

/// As S3 lets general purpose buckets be called (Amazon S3 User Guide, "General purpose bucket naming rules").
fn is_bucket(name: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    (3..=63).contains(&name.len()) && name.chars().all(is_of_name)
}

fn unusable(message: String, hint: &'static str) -> CommandError {
    CommandError::Unusable(Failure {
        message,
        causes: Vec::new(),
        hint: Some(hint.into()),
    })
}

fn of_file(path: &Path, error: &std::io::Error) -> Failure {
    let hint = "name a file in a folder that can be written to with --csv";
    unwritten(&path.display().to_string(), error, Some(hint))
}

fn unwritten(name: &str, error: &std::io::Error, hint: Option<&'static str>) -> Failure {
    Failure {
        message: format!("write the list to {name}"),
        causes: vec![error.to_string()],
        hint: hint.map(Into::into),
    }
}
