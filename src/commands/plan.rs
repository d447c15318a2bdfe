//! `plan`: says what `sync` would do.

use super::desk::Desk;
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::plan;
use crate::report::{Failure, Preview};
use crate::settings::Settings;

/// Asks both sides and prints the plan. Nothing is changed anywhere: no pull, no file, no ledger.
pub async fn run(context: &Context) -> Result<ExitCode, CommandError> {
    let (settings, keyword) = context.settings_with_keyword()?;
    let mut watch = Watch::begin(context, settings.grace)?;
    let preview = preview(&settings, keyword, &watch).await;
    let asked = watch.end_view().await;
    let preview = match (preview, asked) {
        (Ok(preview), _) => preview,
        (Err(_), Some(asked)) => return Ok(asked.exit_code),
        (Err(failure), None) => return Err(CommandError::Failed(failure)),
    };
    context.print(&preview, |preview, out| preview.write_text(out))?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None => u8::from(!preview.is_well()),
    })
}

async fn preview(settings: &Settings, keyword: String, watch: &Watch) -> Result<Preview, Failure> {
    let desk = Desk::open(settings, keyword, watch).await?;
    let mut survey = desk.survey(&watch.stop).await?;
    let plan = plan::sync(std::mem::take(&mut survey.viewed), &desk.policy);
    let engine = desk.session.describe();
    Ok(Preview::new(desk.registry, engine, plan, &survey))
}
