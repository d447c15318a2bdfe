//! `plan`: says what `sync` would do.

use std::path::PathBuf;

use super::desk::{Desk, Range};
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::mapping::Only;
use crate::plan::{SAVED_VERSION, Saved};
use crate::report::{Failure, Preview};
use crate::settings::Settings;
use crate::{atomic, report};

/// What `plan` may be told.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Write the plan to a file, for `apply`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Exit with 3 when something would change
    #[arg(long)]
    pub exit_code: bool,
    /// Only this repository, or this tag of it; may be given more than once
    #[arg(long, value_name = "REPOSITORY[:TAG]")]
    pub only: Vec<Only>,
    /// Who would copy [setting: engine]
    #[arg(long, value_name = "docker|direct")]
    pub engine: Option<String>,
}

/// The exit code that says that something would change.
const WOULD_CHANGE: ExitCode = 3;

/// Asks both sides and prints the plan. Nothing is changed anywhere but the file that is asked for: no pull, no ledger.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings()?;
    let range = Range::of(context, &settings, &options.only)?;
    let parts = settings.by_engine().into_iter();
    let parts = parts.filter_map(|settings| Some((range.within(&settings)?, settings)));
    let parts: Vec<(Range, Settings)> = parts.collect();
    if options.out.is_some() && parts.len() > 1 {
        return Err(CommandError::Unusable(Failure {
            message: "write a plan: entries of `images` name another engine, and a plan is carried out by one"
                .to_owned(),
            causes: Vec::new(),
            hint: Some("narrow it down to repositories of one engine with --only"),
        }));
    }
    let mut watch = Watch::begin(context, settings.grace)?;
    let preview = preview_all(&parts, &watch).await;
    let asked = watch.end_view().await;
    let preview = preview.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    if let (Some(path), None, Some((_, settings))) = (&options.out, asked, parts.first()) {
        save(path, settings, &preview).map_err(CommandError::Failed)?;
    }
    context.print(&preview, |preview, out| preview.write_text(out))?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None if preview.is_blind() => 1,
        // What would change outweighs what is refused: the one can be approved, the other is in the plan.
        None if options.exit_code && preview.plan.actions().count() > 0 => WOULD_CHANGE,
        None => u8::from(!preview.is_well()),
    })
}

/// What each engine would do; what fails of one is told beside what the other would.
async fn preview_all(parts: &[(Range, Settings)], watch: &Watch) -> Result<Preview, Failure> {
    let mut all = Err(Failure::stopped("looking for what the run is about"));
    for (at, (range, settings)) in parts.iter().enumerate() {
        let part = preview(settings, range.clone(), watch).await;
        all = match (all, part) {
            (_, part) if at == 0 => part,
            (Ok(first), Ok(part)) => Ok(first.and(part)),
            (Ok(mut one), Err(failure)) | (Err(failure), Ok(mut one)) => {
                one.failures.push(failure);
                Ok(one)
            }
            (first, _) => first,
        };
    }
    all
}

async fn preview(settings: &Settings, range: Range, watch: &Watch) -> Result<Preview, Failure> {
    let desk = Desk::open(settings, range, watch).await?;
    let mut survey = desk.survey(&watch.stop).await?;
    let plan = desk.plan(&mut survey);
    let (engine, limits) = (desk.session.describe(), desk.limits());
    Ok(Preview {
        limits,
        ..Preview::new(desk.registry, engine, plan, &survey)
    })
}

fn save(path: &std::path::Path, settings: &Settings, preview: &Preview) -> Result<(), report::Failure> {
    let saved = Saved {
        version: SAVED_VERSION,
        made: jiff::Timestamp::now(),
        registry: preview.registry.clone(),
        engine: settings.engine,
        platforms: settings.wanted_platforms(),
        attestations: settings.direct.attestations,
        referrers: settings.direct.referrers,
        foreign_layers: settings.direct.foreign_layers,
        plan: preview.plan.clone(),
    };
    atomic::write_json(path, &saved).map_err(|error| Failure {
        message: format!("write the plan to {}", path.display()),
        causes: vec![error.to_string()],
        hint: Some("name a file in a folder that can be written to with --out"),
    })
}
