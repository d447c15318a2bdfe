//! `rollback`: puts back what a tag named before.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::desk::registries;
use super::elsewhere::{Opened, Routes, Unreached, with_host};
use super::sync::lock;
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::aws::ecr::Ecr;
use crate::engine::{Registries, Side};
use crate::image::{Digest, ImageRef, Repository, Tag};
use crate::ledger::{Ledger, Made};
use crate::mapping::{Backup, Only, named_by_tags};
use crate::report::{Failure, Rollback, SCHEMA_VERSION};
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
    let settings = context.settings().await?;
    let Some(tag) = &options.target.tag else {
        return Err(unusable(
            format!("{} names no tag", options.target),
            "write REPOSITORY:TAG",
        ));
    };
    let own = settings.images.iter().filter_map(|entry| entry.safety.as_ref());
    let mut policies = own.chain([&settings.safety]);
    if options.to.is_none() && policies.all(|safety| safety.backup.is_none()) {
        return Err(unusable(
            "policy.backup is not set, so that nobody knows how backups are named".to_owned(),
            "set it as it was when they were made, or name the tag with --to",
        ));
    }
    let mut watch = Watch::begin(context, settings.grace)?;
    let done = roll_back(options, tag, &settings, &watch).await;
    let asked = watch.end_view().await;
    let done = done.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    context.print(&done, |done, out| done.write_text(out))?;
    Ok(0)
}

/// Finds out what there is to do, and does it. A stop counts until the tag is about to move.
async fn roll_back(options: &Options, tag: &Tag, settings: &Settings, watch: &Watch) -> Result<Rollback, Failure> {
    let stop = &watch.stop.soft;
    let stopped = || Failure::stopped("rolling back");
    let found = stop.run_until_cancelled(find(options, tag, settings)).await;
    let found = found.ok_or_else(stopped)??;
    if options.dry_run || found.done.digest_before.as_ref() == Some(&found.done.digest_after) {
        return Ok(found.done);
    }
    let _lock = lock(settings, None, watch).await?;
    match stop.is_cancelled() {
        true => Err(stopped()),
        false => found.carry_out(settings).await,
    }
}

fn unusable(message: String, hint: &'static str) -> CommandError {
    CommandError::Unusable(Failure {
        message,
        causes: Vec::new(),
        hint: Some(hint.into()),
    })
}

/// What there is to do, and who does it.
struct Found {
    done: Rollback,
    registries: Registries,
    /// How what is replaced is named, where it stays.
    backup: Option<Backup>,
    /// What the tag follows, and what that names now; nothing where nobody knows what it follows.
    follows: Option<(Repository, Option<Digest>)>,
}

async fn find(options: &Options, tag: &Tag, settings: &Settings) -> Result<Found, Failure> {
    let own = Opened::open(&settings.aws, settings.account.clone(), settings.registry.clone())
        .await
        .map_err(|error| Failure::from(&error))?;
    let routes = Routes::open(settings, &own, std::slice::from_ref(&options.target)).await;
    let keyring = routes.keyring(settings, &own);
    let is_of = |host: &str| options.target.name_in(host) != options.target.repository;
    let (place, entries, is_own) = match routes.others.into_iter().find(|(other, _)| is_of(&other.host)) {
        Some((other, named)) => (other, named, false),
        None => {
            let whole = with_host(&options.target);
            let may_be = |one: &&Unreached| whole.as_ref().is_some_and(|whole| one.may_be(whole, &settings.aws));
            match routes.unreached.iter().find(may_be).filter(|_| !is_of(&own.host)) {
                Some(unreached) => return Err(Failure::from(&unreached.closed.why)),
                None => (own, routes.own, true),
            }
        }
    };
    let (host, ecr) = (place.host, place.ecr);
    let path = options.target.name_in(&host);
    let entries = entries.iter().filter(|entry| entry.named.repository == path);
    let own = entries.clone().find_map(|entry| entry.safety.as_ref());
    let backup = own.unwrap_or(&settings.safety).backup.clone();
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
    let to = chosen(options, tag, &named, backup.as_ref());
    let to = to.ok_or_else(|| nothing(&target, options, before.is_some()))?;
    let registries = registries(settings, &keyring);
    let follows = match entries.clone().next() {
        Some(entry) => Some(entry.named.upstream.clone()),
        None if is_own => followed(path, settings, &ecr).await,
        None => None,
    };
    let follows = match follows {
        None => None,
        Some(upstream) => {
            let pinned = entries.clone().find_map(|entry| entry.named.digests.get(tag));
            let image = match pinned {
                Some(digest) => upstream.image(digest.clone()),
                None => upstream.image(tag.clone()),
            };
            let now = registries.observe(&image, Side::Upstream).await;
            Some((upstream, now.ok().map(|observed| observed.top)))
        }
    };
    Ok(Found {
        done: Rollback {
            schema_version: SCHEMA_VERSION,
            target,
            digest_before: before.cloned(),
            digest_after: named[to].clone(),
            to: to.clone(),
            backup: None,
            remembered: false,
            dry_run: options.dry_run,
        },
        registries,
        backup,
        follows,
    })
}

/// The upstream of a repository of the run's own registry that the settings do not name, as a sync finds it.
async fn followed(path: &str, settings: &Settings, ecr: &Ecr) -> Option<Repository> {
    if settings.resource_tags {
        let listed = ecr.repositories().await.ok()?;
        let own = listed.iter().find(|one| one.name == path)?;
        let tags = ecr.resource_tags(&own.name, &own.arn).await.ok()?;
        if let Ok(Some(named)) = named_by_tags(path, &tags) {
            return Some(named.upstream);
        }
    }
    settings.naming.upstream_of(path).ok()
}

impl Found {
    /// Keeps what is there, remembers what is gone back from, and moves the tag. Where that fails, nothing is remembered.
    async fn carry_out(mut self, settings: &Settings) -> Result<Rollback, Failure> {
        let (target, before) = (self.done.target.clone(), self.done.digest_before.clone());
        let (ledger, trouble) = Ledger::open(&settings.ledger, &settings.aws).await;
        if let Some(trouble) = trouble {
            let hint = "what is rolled back is remembered there, so that a sync leaves it: mend it, or move it away to begin anew";
            return Err(Failure::new(&trouble, Some(hint)));
        }
        if let (Some(names), Some(before)) = (&self.backup, &before) {
            let name = names.name(target.reference.as_str(), Timestamp::now());
            let name = name.map_err(|error| Failure::new(&error, Some("choose a shorter policy.backup")))?;
            let kept = self.registries.back_up(&target, before, &name).await;
            self.done.backup = Some(kept.map_err(|error| Failure::from(&error))?);
        }
        let known = ledger.of(&target);
        if let Some(made) = self.made(known.as_ref(), settings) {
            let recorded = ledger.record(target.clone(), made).await;
            recorded.map_err(|error| Failure::from(&error))?;
            ledger.save().await.map_err(|error| Failure::from(&error))?;
            self.done.remembered = true;
        }
        let put = self.registries.put_back(&target, &self.done.digest_after).await;
        if let Err(error) = put {
            match known {
                Some(known) => ledger.record(target, known).await,
                None => {
                    ledger.forget(&target);
                    Ok(())
                }
            }
            .and(ledger.save().await)
            .map_err(|error| Failure::from(&error))?;
            return Err(Failure::from(&error));
        }
        Ok(self.done)
    }

    /// What a sync has to know to leave it there: from what of the upstream it was rolled back. What that names now comes first; where it does
    /// not answer, what the tag was made of.
    fn made(&self, known: Option<&Made>, settings: &Settings) -> Option<Made> {
        let done = &self.done;
        let known = known.filter(|made| Some(&made.digest) == done.digest_before.as_ref());
        let (upstream, now) = match (&self.follows, known) {
            (Some((upstream, now)), _) => (upstream.clone(), now.clone()),
            (None, Some(made)) => (made.upstream.clone(), None),
            (None, None) => return None,
        };
        let from = now.or_else(|| known.map(|made| made.from.clone()));
        Some(Made {
            digest: done.digest_after.clone(),
            upstream,
            from: from.or_else(|| done.digest_before.clone())?,
            platforms: settings.wanted_platforms(),
            attestations: settings.direct.attestations,
            rolled_back: true,
            at: Timestamp::now(),
        })
    }
}

/// The tag that is gone back to: the one that is asked for, or the newest backup that is another image.
fn chosen<'a>(
    options: &Options,
    tag: &Tag,
    named: &BTreeMap<&'a Tag, &Digest>,
    backup: Option<&Backup>,
) -> Option<&'a Tag> {
    if let Some(to) = &options.to {
        return named.keys().copied().find(|named| *named == to);
    }
    let backups = backup?.all_of(tag.as_str(), named.keys().copied());
    let before = named.get(tag);
    backups.into_iter().find(|backup| named.get(backup) != before)
}

fn nothing(target: &ImageRef, options: &Options, is_there: bool) -> Failure {
    let what = match &options.to {
        Some(to) => format!("its repository has no tag {to}"),
        None if is_there => "there is no backup of it that is another image".to_owned(),
        None => "its repository has no such tag, and no backup of one".to_owned(),
    };
    Failure {
        message: format!("roll back {target}: {what}"),
        causes: Vec::new(),
        hint: Some("`aws ecr list-images` shows the tags that are there; --to names one of them".into()),
    }
}
