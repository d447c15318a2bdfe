//! What became of each image of a run, as objects of Amazon S3 that everybody who works writes, and one reads together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sheet::{Sheet, Word};
use super::{Place, WorkError, corrupt, is_name, moment};
use crate::aws::AwsError;
use crate::aws::s3::{Bucket, Object, Written};

/// Objects that are read at once.
const AT_ONCE: usize = 32;

/// A queue keeps no message for longer (SQS Developer Guide, "Message quotas": retention).
const LONGEST_KEPT: Duration = Duration::from_hours(14 * 24);

/// How often an outcome is written that others come before.
const TRIES: usize = 5;

/// Where runs and their outcomes are kept: `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone)]
pub struct Board {
    bucket: Bucket,
    place: Place,
}

impl Board {
    /// In a bucket, at a place of it.
    pub fn new(bucket: Bucket, place: &Place) -> Self {
        Self {
            bucket,
            place: place.clone(),
        }
    }

    /// Begins a run, before its first message is sent; or says anew what it is about.
    pub async fn open(&self, sheet: &Sheet) -> Result<(), WorkError> {
        self.put(&self.object("runs", &sheet.run), sheet).await?;
        // By itself, for it is asked for more often, and of more runs.
        let ids: Vec<&String> = sheet.queued.keys().collect();
        self.put(&self.object("queued", &sheet.run), &ids).await
    }

    /// What a run is about.
    pub async fn sheet(&self, run: &str) -> Result<Sheet, WorkError> {
        let none = || WorkError::NoRun {
            prefix: self.to_string(),
            run: run.to_owned(),
        };
        match is_name(run) {
            true => read(&self.object("runs", run)).await?.ok_or_else(none),
            false => Err(none()),
        }
    }

    /// The name of the newest run, if there is any.
    pub async fn newest(&self) -> Result<Option<String>, WorkError> {
        // Names begin with the moment.
        Ok(self.names("runs/").await?.into_iter().next_back())
    }

    /// Notes the outcome of an image. Nothing takes its place but the outcome of one that was given up.
    pub async fn tell(&self, run: &str, id: &str, word: &Word) -> Result<(), WorkError> {
        let object = self.object(&format!("outcomes/{run}"), id);
        let bytes = serde_json::to_vec(word).map_err(|error| corrupt(&object, &error))?;
        let mut known: Option<String> = None;
        for _ in 0..TRIES {
            let written = object.write(bytes.clone(), known.as_deref()).await;
            if let Written::Done(_) = written.map_err(telling)? {
                return Ok(());
            }
            let Some(there) = object.read().await.map_err(reading)? else {
                known = None;
                continue;
            };
            let first: Word = serde_json::from_slice(&there.bytes).map_err(|error| corrupt(&object, &error))?;
            if !first.given_up || word.given_up {
                return Ok(());
            }
            known = Some(there.etag);
        }
        Err(WorkError::Contended(object.to_string()))
    }

    /// Notes how an image was tried that is tried again; a later word takes the place of an earlier one.
    pub async fn tell_try(&self, run: &str, id: &str, word: &Word) -> Result<(), WorkError> {
        self.put(&self.object(&format!("tries/{run}"), id), word).await
    }

    /// The outcome of an image, if there is one yet.
    pub async fn outcome(&self, run: &str, id: &str) -> Result<Option<Word>, WorkError> {
        read(&self.object(&format!("outcomes/{run}"), id)).await
    }

    /// What was told of the images of a run: their outcomes, and of the others how they were tried last.
    pub async fn words(&self, run: &str) -> Result<BTreeMap<String, Word>, WorkError> {
        let mut words = self.all(&format!("tries/{run}")).await?;
        for (id, mut outcome) in self.all(&format!("outcomes/{run}")).await? {
            let tried = words.remove(&id);
            // What it was put into stays, although that try failed.
            outcome.created.extend(tried.into_iter().flat_map(|word| word.created));
            words.insert(id, outcome);
        }
        Ok(words)
    }

    async fn all(&self, folder: &str) -> Result<BTreeMap<String, Word>, WorkError> {
        let ids = self.names(&format!("{folder}/")).await?.into_iter();
        let objects: Vec<(String, Object)> = ids.map(|id| (id.clone(), self.object(folder, &id))).collect();
        let words: Vec<Option<(String, Word)>> = stream::iter(objects)
            .map(|(id, object)| async move { Ok::<_, WorkError>(read(&object).await?.map(|word| (id, word))) })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(words.into_iter().flatten().collect())
    }

    /// Whether all that a run put into the queue has its outcome.
    pub async fn is_done(&self, run: &str) -> Result<bool, WorkError> {
        // One that has just begun says so a moment later.
        let Some(queued) = read::<BTreeSet<String>>(&self.object("queued", run)).await? else {
            return Ok(false);
        };
        Ok(queued.is_subset(&self.names(&format!("outcomes/{run}/")).await?))
    }

    /// The runs of which that is not so, and of which there may be messages. Of those in `known` it is so; what is found is added.
    pub async fn open_runs(&self, known: &mut BTreeSet<String>) -> Result<Vec<String>, WorkError> {
        let oldest = moment(Timestamp::now() - LONGEST_KEPT);
        let runs = self.names("runs/").await?;
        let open = runs.into_iter().filter(|run| *run >= oldest && !known.contains(run));
        let open: Vec<String> = open.collect();
        let found: Vec<(String, bool)> = stream::iter(open)
            .map(|run| async move { self.is_done(&run).await.map(|is_done| (run, is_done)) })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let (done, mut open): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, is_done)| *is_done);
        known.extend(done.into_iter().map(|(run, _)| run));
        open.sort_unstable();
        Ok(open.into_iter().map(|(run, _)| run).collect())
    }

    fn object(&self, folder: &str, name: &str) -> Object {
        self.bucket
            .object(&format!("{}{folder}/{name}.json", self.place.prefix))
    }

    /// The names of the objects of a folder.
    async fn names(&self, folder: &str) -> Result<BTreeSet<String>, WorkError> {
        let folder = format!("{}{folder}", self.place.prefix);
        let keys = self.bucket.keys(&folder).await.map_err(reading)?;
        let name = |key: &String| Some(key.strip_prefix(&folder)?.strip_suffix(".json")?.to_owned());
        Ok(keys.iter().filter_map(name).collect())
    }

    async fn put(&self, object: &Object, what: &impl Serialize) -> Result<(), WorkError> {
        let bytes = serde_json::to_vec(what).map_err(|error| corrupt(object, &error))?;
        object.put(bytes, "application/json").await.map_err(telling)
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

fn telling(source: AwsError) -> WorkError {
    WorkError::Aws {
        attempt: "note what became of the work",
        source,
    }
}

fn reading(source: AwsError) -> WorkError {
    WorkError::Aws {
        attempt: "read what became of the work",
        source,
    }
}
