//! `manage`: the flags of manage_ecr_docker_images, with what `images prune` protects beneath them.

use futures::{StreamExt, stream};

use super::ask::Consent;
use super::images::newest_of;
use super::prune::{Job, finish, prune};
use super::watch::Watch;
use super::which::{Found, find_within, repository};
use super::{CommandError, Context, ExitCode};
use crate::aws::ecr::{Ecr, ImageDetails, RepositoryDetails};
use crate::image::Digest;
use crate::mapping::Only;
use crate::prune::{Protected, Rules};
use crate::report::Failure;
use crate::settings::Settings;

/// So many images stay where only the oldest go.
const KEPT: usize = 2;

/// What `manage` is told, in the original's words.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The environment that the repositories are of [setting: environment.match]
    #[arg(short, long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    environment: String,
    /// Print the newest image
    #[arg(short, long, value_name = "True|False", value_parser = truth, num_args = 0..=1, default_value = "False", default_missing_value = "True", hide_default_value = true)]
    get: bool,
    /// Delete images
    #[arg(short, long, value_name = "True|False", value_parser = truth, num_args = 0..=1, default_value = "False", default_missing_value = "True", hide_default_value = true)]
    delete: bool,
    /// Of this repository: its whole name, or what is left of that without the environment
    #[arg(short, long, value_name = "REPOSITORY", value_parser = repository)]
    repository: Option<Only>,
    /// Of all repositories of the environment
    #[arg(short, long = "all_repositories", alias = "all-repositories", value_name = "True|False", value_parser = truth, num_args = 0..=1, default_value = "False", default_missing_value = "True", hide_default_value = true)]
    all_repositories: bool,
    /// Delete only the oldest: the two most recent stay
    #[arg(short, long = "oldest_images", alias = "oldest-images", value_name = "True|False", value_parser = truth, num_args = 0..=1, default_value = "False", default_missing_value = "True", hide_default_value = true)]
    oldest_images: bool,
    /// Only print what would go; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on where not everybody could be asked who may run the images; who was seen to is heeded all the same
    #[arg(long)]
    without_usage: bool,
    #[command(flatten)]
    consent: Consent,
}

/// As Python's users write it.
fn truth(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("write True or False".to_owned()),
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Get,
    DeleteAll,
    DeleteOldest,
}

impl Options {
    /// One of each pair has to be said, and not both.
    fn action(&self) -> Result<Action, CommandError> {
        let one_of = |first: bool, second: bool, names: &str| match (first, second) {
            (true, false) | (false, true) => Ok(()),
            (false, false) => Err(unusable(format!("one of {names} is needed"))),
            (true, true) => Err(unusable(format!("{names} cannot both be said"))),
        };
        one_of(self.get, self.delete, "--get (-g) and --delete (-d)")?;
        let names = "--repository (-r) and --all_repositories (-a)";
        one_of(self.repository.is_some(), self.all_repositories, names)?;
        match (self.delete, self.oldest_images) {
            (false, false) => Ok(Action::Get),
            (false, true) => Err(unusable("--oldest_images (-o) goes with --delete (-d)".to_owned())),
            (true, false) => Ok(Action::DeleteAll),
            (true, true) => Ok(Action::DeleteOldest),
        }
    }
}

fn unusable(message: String) -> CommandError {
    CommandError::Unusable(Failure {
        message,
        causes: Vec::new(),
        hint: Some("such as -e prod -g True -r app, or -e prod -d True -o True -a True".into()),
    })
}

/// Prints the newest images, or shows what goes, asks, and deletes it.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let action = options.action()?;
    let settings = context.settings().await?;
    match action {
        Action::Get => get(options, &settings, context).await,
        Action::DeleteAll => delete(Rules::all_images(), options, settings, context).await,
        Action::DeleteOldest => delete(Rules::keeping(KEPT), options, settings, context).await,
    }
}

async fn found(options: &Options, settings: &Settings) -> Result<(Ecr, Found), CommandError> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone()).await;
    let ecr = ecr.map_err(|error| Failure::from(&error))?;
    let found = find_within(&options.environment, options.repository.as_ref(), &ecr, settings).await?;
    Ok((ecr, found))
}

async fn get(options: &Options, settings: &Settings, context: &Context) -> Result<ExitCode, CommandError> {
    let mut watch = Watch::begin(context, settings.grace)?;
    let newest = async {
        let (ecr, found) = found(options, settings).await?;
        Ok(newest_of(found, &ecr, settings).await)
    };
    let images = watch.unless_stopped("listing images", newest).await;
    let asked = watch.end_view().await;
    let images = images.map_err(|error: CommandError| error.unless_asked(asked))?;
    context.print(&images, |images, out| images.write_latest(out))?;
    Ok(u8::from(!images.is_whole()))
}

async fn delete(
    rules: Rules,
    options: &Options,
    mut settings: Settings,
    context: &Context,
) -> Result<ExitCode, CommandError> {
    let job = Job {
        rules,
        without_usage: options.without_usage,
        count_layers: false,
        unused_at: None,
        consent: (!options.dry_run).then_some(options.consent),
    };
    job.consent.map_or(Ok(()), Consent::can_be_had)?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let pruned = async {
        let looking = async {
            let (ecr, mut found) = found(options, &settings).await?;
            let newest = match job.rules.all_images {
                true => Vec::new(),
                false => most_recent(&mut found, &ecr, settings.concurrency).await,
            };
            Ok::<_, CommandError>((ecr, found, newest))
        };
        let (ecr, found, newest) = watch.unless_stopped("looking for repositories", looking).await?;
        settings.prune.protected.extend(newest);
        Ok::<_, CommandError>(prune(&job, found, &ecr, &settings, context, &watch).await?)
    };
    let pruned = pruned.await;
    finish(pruned, &job, "this is a dry run", context, &mut watch).await
}

/// The original's two are the most recent of all images, those without a tag too, which a rule of tagged ones would not keep. A repository of which
/// these cannot be found out is left out.
async fn most_recent(found: &mut Found, ecr: &Ecr, at_once: usize) -> Vec<Protected> {
    let looking = stream::iter(std::mem::take(&mut found.repositories))
        .map(async |one: RepositoryDetails| (ecr.image_details(&one.name).await, one))
        .buffered(at_once)
        .collect::<Vec<_>>();
    let mut newest = Vec::new();
    for (images, one) in looking.await {
        match images {
            Ok(images) => {
                newest.extend(newest_of_all(images).map(|digest| Protected::PushedLast(digest, KEPT)));
                found.repositories.push(one);
            }
            Err(error) => found.failures.push(Failure::from(&error)),
        }
    }
    newest
}

/// The two that were pushed last; beside them all whose push is not known, which may be newer, and takes nobody's place.
fn newest_of_all(images: Vec<ImageDetails>) -> impl Iterator<Item = Digest> {
    let (mut dated, undated): (Vec<_>, Vec<_>) = images.into_iter().partition(|image| image.pushed.is_some());
    dated.sort_by(|one, other| (other.pushed, &other.digest).cmp(&(one.pushed, &one.digest)));
    dated.into_iter().take(KEPT).chain(undated).map(|image| image.digest)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::aws::ecr::Status;
    use crate::image::Kind;

    #[test]
    fn an_image_whose_push_is_not_known_stays_and_takes_nobody_s_place() {
        let image = |name: &str, pushed: Option<i64>| ImageDetails {
            digest: Digest::of(name.as_bytes()),
            tags: Vec::new(),
            kind: Kind::OciManifest,
            artifact_type: None,
            bytes: None,
            pushed: pushed.map(|second| Timestamp::from_second(second).unwrap()),
            pulled: None,
            archived: None,
            subject: None,
            status: Status::Active,
        };
        let all = vec![
            image("old", Some(1)),
            image("unknown", None),
            image("new", Some(3)),
            image("older", Some(2)),
        ];
        let newest: Vec<Digest> = newest_of_all(all).collect();
        assert_eq!(
            newest,
            ["new", "older", "unknown"].map(|name| Digest::of(name.as_bytes()))
        );
    }
}
