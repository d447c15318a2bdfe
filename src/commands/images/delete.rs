use std::collections::BTreeMap;
use std::io::{self, Write};

use super::going::{Going, deleted};
use crate::aws::ecr::{Ecr, ImageDetails, ImageId, RepositoryDetails, Status};
use crate::commands::ask::{Consent, declined};
use crate::commands::in_use::{InUse, Whom};
use crate::commands::watch::Watch;
use crate::commands::which::{named, names_here, repository};
use crate::commands::{CommandError, Context, ExitCode};
use crate::image::Digest;
use crate::mapping::Only;
use crate::report::{DeletionOutcome, Deletions, Failure, GoesWithIt, OneDeletion, SCHEMA_VERSION, Users, WhoWasAsked};
use crate::settings::Settings;
use crate::stop::Stop;

/// What `images delete` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Images: by a tag, or by the digest, with all tags
    #[arg(value_name = "REPOSITORY:TAG|REPOSITORY@DIGEST", required = true, value_parser = meant)]
    images: Vec<Meant>,
    /// Also what somebody uses, or may use, and what `protect` in the settings names
    #[arg(long)]
    force: bool,
    /// Take one that is not there for well
    #[arg(long)]
    if_exists: bool,
    /// Only print what would go; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// An image of a repository, by one of its names.
#[derive(Debug, Clone)]
struct Meant {
    repository: Only,
    id: ImageId,
}

fn meant(text: &str) -> Result<Meant, String> {
    if let Some((name, digest)) = text.split_once('@') {
        let repository = repository(name).map_err(|why| match name.parse::<Only>() {
            Ok(_) => "it names a tag and a digest; write one of them".to_owned(),
            Err(_) => why,
        })?;
        let digest: Digest = digest.parse().map_err(|why| format!("{why}"))?;
        let id = ImageId::Digest(digest);
        return Ok(Meant { repository, id });
    }
    let only: Only = text.parse().map_err(|why| format!("{why}"))?;
    match only.tag {
        Some(tag) => Ok(Meant {
            repository: Only {
                repository: only.repository,
                tag: None,
            },
            id: ImageId::Tag(tag),
        }),
        None => Err(
            "it names no tag and no digest; `repositories delete` deletes a whole repository, `images prune` old images"
                .to_owned(),
        ),
    }
}

/// Looks, shows what goes, asks, and deletes.
pub(super) async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    if !options.dry_run {
        options.consent.can_be_had()?;
    }
    let mut watch = Watch::begin(context, settings.grace)?;
    let done = look_ask_and_delete(options, &settings, &watch).await;
    let asked = watch.end_view().await;
    let done = done.map_err(|error| error.unless_asked(asked))?;
    let done = done.ok_or_else(declined)?;
    context.print(&done, |done, out| done.write_text(out))?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!done.is_well()),
    })
}

/// What is to go, or how it has ended already.
type Looked = Result<Going, Box<OneDeletion>>;

async fn look_ask_and_delete(
    options: &Options,
    settings: &Settings,
    watch: &Watch,
) -> Result<Option<Deletions>, CommandError> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone()).await;
    let ecr = ecr.map_err(|error| Failure::from(&error))?;
    let looking = look(options, settings, &ecr, &watch.stop);
    let (found, who_runs_what) = watch.unless_stopped("looking at images", looking).await?;
    let going: Vec<&Going> = found.iter().filter_map(|one| one.as_ref().ok()).collect();
    let asked = who_runs_what.as_ref();
    if !options.dry_run && !going.is_empty() && !ask(options, &going, asked, &ecr, watch).await? {
        return Ok(None);
    }
    let images = match options.dry_run {
        true => found
            .into_iter()
            .map(|one| match one {
                Ok(going) => going.ended(going.outcome(), None),
                Err(ended) => *ended,
            })
            .collect(),
        false => deleted(found, &ecr, &watch.stop).await,
    };
    Ok(Some(Deletions {
        schema_version: SCHEMA_VERSION,
        dry_run: options.dry_run,
        images,
        who_runs_what,
    }))
}

/// Each image that is named, once, and who was asked who uses it.
async fn look(
    options: &Options,
    settings: &Settings,
    ecr: &Ecr,
    stop: &Stop,
) -> Result<(Vec<Looked>, Option<WhoWasAsked>), CommandError> {
    let all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
    let written: Vec<Only> = options.images.iter().map(|one| one.repository.clone()).collect();
    let names = names_here(&written, &all, ecr, settings).await?;
    let mut by_repository: Vec<(Only, Vec<&ImageId>)> = Vec::new();
    for (name, meant) in names.into_iter().zip(&options.images) {
        match by_repository.iter_mut().find(|(known, _)| *known == name) {
            Some((_, ids)) => ids.push(&meant.id),
            None => by_repository.push((name, vec![&meant.id])),
        }
    }
    let mut failures: Vec<Failure> = Vec::new();
    let is_meant = |one: &&RepositoryDetails| by_repository.iter().any(|(name, _)| name.repository == one.name);
    let in_use = match all.iter().find(is_meant) {
        Some(one) => Some(InUse::ask(settings, ecr, one, Whom::Everybody, stop).await),
        None => None,
    };
    let mut found: Vec<Looked> = Vec::new();
    for (name, ids) in by_repository {
        let looked = look_at(&name, &ids, &all, options, ecr).await;
        found.extend(match (&looked.images, &in_use) {
            (Some((details, images)), Some(in_use)) => {
                let (users, failure) = in_use.of_images(details, images, ecr).await;
                failures.extend(failure);
                let judged = looked
                    .found
                    .into_iter()
                    .map(|one| judge(one?, in_use, &users, options, settings));
                judged.collect()
            }
            _ => looked.found,
        });
    }
    let who_runs_what = in_use.map(|in_use| {
        let mut asked = in_use.who_was_asked();
        asked.failures.extend(failures);
        asked
    });
    Ok((found, who_runs_what))
}

/// A repository that was looked at, with all its images where these could be listed.
struct LookedAt {
    found: Vec<Looked>,
    images: Option<(RepositoryDetails, Vec<ImageDetails>)>,
}

async fn look_at(only: &Only, ids: &[&ImageId], all: &[RepositoryDetails], options: &Options, ecr: &Ecr) -> LookedAt {
    let each = |failure: Option<&Failure>| {
        let ended = |id: &&ImageId| Err(not_there(&only.repository, id, failure.cloned()));
        LookedAt {
            found: ids.iter().map(ended).collect(),
            images: None,
        }
    };
    let mut meant = named(std::slice::from_ref(only), all.to_vec());
    let Some(details) = meant.repositories.pop() else {
        return each(meant.failures.first().filter(|_| !options.if_exists));
    };
    let images = match ecr.image_details(&details.name).await {
        Ok(images) => images,
        Err(error) => return each(Some(&Failure::from(&error))),
    };
    let mut found: Vec<Looked> = Vec::new();
    for id in ids {
        let Some(image) = images.iter().find(|image| is_named(image, id)) else {
            let failure = absent(&details.name, id);
            found.push(Err(not_there(
                &details.name,
                id,
                (!options.if_exists).then_some(failure),
            )));
            continue;
        };
        let mut known = found.iter_mut().flatten();
        match known.find(|one| one.image.digest == image.digest) {
            Some(going) => going.also(id),
            None => found.push(Ok(Going::new(&details, image, id))),
        }
    }
    tell_what_stays(&mut found, &images, ecr).await;
    LookedAt {
        found,
        images: Some((details, images)),
    }
}

/// What an index consists of stays, unless it goes by itself.
async fn tell_what_stays(found: &mut [Looked], images: &[ImageDetails], ecr: &Ecr) {
    let whole = |one: &&Going| one.goes() == GoesWithIt::Image;
    let going = found.iter().flatten().filter(whole);
    let going: Vec<Digest> = going.map(|one| one.image.digest.clone()).collect();
    for one in found.iter_mut().flatten().filter(|one| one.goes() == GoesWithIt::Image) {
        let parts = parts(one, ecr).await;
        let is_there = |part: &Digest| images.iter().any(|image| image.digest == *part);
        let stays = |part: &Digest| is_there(part) && !going.contains(part);
        one.leaves = parts.map(|parts| parts.into_iter().filter(stays).collect());
    }
}

fn is_named(image: &ImageDetails, id: &ImageId) -> bool {
    match id {
        ImageId::Digest(digest) => image.digest == *digest,
        ImageId::Tag(tag) => image.tags.contains(tag),
    }
}

fn not_there(repository: &str, id: &ImageId, failure: Option<Failure>) -> Box<OneDeletion> {
    Box::new(OneDeletion {
        repository: repository.to_owned(),
        named: vec![name(id)],
        outcome: match failure {
            Some(_) => DeletionOutcome::Failed,
            None => DeletionOutcome::Absent,
        },
        goes: None,
        tags: Vec::new(),
        tags_left: Vec::new(),
        image: None,
        leaves: Some(Vec::new()),
        failure,
    })
}

pub(super) fn name(id: &ImageId) -> String {
    match id {
        ImageId::Digest(digest) => digest.to_string(),
        ImageId::Tag(tag) => tag.to_string(),
    }
}

fn absent(repository: &str, id: &ImageId) -> Failure {
    let what = match id {
        ImageId::Digest(digest) => format!("image {repository}@{digest}"),
        ImageId::Tag(tag) => format!("tag {repository}:{tag}"),
    };
    Failure {
        message: format!("there is no {what}"),
        causes: Vec::new(),
        hint: Some(
            format!(
                "`ecr-keeper images list {repository}` lists those that are there; --if-exists takes that for well"
            )
            .into(),
        ),
    }
}

/// With those who use it. What somebody uses, or may use, and what the settings protect goes only by force.
fn judge(
    mut going: Going,
    in_use: &InUse,
    users: &BTreeMap<Digest, Users>,
    options: &Options,
    settings: &Settings,
) -> Looked {
    going.judge(in_use, users);
    let protected = || going.protected(&settings.prune.protected);
    let refusal = going.users.refusal().or_else(protected);
    match refusal.filter(|_| !options.force) {
        None => Ok(going),
        Some(refusal) => Err(Box::new(going.ended(DeletionOutcome::Refused, Some(refusal)))),
    }
}

/// What an index consists of.
async fn parts(going: &Going, ecr: &Ecr) -> Option<Vec<Digest>> {
    if !going.image.kind.is_index() {
        return Some(Vec::new());
    }
    // Archived ones cannot be read.
    if going.image.status != Status::Active {
        return None;
    }
    let digest = going.image.digest.to_string();
    let manifests = ecr
        .manifests(&going.repository, std::slice::from_ref(&digest))
        .await
        .ok()?;
    let parts = manifests
        .get(&digest)?
        .children()
        .iter()
        .map(|part| part.digest.clone());
    Some(parts.collect())
}

async fn ask(
    options: &Options,
    going: &[&Going],
    asked: Option<&WhoWasAsked>,
    ecr: &Ecr,
    watch: &Watch,
) -> Result<bool, Failure> {
    let shown = |error: io::Error| Failure::new(&error, None);
    if !options.consent.yes {
        let mut out = io::stderr().lock();
        for one in going {
            let to_come = one.ended(one.outcome(), None);
            to_come.write_text(&mut out, true).map_err(shown)?;
        }
        if let Some(asked) = asked {
            asked.write_text(&mut out).map_err(shown)?;
        }
        out.flush().map_err(shown)?;
    }
    let what = match going {
        [one] => one.in_words(),
        several => format!("these {}", several.len()),
    };
    let question = format!("Delete {what} in {}? Nobody can undo this.", ecr.region());
    options.consent.ask(&question, watch).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_one_tag_or_by_its_digest() {
        let digest = Digest::of(b"x");
        let named = |text: &str| meant(text).map(|one| format!("{} {}", one.repository, name(&one.id)));
        assert_eq!(named("a/b:1.0").unwrap(), "a/b 1.0");
        assert_eq!(
            named(&format!("h:5000/a@{digest}")).unwrap(),
            format!("h:5000/a {digest}")
        );
        for (text, why) in [
            ("a/b".to_owned(), "no tag and no digest"),
            (format!("a/b:1@{digest}"), "a tag and a digest"),
            ("a/b@sha256:1".to_owned(), "sha256:1"),
            ("A:1".to_owned(), "A"),
            ("a:".to_owned(), ""),
        ] {
            let told = meant(&text).map(drop).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
