//! `explain`: all that is known of one tag, and what `sync` would do with it.

use super::desk::{Desk, Range};
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::mapping::Only;
use crate::plan;
use crate::report::{Explanation, Failure};
use crate::settings::Settings;

/// What `explain` is told.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// A tag in ECR, with or without the registry's host before it
    #[arg(value_name = "REPOSITORY:TAG", value_parser = with_tag)]
    pub image: Only,
    /// Who would copy [setting: engine]
    #[arg(long, value_name = "docker|direct")]
    pub engine: Option<String>,
}

fn with_tag(text: &str) -> Result<Only, String> {
    let image: Only = text
        .parse()
        .map_err(|error: crate::image::InvalidReference| error.to_string())?;
    match image.tag {
        Some(_) => Ok(image),
        None => Err(format!(
            "{text} names no tag; `ecr-keeper plan --only {text}` tells of all its tags"
        )),
    }
}

/// Looks at one tag as `sync` would, and changes nothing.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let explanation = explain(&options.image, &settings, &watch).await;
    let asked = watch.end_view().await;
    let explanation = explanation.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    context.print(&explanation, |explanation, out| explanation.write_text(out))?;
    Ok(asked.map_or(0, |asked| asked.exit_code))
}

async fn explain(image: &Only, settings: &Settings, watch: &Watch) -> Result<Explanation, Failure> {
    let range = Range {
        // It is told of although sync would pass it over, and that is told too.
        keyword: settings
            .keyword
            .clone()
            .filter(|keyword| image.repository.contains(keyword.as_str())),
        only: vec![image.clone()],
        ..Range::default()
    };
    let parts = settings.by_engine();
    // Who copies is who looks.
    let part = parts
        .iter()
        .rev()
        .find_map(|settings| Some((range.within(settings)?, settings)));
    let (range, settings) = part.unwrap_or((range, settings));
    let desk = Desk::open(settings, range, watch).await?;
    let survey = desk.survey(&watch.stop).await?;
    let failure = Failure::of_survey(&survey).next();
    // A name by itself is first of all one of the run's own registry.
    let mut viewed = survey.viewed;
    viewed.sort_by_key(|one| *one.target.repository.host != *desk.registry);
    let Some(viewed) = viewed.into_iter().next() else {
        let unread = survey.unread.first().map(|unread| Failure::from(&*unread.why));
        return Err(unread
            .or(failure)
            .unwrap_or_else(|| Failure::stopped("looking at the image")));
    };
    let named = survey.named.get(&viewed.target.repository);
    let repository = &viewed.target.repository.path;
    let passed_over = settings
        .keyword
        .clone()
        .filter(|keyword| !repository.contains(keyword.as_str()) && named.is_none());
    let overridden = settings.naming.overrides.contains_key(repository.as_ref());
    let plan = plan::sync(vec![viewed.clone()], &desk.policies).creating(&survey.missing);
    Ok(Explanation {
        limits: desk.limits(),
        named_in: named.cloned(),
        ..Explanation::new(viewed, plan, overridden, passed_over)
    })
}
