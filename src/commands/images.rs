//! `images`: what repositories hold, and what is to go.

mod delete;
mod going;
mod looking;

use std::cmp::Ordering;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::desk::{keyring, registries};
use super::in_use::{InUse, Whom};
use super::watch::Watch;
use super::which::{Found, Which};
use super::{CommandError, Context, ExitCode};
use crate::aws::ecr::{Ecr, ImageDetails, RepositoryDetails, Status};
use crate::engine::{EngineError, Registries, Side};
use crate::image::{Observed, Platform, Repository, Tag};
use crate::report::{Failure, ImageLine, Images, ImagesOfOne};
use crate::selection::Version;
use crate::settings::Settings;
use crate::stop::Stop;

/// What `images` may be asked.
#[derive(Debug, clap::Subcommand)]
pub enum Options {
    /// List images, the newest first
    #[command(
        after_help = "Example: ecr-keeper images list base/image/nginx --platforms\n\nUntagged and archived images are among them. Exit \
code 1: a repository is not there, or could not be read; the others are listed."
    )]
    List(Asked),
    /// Print the newest tagged image of each repository
    #[command(
        after_help = "Example: ecr-keeper images latest --environment prod\n\nThe newest is the one that was pushed last; of several of one moment, \
the one with the newest version as its tag."
    )]
    Latest(Asked),
    /// Delete images, or tags of them
    #[command(
        after_help = "Example: ecr-keeper images delete base/image/nginx:1.29.3 --dry-run\n\nBy a tag, only the tag goes where the image has others; \
by its digest the image goes with all its tags. What somebody uses, and what is protected, is refused without --force. Exit codes: 0 all have gone; 1 one is there \
still, or was not there before."
    )]
    Delete(delete::Options),
}

/// What both may be told.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// Of which repositories.
    #[command(flatten)]
    which: Which,
    /// Tell what each runs on too, which ECR counts as a pull of it
    #[arg(long)]
    platforms: bool,
    /// Tell who runs each too: asks Lambda, and ECS where usage.include says so [setting: usage]
    #[arg(long)]
    in_use: bool,
}

/// Does what was asked.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    match options {
        Options::List(asked) => list(asked, Shown::All, context).await,
        Options::Latest(asked) => list(asked, Shown::Newest, context).await,
        Options::Delete(options) => delete::run(options, context).await,
    }
}

/// Which images of a repository.
#[derive(Debug, Clone, Copy)]
enum Shown {
    All,
    Newest,
}

async fn list(asked: &Asked, shown: Shown, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let listing = images(asked, shown, &settings, &watch.stop);
    let images = watch.unless_stopped("listing images", listing).await;
    let signal = watch.end_view().await;
    let images = images.map_err(|error| error.unless_asked(signal))?;
    context.print(&images, |images, out| match shown {
        Shown::All => images.write_list(out),
        Shown::Newest => images.write_latest(out),
    })?;
    Ok(u8::from(!images.is_whole()))
}

async fn images(asked: &Asked, shown: Shown, settings: &Settings, stop: &Stop) -> Result<Images, CommandError> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone())
        .await
        .map_err(|error| Failure::from(&error))?;
    let found = asked.which.find(&ecr, settings).await?;
    let in_use = match found.repositories.first().filter(|_| asked.in_use) {
        Some(one) => Some(InUse::ask(settings, &ecr, one, Whom::AsSaid, stop).await),
        None => None,
    };
    let who_runs_what = in_use.as_ref().map(InUse::who_was_asked);
    let reader = match asked.platforms {
        true => Some(registries(settings, &keyring(settings, None).await?)),
        false => None,
    };
    let beside = Beside { reader, in_use };
    let (repositories, failures) = read(found, shown, &ecr, &beside, settings.concurrency).await;
    Ok(Images::new(repositories, who_runs_what, failures))
}

/// The newest image of each.
pub(super) async fn newest_of(found: Found, ecr: &Ecr, settings: &Settings) -> Images {
    let nothing = Beside::default();
    let (repositories, failures) = read(found, Shown::Newest, ecr, &nothing, settings.concurrency).await;
    Images::new(repositories, None, failures)
}

async fn read(
    found: Found,
    shown: Shown,
    ecr: &Ecr,
    beside: &Beside,
    at_once: usize,
) -> (Vec<ImagesOfOne>, Vec<Failure>) {
    let read = stream::iter(found.repositories)
        .map(async |one| of_one(one, shown, ecr, beside).await)
        .buffered(at_once)
        .collect::<Vec<_>>();
    let (mut repositories, mut failures) = (Vec::new(), found.failures);
    for one in read.await {
        match one {
            Ok((one, unread)) => {
                repositories.push(one);
                failures.extend(unread);
            }
            Err(failure) => failures.push(failure),
        }
    }
    (repositories, failures)
}

/// What is told beside listings, where it was asked for.
#[derive(Default)]
struct Beside {
    reader: Option<Registries>,
    in_use: Option<InUse>,
}

/// The images of a repository, and of which of them the platforms could not be read.
async fn of_one(
    repository: RepositoryDetails,
    shown: Shown,
    ecr: &Ecr,
    beside: &Beside,
) -> Result<(ImagesOfOne, Vec<Failure>), Failure> {
    let images = ecr.image_details(&repository.name).await;
    let mut images = images.map_err(|error| Failure::from(&error))?;
    let users = match &beside.in_use {
        Some(in_use) => Some(in_use.of_images(&repository, &images, ecr).await),
        None => None,
    };
    let (users, failure) = users.map_or((None, None), |(users, failure)| (Some(users), failure));
    match shown {
        Shown::All => images.sort_by(|one, other| (other.pushed, &one.digest).cmp(&(one.pushed, &other.digest))),
        Shown::Newest => images = newest(images).into_iter().collect(),
    }
    let (mut lines, mut unread) = (Vec::new(), Vec::from_iter(failure));
    for image in images {
        let platforms = match (&beside.reader, image.status) {
            (Some(reader), Status::Active) => {
                let read = platforms(&repository.uri, &image, reader).await;
                read.map_err(|error| unread.push(Failure::from(&error))).ok()
            }
            _ => None,
        };
        let users = users.as_ref().and_then(|users| users.get(&image.digest));
        lines.push(ImageLine::new(image, platforms, users.cloned()));
    }
    Ok((ImagesOfOne::new(repository.name, repository.uri, lines), unread))
}

/// The one that was pushed last, of those that have a tag of their own and can be pulled.
fn newest(images: Vec<ImageDetails>) -> Option<ImageDetails> {
    let counts = |image: &ImageDetails| image.status == Status::Active && main_tag(image).is_some();
    let newer = |one: &ImageDetails, other: &ImageDetails| {
        let pushed: fn(&ImageDetails) -> Option<Timestamp> = |image| image.pushed;
        let by_tag = || compare_tags(main_tag(one), main_tag(other));
        pushed(one).cmp(&pushed(other)).then_with(by_tag)
    };
    images.into_iter().filter(counts).max_by(newer)
}

/// The tag that says most: the newest version, or else the last by its letters. Those of signatures are tags of something else.
fn main_tag(image: &ImageDetails) -> Option<&Tag> {
    let own = image.tags.iter().filter(|tag| !tag.is_of_referrers());
    own.max_by(|one, other| compare_tags(Some(*one), Some(*other)))
}

fn compare_tags(one: Option<&Tag>, other: Option<&Tag>) -> Ordering {
    let version = |tag: Option<&Tag>| tag.and_then(|tag| tag.as_str().parse::<Version>().ok());
    version(one).cmp(&version(other)).then_with(|| one.cmp(&other))
}

/// What an image runs on, read from its index or its config.
async fn platforms(uri: &str, image: &ImageDetails, reader: &Registries) -> Result<Vec<Platform>, EngineError> {
    let Ok(repository) = uri.parse::<Repository>() else {
        return Ok(Vec::new());
    };
    let named = repository.image(image.digest.clone());
    let manifest = reader.manifest(&named, &image.digest, Side::Target).await?;
    match manifest.kind.is_index() {
        true => Ok(Observed::from(&manifest).platforms),
        false => match manifest.blobs().first() {
            Some(config) => {
                let own = reader.platform(&repository, &config.digest, Side::Target).await?;
                Ok(own.into_iter().collect())
            }
            None => Ok(Vec::new()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Digest, Kind};

    /// Pushed at a second, by its number.
    fn image(pushed: i64, tags: &[&str]) -> ImageDetails {
        ImageDetails {
            digest: Digest::of(format!("{pushed} {tags:?}").as_bytes()),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            kind: Kind::OciManifest,
            artifact_type: None,
            bytes: None,
            pushed: Timestamp::from_second(pushed).ok(),
            pulled: None,
            archived: None,
            subject: None,
            status: Status::Active,
        }
    }

    fn newest_of(images: &[ImageDetails]) -> Option<String> {
        let newest = newest(images.to_vec())?;
        Some(newest.tags.first().map(ToString::to_string).unwrap_or_default())
    }

    #[test]
    fn the_newest_is_the_one_that_was_pushed_last_and_has_a_tag() {
        let signature = format!("sha256-{}.sig", "a".repeat(64));
        let archived = ImageDetails {
            status: Status::Archived,
            ..image(9, &["archived"])
        };
        let all = [
            image(1, &["2.0"]),
            image(3, &["1.0"]),
            image(8, &[]),
            image(7, &[&signature]),
            archived,
        ];
        assert_eq!(newest_of(&all).as_deref(), Some("1.0"));
        assert_eq!(newest_of(&all[2..]), None);
    }

    #[test]
    fn of_one_moment_the_newest_version_counts() {
        let all = [
            image(1, &["1.9", "latest"]),
            image(1, &["1.10"]),
            image(1, &["nightly"]),
        ];
        assert_eq!(newest_of(&all).as_deref(), Some("1.10"));
        let plain = [image(1, &["b"]), image(1, &["a"])];
        assert_eq!(newest_of(&plain).as_deref(), Some("b"));
    }
}
