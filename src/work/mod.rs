//! Work that several share: a plan cut into one message an image, who is at which, and what became of each.
//!
//! A message is a saved plan of one copy, so that whoever takes it looks at both sides again and carries it out by exactly what it says. A
//! [`Claim`] keeps two from being at one target at once; the [`Board`] is where outcomes are gathered. Both are objects of Amazon S3.

mod board;
mod claim;
mod sheet;

pub use board::Board;
pub use claim::{Claim, Claims, Lost, Taken};
pub use sheet::{Sheet, Word};

use std::fmt::Write;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::aws::AwsError;
use crate::aws::s3::Object;
use crate::image::ImageRef;
use crate::plan::{Action, Copy, CreateRepository, Plan, SAVED_VERSION, Saved};
use crate::report::Failure;

/// How work is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkOptions {
    /// The queue's URL.
    pub queue: Option<String>,
    /// Where claims and outcomes are.
    pub state: Option<Place>,
    /// How long an image stays somebody's who gives no sign of life.
    pub lease: Duration,
}

/// Objects of Amazon S3: `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with: empty, or with a `/` at its end.
    pub prefix: String,
}

/// The version of [`Task`]'s shape.
pub const TASK_VERSION: u32 = 1;

/// The body of a message: one image that is to be copied.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// [`TASK_VERSION`].
    pub work: u32,
    /// The run that it belongs to.
    pub run: String,
    /// The same for the same upstream digest and target, whichever run it belongs to.
    pub id: String,
    /// The plan, with one copy, and before it the repository that may have to be created.
    pub plan: Saved,
}

/// A message that nobody can do anything with.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvalidTask {
    /// It is none of ours, or damaged.
    #[error("the message is not one that `work enqueue` sent: {0}")]
    Other(String),
    /// It is of another version of this program.
    #[error("the message is of version {found}, and this program reads {known}")]
    Version {
        /// What it says, as it says it.
        found: String,
        /// What is read.
        known: String,
    },
    /// It is about more than one image, or none.
    #[error("the message has {0} copies in it, and one belongs there")]
    Copies(usize),
    /// It says more of its plan than a copy and where that goes to.
    #[error("the message has more in it than one copy and its repository")]
    More,
}

/// What is kept in S3 cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WorkError {
    /// S3 did not do what it was asked for.
    #[error("{attempt}")]
    Aws {
        /// What was to be done.
        attempt: &'static str,
        /// What S3 said.
        #[source]
        source: AwsError,
    },
    /// An object is not in the shape that this program writes.
    #[error("{object} is none that `work` wrote: {why}")]
    Corrupt {
        /// `s3://BUCKET/KEY`.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// Each time that an object was to be written, somebody else had just done so.
    #[error("write {0}: others wrote it meanwhile, each time that it was tried")]
    Contended(String),
    /// There is no such run.
    #[error("{prefix} has no run {run}")]
    NoRun {
        /// `s3://BUCKET/PREFIX`.
        prefix: String,
        /// What was asked for.
        run: String,
    },
}

impl From<&WorkError> for Failure {
    fn from(error: &WorkError) -> Self {
        let inner = match error {
            WorkError::Aws { source, .. } => Self::from(source).hint,
            WorkError::Corrupt { .. } => Some("name a prefix of its own in work.state".into()),
            WorkError::Contended(_) => None,
            WorkError::NoRun { .. } => Some("name a run that `work enqueue` told, and the same work.state".into()),
        };
        Self {
            hint: inner,
            ..Self::new(error, None)
        }
    }
}

impl Task {
    /// One for each copy of a plan. `saved` says of all of them what its own plan does not.
    pub fn all_of(run: &str, saved: &Saved) -> Vec<Self> {
        // Not with the whole plan for each.
        let head = Saved {
            version: saved.version,
            made: saved.made,
            registry: saved.registry.clone(),
            engine: saved.engine,
            platforms: saved.platforms.clone(),
            attestations: saved.attestations,
            referrers: saved.referrers,
            foreign_layers: saved.foreign_layers,
            plan: Plan::default(),
        };
        let creates: Vec<&Action> = saved
            .plan
            .actions()
            .filter(|action| matches!(action, Action::CreateRepository(_)))
            .collect();
        let task = |copy: &Copy| {
            let is_its = |action: &&&Action| match action {
                Action::CreateRepository(create) => create.repository == copy.target.repository,
                Action::Copy(_) => false,
            };
            let create = creates.iter().copied().find(|action| is_its(&action)).cloned();
            let copied = vec![Action::Copy(Box::new(copy.clone()))];
            Self {
                work: TASK_VERSION,
                run: run.to_owned(),
                id: id(copy),
                plan: Saved {
                    plan: Plan {
                        stages: create.map(|create| vec![create]).into_iter().chain([copied]).collect(),
                        ..Plan::default()
                    },
                    ..head.clone()
                },
            }
        };
        saved.plan.copies().map(task).collect()
    }

    /// What a message says.
    ///
    /// # Errors
    /// Where it is none of ours.
    pub fn read(body: &str) -> Result<Self, InvalidTask> {
        let other = |error: serde_json::Error| InvalidTask::Other(error.to_string());
        let value: serde_json::Value = serde_json::from_str(body).map_err(other)?;
        let versions = [value.get("work"), value.pointer("/plan/version")];
        for (found, known) in versions.into_iter().zip([TASK_VERSION, SAVED_VERSION]) {
            let Some(found) = found else {
                return Err(InvalidTask::Other("it says no version".to_owned()));
            };
            if found.as_u64() != Some(u64::from(known)) {
                return Err(InvalidTask::Version {
                    found: found.to_string(),
                    known: known.to_string(),
                });
            }
        }
        let task: Self = serde_json::from_value(value).map_err(other)?;
        if !is_name(&task.run) || task.plan.plan.copies().map(id).any(|id| id != task.id) {
            return Err(InvalidTask::Other("its run or id is not its own".to_owned()));
        }
        let copies = task.plan.plan.copies().count();
        let (Some(copy), 1) = (task.copy(), copies) else {
            return Err(InvalidTask::Copies(copies));
        };
        let of_other = |create: &CreateRepository| create.repository != copy.target.repository;
        let is_its = !task.plan.plan.creates().any(of_other);
        match is_its && task.plan.plan.listed_twice().is_none() {
            true => Ok(task),
            false => Err(InvalidTask::More),
        }
    }

    /// The one image.
    pub fn copy(&self) -> Option<&Copy> {
        self.plan.plan.copies().next()
    }
}

/// A name for a run that no other has; those of later runs come behind it.
pub fn new_name() -> String {
    format!("{}-{:08x}", moment(Timestamp::now()), fastrand::u32(..))
}

/// What the names of runs of this moment begin with.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Whether this may be a run's name: it becomes a part of keys.
pub fn is_name(run: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=100).contains(&run.len()) && run.chars().all(is_of_name) && !run.starts_with('.')
}

/// The same for the same upstream digest, target and platforms.
fn id(copy: &Copy) -> String {
    let brings = serde_json::to_string(&copy.brings).unwrap_or_default();
    hashed(&[&copy.upstream_digest.to_string(), &copy.target.to_string(), &brings])
}

/// A target's own word, for keys.
fn word_of(target: &ImageRef) -> String {
    hashed(&[&target.to_string()])
}

fn hashed(parts: &[&str]) -> String {
    const BYTES: usize = 20;
    let sum = digest(&SHA256, parts.join("\n").as_bytes());
    let hex = |mut text: String, byte: &u8| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    };
    sum.as_ref().iter().take(BYTES).fold(String::new(), hex)
}

fn corrupt(object: &Object, error: &serde_json::Error) -> WorkError {
    WorkError::Corrupt {
        object: object.to_string(),
        why: error.to_string(),
    }
}
