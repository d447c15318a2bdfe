use std::io::{self, Write};

use super::going::deleted;
use super::looking::{Found, look};
use crate::aws::ecr::{Ecr, ImageId};
use crate::commands::ask::{Consent, declined};
use crate::commands::guard::Guard;
use crate::commands::watch::Watch;
use crate::commands::which::repository;
use crate::commands::{CommandError, Context, ExitCode};
use crate::image::Digest;
use crate::mapping::Only;
use crate::report::{Deletions, Failure, SCHEMA_VERSION, WhoWasAsked};
use crate::settings::Settings;

/// What `images delete` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Images: by a tag, or by the digest, with all tags
    #[arg(value_name = "REPOSITORY:TAG|REPOSITORY@DIGEST", required = true, value_parser = meant)]
    pub(super) images: Vec<Meant>,
    /// Also what somebody uses, or may use, and what is protected: by `protect` in the settings, as a last copy, as a backup
    #[arg(long)]
    pub(super) force: bool,
    /// Take one that is not there for well
    #[arg(long)]
    pub(super) if_exists: bool,
    /// Only print what would go; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// An image of a repository, by one of its names.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    pub(super) repository: Only,
    pub(super) id: ImageId,
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

async fn look_ask_and_delete(
    options: &Options,
    settings: &Settings,
    watch: &Watch,
) -> Result<Option<Deletions>, CommandError> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone()).await;
    let ecr = ecr.map_err(|error| Failure::from(&error))?;
    let guard = Guard::open(settings).await?;
    let looking = async {
        let found = look(options, settings, &ecr).await?;
        Ok::<_, CommandError>(found.judge(options, &guard, settings, &ecr, &watch.stop).await)
    };
    let (mut found, mut who_runs_what) = watch.unless_stopped("looking at images", looking).await?;
    if !options.dry_run && found.images.iter().any(Result::is_ok) {
        show(&found, who_runs_what.as_ref(), watch).await?;
        if !ask(options, &found, &ecr, watch).await? {
            return Ok(None);
        }
        if !options.consent.yes {
            // The question may have stood there for long.
            let judging =
                async { Ok::<_, CommandError>(found.judge(options, &guard, settings, &ecr, &watch.stop).await) };
            (found, who_runs_what) = watch.unless_stopped("asking who uses images", judging).await?;
        }
    }
    let found = found.images;
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

/// On standard error, for whoever answers, and for a pipeline's log.
async fn show(found: &Found, asked: Option<&WhoWasAsked>, watch: &Watch) -> Result<(), Failure> {
    watch.hush().await;
    let shown = |error: io::Error| Failure::new(&error, None);
    let mut out = io::stderr().lock();
    for one in found.images.iter().flatten() {
        let to_come = one.ended(one.outcome(), None);
        to_come.write_text(&mut out, true).map_err(shown)?;
    }
    if let Some(asked) = asked {
        asked.write_text(&mut out).map_err(shown)?;
    }
    out.flush().map_err(shown)
}

async fn ask(options: &Options, found: &Found, ecr: &Ecr, watch: &Watch) -> Result<bool, Failure> {
    let going: Vec<_> = found.images.iter().flatten().collect();
    let what = match going.as_slice() {
        [one] => one.in_words(),
        several => format!("these {}", several.len()),
    };
    let question = format!("Delete {what} in {}? Nobody can undo this.", ecr.region());
    options.consent.ask(&question, watch).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::images::looking::name;

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
