use futures::{StreamExt, stream};

use crate::aws::ecr::{Ecr, RepositoryDetails};
use crate::commands::watch::Watch;
use crate::commands::{CommandError, Context, ExitCode};
use crate::report::{Failure, RepositoryLine, RepositoryList};
use crate::settings::Settings;

/// What `repositories list` may be told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Count images and their sizes too, which asks about each repository
    #[arg(long)]
    pub images: bool,
}

/// Lists them by name.
pub(super) async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let list = watch
        .unless_stopped("listing repositories", list(options, &settings))
        .await;
    let asked = watch.end_view().await;
    let list = list.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    context.print(&list, |list, out| list.write_text(out))?;
    Ok(u8::from(!list.failures.is_empty()))
}

async fn list(options: &Options, settings: &Settings) -> Result<RepositoryList, Failure> {
    let ecr = Ecr::connect(&settings.aws, settings.account.clone()).await;
    let ecr = ecr.map_err(|error| Failure::from(&error))?;
    let mut all = ecr.repository_details().await.map_err(|error| Failure::from(&error))?;
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let line = async |one: RepositoryDetails| {
        if !options.images {
            return (RepositoryLine::new(one, None), None);
        }
        match ecr.image_details(&one.name).await {
            Ok(images) => (RepositoryLine::new(one, Some(&images)), None),
            Err(error) => (RepositoryLine::new(one, None), Some(Failure::from(&error))),
        }
    };
    let lines = stream::iter(all).map(line).buffered(settings.concurrency);
    let (lines, failures): (Vec<_>, Vec<_>) = lines.unzip().await;
    Ok(RepositoryList::new(lines, failures.into_iter().flatten().collect()))
}
