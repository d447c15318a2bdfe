//! Why an image is not changed although it should be, and what to do about it.

use super::Failure;
use super::text::listed;
use crate::image::{Digest, ImageRef, Platform};
use crate::plan::{Refused, RefusedBecause};

impl Failure {
    pub(super) fn of_refusal(refused: &Refused) -> Self {
        Self {
            message: message(&refused.because, &refused.upstream),
            causes: Vec::new(),
            hint: Some(hint(&refused.because, refused.target_digest.as_ref()).into()),
        }
    }
}

fn message(because: &RefusedBecause, upstream: &ImageRef) -> String {
    match because {
        RefusedBecause::UpstreamGone => format!("upstream {upstream} does not exist"),
        RefusedBecause::WouldLosePlatforms { kind, platforms } => {
            let holds = match platforms.is_empty() {
                true => String::new(),
                false => format!(" of {}", listed(platforms)),
            };
            format!("the target is a multi-platform {kind}{holds}; one platform alone would take its place")
        }
        RefusedBecause::ImmutableTag => {
            "the upstream's image is another one, and the repository does not let its tags move".to_owned()
        }
        RefusedBecause::VersionMoved { was } => of_version(upstream, was.as_ref()),
        RefusedBecause::Requirements { unmet } => {
            format!("policy.require asks of {upstream} for {}", unmet.join("; and for "))
        }
        RefusedBecause::NoBackup => {
            "its backup would have a longer tag than the 128 characters that there may be".to_owned()
        }
        RefusedBecause::UpstreamMoved { planned } => {
            format!("upstream {upstream} has moved since the plan was made, from {planned}")
        }
        RefusedBecause::TargetMoved { planned, now } => of_target(planned.as_ref(), now.as_ref()),
        RefusedBecause::OnePlatformAtATime => {
            "several platforms are asked for, and this daemon pushes one at a time".to_owned()
        }
        RefusedBecause::OtherEngine => {
            "the plan was made for a daemon with another image store, and this one cannot bring what it says".to_owned()
        }
        RefusedBecause::PlatformsMissing { missing, there } => of_platforms(upstream, missing, there),
        RefusedBecause::IndexHasOthers { others } => format!(
            "upstream {upstream} is also for {}, and an index is brought whole",
            listed(others)
        ),
    }
}

fn of_version(upstream: &ImageRef, was: Option<&Digest>) -> String {
    match was {
        Some(was) => format!("the version {upstream} has moved upstream, from {was}, and policy.retag is freeze"),
        None => format!("the version {upstream} is another image upstream than here, and policy.retag is freeze"),
    }
}

fn of_target(planned: Option<&Digest>, now: Option<&Digest>) -> String {
    match (planned, now) {
        (Some(planned), Some(now)) => {
            format!("the target has moved since the plan was made, from {planned} to {now}")
        }
        (Some(planned), None) => {
            format!("the target's tag has gone since the plan was made; it named {planned}")
        }
        (None, Some(now)) => format!("the target has the tag since the plan was made; it names {now}"),
        (None, None) => "the target has moved since the plan was made".to_owned(),
    }
}

fn of_platforms(upstream: &ImageRef, missing: &[Platform], there: &[Platform]) -> String {
    let lacks = format!("upstream {upstream} has no image for {}", listed(missing));
    match there.is_empty() {
        true => lacks,
        false => format!("{lacks}, but for {}", listed(there)),
    }
}

fn hint(because: &RefusedBecause, target_digest: Option<&Digest>) -> &'static str {
    match because {
        // Nobody has it: it was only named.
        RefusedBecause::UpstreamGone if target_digest.is_none() => {
            "check the name where it is named, in `images`, the repository's resource tags or `digests`"
        }
        RefusedBecause::UpstreamGone => {
            "remove the tag from ECR, or set missing_upstream: keep to leave such tags as they are"
        }
        RefusedBecause::WouldLosePlatforms { .. } => {
            "set `platforms` to the one platform that is wanted, if the others may go; or use a daemon with the containerd image \
             store, or --engine direct, which keep indexes"
        }
        RefusedBecause::ImmutableTag => {
            "allow this tag in the repository's mutability exclusion filters, or leave it out with immutable_tags"
        }
        RefusedBecause::VersionMoved { .. } => {
            "find out why it moved; then name the tag in policy.retag_except, or delete it from ECR, to take the new image"
        }
        RefusedBecause::Requirements { .. } => "leave the tag out by rules, or ask for less in policy.require",
        RefusedBecause::NoBackup => "choose a shorter policy.backup",
        RefusedBecause::UpstreamMoved { .. } | RefusedBecause::TargetMoved { .. } => "make a new plan",
        RefusedBecause::OnePlatformAtATime => {
            "use a daemon with the containerd image store, --engine direct, or set `platforms` to one platform"
        }
        RefusedBecause::OtherEngine => {
            "apply it through a daemon like the one that it was made with, or make a new plan"
        }
        RefusedBecause::PlatformsMissing { .. } => "set `platforms` to what it has",
        RefusedBecause::IndexHasOthers { .. } => {
            "set `platforms` to all, or to one platform, or use --engine direct, which cuts an index"
        }
    }
}
