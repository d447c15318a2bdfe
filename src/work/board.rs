//! What became of each image of a run, as objects of Amazon S3 that everybody who works writes, and one reads together.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Place, Task, WorkError, is_name};
use crate::aws::AwsError;
use crate::aws::s3::{Bucket, Object};
use crate::report::{Failure, ImageReport, Report};

/// Objects that are read at once.
const AT_ONCE: usize = 32;

/// Where runs and their outcomes are kept: `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone)]
pub struct Board {
    bucket: Bucket,
    place: Place,
}

/// What a run is about, as it was when it was cut into messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sheet {
    /// Its name.
    pub run: String,
    /// When it began.
    pub started: Timestamp,
    /// The target registry's host.
    pub registry: Option<String>,
    /// Who copies, in words.
    pub engine: Option<String>,
    /// How many repositories it is about.
    pub repositories: usize,
    /// How many images without a tag were passed over.
    pub untagged: usize,
    /// How many tags of signatures were passed over.
    pub signature_tags: usize,
    /// How many backups were passed over.
    pub backups: usize,
    /// Every image, with what is known of it: those that are in the queue were not attempted yet.
    pub images: Vec<ImageReport>,
    /// By the ids of their messages, where in [`images`](Self::images) they are.
    pub queued: BTreeMap<String, usize>,
    /// What failed that is not one image's.
    pub failures: Vec<Failure>,
}

impl Sheet {
    /// Of a run whose messages are about to be sent; `report` tells of all its images.
    pub fn new(run: &str, tasks: &[Task], report: &Report) -> Self {
        let places: BTreeMap<_, usize> = report
            .images
            .iter()
            .enumerate()
            .map(|(at, image)| (&image.target, at))
            .collect();
        let queued = tasks.iter().filter_map(|task| {
            let at = places.get(&task.copy()?.target)?;
            Some((task.id.clone(), *at))
        });
        Self {
            run: run.to_owned(),
            started: report.started,
            registry: report.registry.clone(),
            engine: report.engine.clone(),
            repositories: report.repositories,
            untagged: report.untagged,
            signature_tags: report.signature_tags,
            backups: report.backups,
            queued: queued.collect(),
            images: report.images.clone(),
            failures: report.failures.clone(),
        }
    }

    /// The report of the run, with what became of those images of which somebody has told. Not finished yet.
    pub fn report(mut self, outcomes: BTreeMap<String, ImageReport>) -> Report {
        for (id, outcome) in outcomes {
            if let Some(image) = self.queued.get(&id).and_then(|at| self.images.get_mut(*at)) {
                *image = outcome;
            }
        }
        Report {
            started: self.started,
            registry: self.registry,
            engine: self.engine,
            repositories: self.repositories,
            untagged: self.untagged,
            signature_tags: self.signature_tags,
            backups: self.backups,
            images: self.images,
            failures: self.failures,
            ..Report::begin()
        }
    }
}

impl Board {
    /// In a bucket, at a place of it.
    pub fn new(bucket: Bucket, place: &Place) -> Self {
        Self {
            bucket,
            place: place.clone(),
        }
    }

    /// Begins a run, before its first message is sent.
    pub async fn open(&self, sheet: &Sheet) -> Result<(), WorkError> {
        self.write(&self.sheet_of(&sheet.run), sheet).await
    }

    /// What a run is about.
    pub async fn sheet(&self, run: &str) -> Result<Sheet, WorkError> {
        let none = || WorkError::NoRun {
            prefix: self.to_string(),
            run: run.to_owned(),
        };
        match is_name(run) {
            true => read(&self.sheet_of(run)).await?.ok_or_else(none),
            false => Err(none()),
        }
    }

    /// The name of the newest run, if there is any.
    pub async fn newest(&self) -> Result<Option<String>, WorkError> {
        let folder = format!("{}runs/", self.place.prefix);
        let keys = self.bucket.keys(&folder).await.map_err(reading)?;
        // Names begin with the moment.
        let name = |key: &String| Some(key.strip_prefix(&folder)?.strip_suffix(".json")?.to_owned());
        Ok(keys.iter().filter_map(name).max())
    }

    /// Notes what became of an image; a later word takes the place of an earlier one.
    pub async fn tell(&self, run: &str, id: &str, image: &ImageReport) -> Result<(), WorkError> {
        self.write(&self.outcome_of(run, id), image).await
    }

    /// What became of an image, if anybody has told yet.
    pub async fn outcome(&self, run: &str, id: &str) -> Result<Option<ImageReport>, WorkError> {
        read(&self.outcome_of(run, id)).await
    }

    /// What became of all images of a run that somebody has told of, by their ids.
    pub async fn outcomes(&self, run: &str) -> Result<BTreeMap<String, ImageReport>, WorkError> {
        let folder = format!("{}outcomes/{run}/", self.place.prefix);
        let keys = self.bucket.keys(&folder).await.map_err(reading)?;
        let one = |key: String| {
            let object = self.bucket.object(&key);
            let id = key.strip_prefix(&folder).and_then(|name| name.strip_suffix(".json"));
            let id = id.unwrap_or_default().to_owned();
            async move { Ok(read(&object).await?.map(|image| (id, image))) }
        };
        let all: Vec<Option<_>> = stream::iter(keys)
            .map(one)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(all.into_iter().flatten().collect())
    }

    fn sheet_of(&self, run: &str) -> Object {
        self.bucket.object(&format!("{}runs/{run}.json", self.place.prefix))
    }

    fn outcome_of(&self, run: &str, id: &str) -> Object {
        self.bucket
            .object(&format!("{}outcomes/{run}/{id}.json", self.place.prefix))
    }

    async fn write(&self, object: &Object, what: &impl Serialize) -> Result<(), WorkError> {
        let bytes = serde_json::to_vec(what).map_err(|error| corrupt(object, &error))?;
        let put = object.put_encrypted(bytes, "application/json").await;
        put.map_err(|source| WorkError::Aws {
            attempt: "note what became of the work",
            source,
        })
    }
}

impl std::fmt::Display for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.place.bucket, self.place.prefix)
    }
}

async fn read<T: DeserializeOwned>(object: &Object) -> Result<Option<T>, WorkError> {
    let Some(there) = object.read().await.map_err(reading)? else {
        return Ok(None);
    };
    let read = serde_json::from_slice(&there.bytes);
    read.map(Some).map_err(|error| corrupt(object, &error))
}

fn corrupt(object: &Object, error: &serde_json::Error) -> WorkError {
    WorkError::Corrupt {
        object: object.to_string(),
        why: error.to_string(),
    }
}

fn reading(source: AwsError) -> WorkError {
    WorkError::Aws {
        attempt: "read what became of the work",
        source,
    }
}
