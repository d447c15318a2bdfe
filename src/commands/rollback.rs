//! `rollback`: puts back what a tag named before.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::desk::{keyring, registries};
use super::sync::lock;
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::aws::ecr::Ecr;
use crate::image::{Digest, ImageRef, Repository, Tag};
use crate::ledger::{Ledger, Made};
use crate::mapping::Only;
use crate::report::{Failure, Rollback};
use crate::settings::Settings;

/// What `rollback` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Which tag
    #[arg(value_name = "REPOSITORY:TAG")]
    pub target: Only,
    /// To what this tag of the same repository names, instead of the newest backup
    #[arg(long, value_name = "TAG")]
    pub to: Option<Tag>,
    /// Only print what would be done; change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Puts back the newest backup that is another image than the one that is there.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings()?;
    let Some(tag) = &options.target.tag else {
        return Err(unusable(
            format!("{} names no tag", options.target),
            "write REPOSITORY:TAG",
        ));
    };
    if options.to.is_none() && settings.safety.backup.is_none() {
        return Err(unusable(
            "policy.backup is not set, so that nobody knows how backups are named".to_owned(),
            "set it as it was when they were made, or name the tag with --to",
        ));
    }
    let mut watch = Watch::begin(context, settings.grace)?;
    let stop = watch.stop.soft.clone();
    let done = match lock(&settings, None, &watch).await {
        Ok(_lock) => match stop.run_until_cancelled(roll_back(options, tag, &settings)).await {
            Some(done) => done,
            None => Err(Failure::stopped("rolling back")),
        },
        Err(held) => Err(held),
    };
    let asked = watch.end_view().await;
    let done = done.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    context.print(&done, |done, out| done.write_text(out))?;
    Ok(0)
}

fn unusable(message: String, hint: &'static str) -> CommandError {
    CommandError::Unusable(Failure {
        message,
        causes: Vec::new(),
        hint: Some(hint),
    })
}

async fn roll_back(options: &Options, tag: &Tag, settings: &Settings) -> Result<Rollback, Failure> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone())
        .await
        .map_err(|error| Failure::from(&error))?;
    let host = match &settings.registry {
        Some(host) => host.clone(),
        None => ecr.token().await.map_err(|error| Failure::from(&error))?.registry,
    };
    let path = options.target.name_in(&host);
    let images = ecr.images(path).await.map_err(|error| Failure::from(&error))?;
    let named = images
        .iter()
        .flat_map(|image| image.tags.iter().map(|tag| (tag, &image.digest)));
    let named: BTreeMap<&Tag, &Digest> = named.collect();
    let target = Repository {
        host: host.as_str().into(),
        path: path.into(),
    }
    .image(tag.clone());
    let before = named.get(tag).copied();
    let to = chosen(options, tag, &named, settings).ok_or_else(|| nothing(&target, options))?;
    let done = Rollback {
        target,
        digest_before: before.cloned(),
        digest_after: named[to].clone(),
        backup: to.clone(),
        dry_run: options.dry_run,
    };
    if options.dry_run {
        return Ok(done);
    }
    let settings = &Settings {
        registry: Some(host),
        ..settings.clone()
    };
    let keyring = keyring(settings, settings.registry.as_deref()).await?;
    let registries = registries(settings, &keyring);
    let put = registries.put_back(&done.target, &done.digest_after).await;
    put.map_err(|error| Failure::from(&error))?;
    remember(&done, settings).await?;
    Ok(done)
}

/// The tag that is gone back to: the one that is asked for, or the newest backup that is another image.
fn chosen<'a>(
    options: &Options,
    tag: &Tag,
    named: &BTreeMap<&'a Tag, &Digest>,
    settings: &Settings,
) -> Option<&'a Tag> {
    if let Some(to) = &options.to {
        return named.keys().copied().find(|named| *named == to);
    }
    let backups = settings.safety.backup.as_ref()?;
    let backups = backups.all_of(tag.as_str(), named.keys().copied());
    let before = named.get(tag);
    backups.into_iter().find(|backup| named.get(backup) != before)
}

fn nothing(target: &ImageRef, options: &Options) -> Failure {
    Failure {
        message: match &options.to {
            Some(to) => format!("roll back {target}: its repository has no tag {to}"),
            None => format!("roll back {target}: there is no backup of it that is another image"),
        },
        causes: Vec::new(),
        hint: Some("`aws ecr list-images` shows the tags that are there; --to names one of them"),
    }
}

/// What the upstream has today is not brought again: only what comes after it is.
async fn remember(done: &Rollback, settings: &Settings) -> Result<(), Failure> {
    let (mut ledger, trouble) = Ledger::open(&settings.ledger, &settings.aws).await;
    if let Some(trouble) = trouble {
        return Err(Failure::from(&trouble));
    }
    let path = &*done.target.repository.path;
    let known = ledger
        .of(&done.target)
        .filter(|made| Some(&made.digest) == done.digest_before.as_ref());
    let named = settings.images.iter().find(|named| named.repository == path);
    let upstream = match (known, named) {
        (Some(made), _) => Some((made.upstream.clone(), made.from.clone())),
        (None, named) => {
            let upstream = named.map(|named| named.upstream.clone());
            let upstream = upstream.or_else(|| settings.naming.upstream_of(path).ok());
            upstream.zip(done.digest_before.clone())
        }
    };
    // Of what was never brought nobody knows what it followed.
    let Some((upstream, from)) = upstream else {
        return Ok(());
    };
    let made = Made {
        digest: done.digest_after.clone(),
        upstream,
        from,
        platforms: settings.platforms.clone(),
        attestations: settings.direct.attestations,
        rolled_back: true,
        at: Timestamp::now(),
    };
    let recorded = ledger.record(done.target.clone(), made).await;
    recorded.map_err(|error| Failure::from(&error))
}
