//! Whether what runs is what its upstream has now, by what `sync` is told: the repository's name, `discovery.upstream` and `images`.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::stream::iter;

use crate::commands::desk::{keyring, registries};
use crate::commands::elsewhere::may_lead_to;
use crate::commands::tokens::leads_to;
use crate::engine::{EngineError, Registries, Side};
use crate::image::{Attestations, Digest, ImageRef, Observed, Platforms, Repository, Tag};
use crate::ledger::Ledger;
use crate::plan::EngineKind;
use crate::report::Failure;
use crate::settings::{Entry, Settings};
use crate::stop::Stop;
use crate::usage::{Address, Failed, FailureKind, Report, Service, Upstream};

/// An image that runs, and what it follows.
struct Follower<'a> {
    /// Its place in the coverage.
    at: usize,
    /// What runs.
    digest: String,
    /// Its tag in ECR.
    target: ImageRef,
    upstream: ImageRef,
    /// The entry of `images` that says so.
    entry: Option<&'a Entry>,
}

/// Asks the upstreams of all images that run and are in ECR.
pub(super) async fn compare(report: &mut Report, settings: &Settings, stop: &Stop) {
    let followers = followers(report, settings);
    let keyring = match keyring(settings, None).await {
        Ok(keyring) => keyring,
        Err(failure) => return report.failed(failed(Service::Upstream, None, FailureKind::Other, failure)),
    };
    let registries = registries(settings, &keyring);
    // Of what is followed by its name alone, our own images have no upstream.
    let named: BTreeSet<&ImageRef> = followers
        .iter()
        .filter(|one| one.entry.is_some())
        .map(|one| &one.upstream)
        .collect();
    let mut absent: BTreeSet<ImageRef> = BTreeSet::new();
    let wanted: BTreeSet<&ImageRef> = followers.iter().map(|one| &one.upstream).collect();
    let asked = wanted.into_iter().map(|upstream| async {
        let observed = stop.soft.run_until_cancelled(observed(&registries, upstream)).await;
        (upstream.clone(), observed)
    });
    let at_once = settings.concurrency * 4;
    let mut answers: BTreeMap<ImageRef, Observed> = BTreeMap::new();
    for (upstream, observed) in iter(asked).buffer_unordered(at_once).collect::<Vec<_>>().await {
        match observed {
            Some(Ok(observed)) => drop(answers.insert(upstream, observed)),
            Some(Err(error)) if kind(&error) == FailureKind::NotFound && !named.contains(&upstream) => {
                absent.insert(upstream);
            }
            Some(Err(error)) => {
                let failure = Failure::from(&error);
                report.failed(failed(Service::Upstream, Some(&upstream), kind(&error), failure));
            }
            None => report.failed(failed(
                Service::Upstream,
                Some(&upstream),
                FailureKind::Stopped,
                Failure::stopped("asking the upstream"),
            )),
        }
    }
    let ledger = ledger(report, settings, stop).await;
    let followers = followers.into_iter().filter(|one| !absent.contains(&one.upstream));
    let upstreams = followers.map(|follower| {
        let observed = answers.get(&follower.upstream);
        let upstream = Upstream {
            name: follower.upstream.to_string(),
            digest: observed.map(|observed| observed.top.to_string()),
            is_same: observed.and_then(|observed| is_same(&follower, observed, &ledger, settings)),
        };
        (follower.at, upstream)
    });
    report.coverage.compare(upstreams.collect());
}

/// The ledger that the settings name. One that cannot be read knows nothing, and is told.
async fn ledger(report: &mut Report, settings: &Settings, stop: &Stop) -> Ledger {
    let opened = Ledger::open(&settings.ledger, &settings.aws);
    let (kind, failure) = match stop.soft.run_until_cancelled(opened).await {
        Some((ledger, None)) => return ledger,
        Some((_, Some(trouble))) => {
            let hint = "mend it, or move it away; images that only it can tell from their upstream's are not compared";
            (FailureKind::Other, Failure::new(&trouble, Some(hint)))
        }
        None => (FailureKind::Stopped, Failure::stopped("reading the ledger")),
    };
    report.failed(failed(Service::Ledger, None, kind, failure));
    Ledger::in_memory()
}

async fn observed(registries: &Registries, upstream: &ImageRef) -> Result<Observed, EngineError> {
    let mut observed = registries.observe(upstream, Side::Upstream).await?;
    registries.read_index(upstream, &mut observed).await?;
    Ok(observed)
}

/// Whether ECR has what the upstream has now; none where that cannot be told without a pull.
fn is_same(follower: &Follower, now: &Observed, ledger: &Ledger, settings: &Settings) -> Option<bool> {
    let is = |digest: &Digest| digest.as_str() == follower.digest;
    // One platform of it alone is the same image, too.
    if is(&now.top) || now.children.iter().flatten().any(|child| is(&child.digest)) {
        return Some(true);
    }
    if let Some(made) = ledger.of(&follower.target).filter(|made| is(&made.digest)) {
        return Some(made.upstream == follower.upstream.repository && made.from == now.top);
    }
    // A daemon packs layers anew, and so does who takes parts out of an index: another digest says nothing.
    let own = follower.entry;
    let engine = own.and_then(|entry| entry.engine).unwrap_or(settings.engine);
    let own_platforms = own.and_then(|entry| entry.platforms.as_ref());
    let platforms = own_platforms.or(settings.platforms.as_ref());
    let keeps_digests = engine == EngineKind::Direct
        && platforms.is_none_or(|wanted| *wanted == Platforms::All)
        && settings.direct.attestations == Attestations::Keep;
    keeps_digests.then_some(false)
}

/// All that run, are in ECR, and follow something.
fn followers<'a>(report: &Report, settings: &'a Settings) -> Vec<Follower<'a>> {
    let mut tags: BTreeMap<(&str, &str), &[String]> = BTreeMap::new();
    for (_, _, repository) in report.repositories() {
        for image in &repository.images {
            tags.insert((&repository.repository_uri, &image.digest), &image.tags);
        }
    }
    let images = report.coverage.images.iter().enumerate();
    let followers = images.filter_map(|(at, image)| {
        let (written, digest) = (image.image_uri.as_deref()?, image.digest.as_deref()?);
        // The registry may be written by another of its names.
        let uri = image.repository_uri.as_deref()?;
        let of_digest = tags.get(&(uri, digest)).copied()?;
        let written = Address::of(written)?.tag_or_latest();
        // The tag may have moved since it was deployed.
        let tag = of_digest.iter().find(|tag| *tag == written).or(of_digest.first())?;
        let tag: Tag = tag.parse().ok()?;
        let address = Address::of(uri)?;
        let target = Repository {
            host: address.host.into(),
            path: address.path.into(),
        };
        let (upstream, entry) = followed(&target, &tag, settings)?;
        Some(Follower {
            at,
            digest: digest.to_owned(),
            upstream,
            target: target.image(tag),
            entry,
        })
    });
    followers.collect()
}

/// What a tag of a repository follows, and the entry of `images` that says so.
fn followed<'a>(target: &Repository, tag: &Tag, settings: &'a Settings) -> Option<(ImageRef, Option<&'a Entry>)> {
    let of_name = |entry: &&Entry| *entry.named.repository == *target.path;
    if settings.images.iter().any(|entry| of_name(&entry)) {
        let entry = entry_of(target, tag, settings)?;
        let named = &entry.named;
        let upstream = match named.digests.get(tag) {
            Some(digest) => named.upstream.image(digest.clone()),
            None => named.upstream.image(tag.clone()),
        };
        return Some((upstream, Some(entry)));
    }
    let keyword = settings.keyword.as_ref()?;
    let upstream = target
        .path
        .contains(keyword)
        .then(|| settings.naming.upstream_of(&target.path))?;
    Some((upstream.ok()?.image(tag.clone()), None))
}

/// The entry that a tag of a repository follows: of those of its name the one whose registry this is; where it is none of theirs, as in an
/// account that `sync` does not know, the one that there is.
fn entry_of<'a>(target: &Repository, tag: &Tag, settings: &'a Settings) -> Option<&'a Entry> {
    let takes = |entry: &&Entry| {
        let named = &entry.named;
        *named.repository == *target.path && (named.tags.is_some() || named.digests.contains_key(tag))
    };
    let all: Vec<&Entry> = settings.images.iter().filter(takes).collect();
    let nearness = |entry: &&&Entry| nearness(entry, &target.host, settings);
    let nearest = all.iter().copied().rev().max_by_key(|entry| nearness(&entry))?;
    let mut others = all
        .iter()
        .filter(|entry| entry.named.upstream != nearest.named.upstream);
    let is_clear = others.all(|other| nearness(&other) < nearness(&&nearest));
    is_clear.then_some(nearest)
}

/// How surely an entry goes to the registry at `host`: by what stands there, as far as that shows, or not.
fn nearness(entry: &Entry, host: &str, settings: &Settings) -> u8 {
    match (&entry.named.elsewhere, settings.registry.as_deref()) {
        (Some(elsewhere), _) if leads_to(elsewhere, host, &settings.aws) => 2,
        (Some(elsewhere), _) if may_lead_to(elsewhere, host, &settings.aws) => 1,
        (None, Some(own)) if own == host => 2,
        (None, None) => 1,
        _ => 0,
    }
}

fn kind(error: &EngineError) -> FailureKind {
    use crate::engine::Trouble;
    match error {
        EngineError::Refused { trouble, .. } | EngineError::Registry { trouble, .. } => match trouble {
            Trouble::Gone => FailureKind::NotFound,
            Trouble::Unauthorized | Trouble::Denied | Trouble::TokenExpired => FailureKind::NotAllowed,
            Trouble::RateLimited => FailureKind::Throttled,
            Trouble::Unreachable | Trouble::UnknownHost => FailureKind::Unreachable,
            _ => FailureKind::Other,
        },
        EngineError::Stopped => FailureKind::Stopped,
        _ => FailureKind::Other,
    }
}

fn failed(service: Service, upstream: Option<&ImageRef>, kind: FailureKind, failure: Failure) -> Failed {
    Failed {
        account: None,
        region: None,
        service,
        operation: if service == Service::Ledger { "read" } else { "HEAD" }.to_owned(),
        subject: upstream.map(ImageRef::to_string),
        kind,
        message: failure.message,
        causes: failure.causes,
        hint: failure.hint.map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Given, Written};

    #[test]
    fn an_image_follows_the_entry_of_its_registry_and_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let yaml = format!(
            "ecr: 123456789012.dkr.ecr.eu-central-1.amazonaws.com\nimages:\n  - {{upstream: ours, repository: app}}\n  - upstream: theirs\n    \
             repository: app\n    targets: [{{registry: 210987654321.dkr.ecr.eu-central-1.amazonaws.com}}]\n  - {{upstream: named, repository: pinned, \
             digests: {{'1': '{digest}'}}}}\n  - {{upstream: alone, repository: alone}}\n"
        );
        let settings = Settings::of(Some(&Written::to_be(&yaml)), &Given::default()).unwrap();
        let follows = |account: &str, name: &str, tag: &str| {
            let target = Repository {
                host: format!("{account}.dkr.ecr.eu-central-1.amazonaws.com").as_str().into(),
                path: name.into(),
            };
            let (upstream, _) = followed(&target, &tag.parse().unwrap(), &settings)?;
            Some(upstream.to_string())
        };
        let (own, other, third) = ("123456789012", "210987654321", "333333333333");
        assert_eq!(follows(own, "app", "1").unwrap(), "docker.io/library/ours:1");
        assert_eq!(follows(other, "app", "1").unwrap(), "docker.io/library/theirs:1");
        // Either might be meant.
        assert_eq!(follows(third, "app", "1"), None);
        assert_eq!(follows(third, "alone", "1").unwrap(), "docker.io/library/alone:1");
        let named = format!("docker.io/library/named@{digest}");
        assert_eq!(follows(own, "pinned", "1").unwrap(), named);
        // An entry that names digests alone is about their tags alone.
        assert_eq!(follows(own, "pinned", "2"), None);
    }
}
