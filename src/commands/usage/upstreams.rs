//! Whether what runs is what its upstream has now, by what `sync` is told: the repository's name, `discovery.upstream` and `images`.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::stream::iter;

use crate::commands::desk::{keyring, registries};
use crate::engine::{EngineError, Registries, Side};
use crate::image::{Attestations, Digest, ImageRef, Observed, Platforms, Tag};
use crate::ledger::Ledger;
use crate::plan::EngineKind;
use crate::report::Failure;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::usage::{Address, Failed, FailureKind, Report, Service, Upstream};

/// An image that runs, and what it follows.
struct Follower {
    /// Its place in the coverage.
    at: usize,
    /// What runs.
    digest: String,
    /// Its tag in ECR.
    target: ImageRef,
    upstream: ImageRef,
}

/// Asks the upstreams of all images that run and are in ECR.
pub(super) async fn compare(report: &mut Report, settings: &Settings, stop: &Stop) {
    let followers = followers(report, settings);
    let keyring = match keyring(settings, None).await {
        Ok(keyring) => keyring,
        Err(failure) => return report.failed(failed(None, FailureKind::Other, failure)),
    };
    let registries = registries(settings, &keyring);
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
            Some(Err(error)) => {
                report.failed(failed(Some(&upstream), kind(&error), Failure::from(&error)));
            }
            None => report.failed(failed(
                Some(&upstream),
                FailureKind::Stopped,
                Failure::stopped("asking the upstream"),
            )),
        }
    }
    let (ledger, _) = Ledger::open(&settings.ledger, &settings.aws).await;
    let upstreams = followers.into_iter().map(|follower| {
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
    let keeps_digests = settings.engine == EngineKind::Direct
        && settings.wanted_platforms() == Platforms::All
        && settings.direct.attestations == Attestations::Keep;
    keeps_digests.then_some(false)
}

/// All that run, are in ECR, and follow something.
fn followers(report: &Report, settings: &Settings) -> Vec<Follower> {
    let mut tags: BTreeMap<(&str, &str), &[String]> = BTreeMap::new();
    for (_, _, repository) in report.repositories() {
        for image in &repository.images {
            tags.insert((&repository.repository_uri, &image.digest), &image.tags);
        }
    }
    let images = report.coverage.images.iter().enumerate();
    let followers = images.filter_map(|(at, image)| {
        let (uri, digest) = (image.image_uri.as_deref()?, image.digest.as_deref()?);
        let address = Address::of(uri)?;
        let of_digest = tags.get(&(address.repository_uri().as_str(), digest)).copied()?;
        let written = address.tag_or_latest();
        // The tag may have moved since it was deployed.
        let tag = of_digest.iter().find(|tag| *tag == written).or(of_digest.first())?;
        let tag: Tag = tag.parse().ok()?;
        let target = crate::image::Repository {
            host: address.host.into(),
            path: address.path.into(),
        };
        Some(Follower {
            at,
            digest: digest.to_owned(),
            upstream: followed(address.path, &tag, settings)?,
            target: target.image(tag),
        })
    });
    followers.collect()
}

/// What a tag of a repository follows.
fn followed(repository: &str, tag: &Tag, settings: &Settings) -> Option<ImageRef> {
    let named = settings.images.iter().map(|entry| &entry.named);
    let mut named = named.filter(|named| named.repository == repository);
    if let Some(named) = named.next() {
        return Some(match named.digests.get(tag) {
            Some(digest) => named.upstream.image(digest.clone()),
            None => named.upstream.image(tag.clone()),
        });
    }
    let keyword = settings.keyword.as_ref()?;
    let upstream = repository
        .contains(keyword)
        .then(|| settings.naming.upstream_of(repository))?;
    Some(upstream.ok()?.image(tag.clone()))
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

fn failed(upstream: Option<&ImageRef>, kind: FailureKind, failure: Failure) -> Failed {
    Failed {
        account: None,
        region: None,
        service: Service::Upstream,
        operation: "HEAD".to_owned(),
        subject: upstream.map(ImageRef::to_string),
        kind,
        message: failure.message,
        causes: failure.causes,
        hint: failure.hint.map(Into::into),
    }
}
