use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::preview::kept as kept_in_words;
use super::{Failure, Outcome, one_line};
use crate::execute::{Done, Ended, NotAttempted};
use crate::image::{Digest, ImageRef, Platform};
use crate::plan::{CopyBecause, Kept, Refused};
use crate::survey::{Followed, Unread};

/// One image of a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImageReport {
    /// The target's tag.
    pub target: ImageRef,
    /// The upstream's tag.
    pub upstream: ImageRef,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it is unchanged although the upstream has another image, which does not come for now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// What the target's tag named before; none where there was no such tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_before: Option<Digest>,
    /// What it names now, where the run pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_after: Option<Digest>,
    /// What the upstream's tag named, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_digest: Option<Digest>,
    /// The platforms that were brought, where the run brought any and they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Platform>,
    /// All platforms that the upstream has, where the run brought any of them and they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream_platforms: Vec<Platform>,
    /// What a person should know of it although it is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why, in words; with an error, what was tried.
    pub reason: Cow<'static, str>,
    /// What was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Box<Failure>>,
    /// How long the copy took, in seconds; 0 where none was needed.
    pub seconds: f64,
    /// Whether it was at work when the run was stopped. `failure` says so to everybody else.
    #[serde(skip)]
    pub cut_off: bool,
}

impl ImageReport {
    /// Why it ended so, on one line: of a failure also the causes.
    pub fn why(&self) -> String {
        match &self.failure {
            Some(failure) => failure.in_one_line(),
            None => one_line(&self.reason),
        }
    }

    pub(super) fn of(
        target: &ImageRef,
        upstream: &ImageRef,
        before: Option<&Digest>,
        outcome: Outcome,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            target: target.clone(),
            upstream: upstream.clone(),
            outcome,
            held: false,
            digest_before: before.cloned(),
            digest_after: None,
            upstream_digest: None,
            platforms: Vec::new(),
            upstream_platforms: Vec::new(),
            notes: Vec::new(),
            reason: reason.into(),
            failure: None,
            seconds: 0.0,
            cut_off: false,
        }
    }

    /// The same image, of which this is told.
    #[must_use]
    pub fn failed(mut self, failure: Failure) -> Self {
        self.reason = failure.message.clone().into();
        self.failure = Some(Box::new(failure));
        self
    }

    pub(super) fn unread(unread: &Unread) -> Self {
        let one = &unread.target;
        Self::of(&one.target, &one.follows, one.digest.as_ref(), Outcome::Failed, "")
            .failed(Failure::from(&*unread.why))
    }

    pub(super) fn unasked(one: &Followed) -> Self {
        Self::of(
            &one.target,
            &one.follows,
            one.digest.as_ref(),
            Outcome::NotAttempted,
            "",
        )
        .failed(Failure::not_attempted(NotAttempted::Stopped))
    }

    pub(super) fn kept(kept: &Kept) -> Self {
        let reason = kept_in_words(kept);
        Self {
            held: kept.because.holds_back(),
            upstream_digest: kept.upstream_digest.clone(),
            ..Self::of(
                &kept.target,
                &kept.upstream,
                kept.target_digest.as_ref(),
                Outcome::Unchanged,
                reason,
            )
        }
    }

    pub(super) fn refused(refused: &Refused) -> Self {
        Self {
            upstream_digest: refused.upstream_digest.clone(),
            ..Self::of(
                &refused.target,
                &refused.upstream,
                refused.target_digest.as_ref(),
                Outcome::Refused,
                "",
            )
        }
        .failed(Failure::of_refusal(refused))
    }

    pub(super) fn done(done: &Done) -> Self {
        let copy = &done.copy;
        let (outcome, reason): (_, Cow<'static, str>) = match &done.ended {
            Ended::Updated(_) if copy.target_digest.is_none() => {
                (Outcome::Updated, "the target had no such tag".into())
            }
            Ended::Updated(_) if copy.because == CopyBecause::ReferrersMissing => (
                Outcome::Updated,
                "the same image, and what refers to it upstream was brought".into(),
            ),
            Ended::Updated(_) => (Outcome::Updated, "the upstream's image is another one".into()),
            Ended::Unneeded(likeness) => (Outcome::Unchanged, likeness.to_string().into()),
            Ended::Failed(_) => (Outcome::Failed, "".into()),
            Ended::NotAttempted(_) | Ended::CutOff => (Outcome::NotAttempted, "".into()),
        };
        let image = Self {
            upstream_digest: Some(copy.upstream_digest.clone()),
            platforms: match copy.brings.is_of_all() {
                true => copy.upstream_platforms.clone(),
                // A single image is for one of those that were asked for; which, is not told.
                false if !copy.upstream_kind.is_index() && copy.brings.platforms().len() > 1 => Vec::new(),
                false => copy.brings.platforms().to_vec(),
            },
            upstream_platforms: copy.upstream_platforms.clone(),
            seconds: (done.took.as_secs_f64() * 1000.0).round() / 1000.0,
            digest_after: match &done.ended {
                Ended::Updated(receipt) => Some(receipt.digest.clone()),
                _ => None,
            },
            notes: match &done.ended {
                Ended::Updated(receipt) => receipt.notes.iter().map(ToString::to_string).collect(),
                _ => Vec::new(),
            },
            ..Self::of(
                &copy.target,
                &copy.upstream,
                copy.target_digest.as_ref(),
                outcome,
                reason,
            )
        };
        match &done.ended {
            Ended::Failed(error) => image.failed(Failure::from(error)),
            Ended::NotAttempted(why) => image.failed(Failure::not_attempted(*why)),
            Ended::CutOff => Self {
                cut_off: true,
                ..image.failed(Failure::cut_off())
            },
            Ended::Updated(_) | Ended::Unneeded(_) => image,
        }
    }
}
