//! `plan`: says what `sync` would do.

use std::path::PathBuf;
use std::time::Duration;

use super::desk::{Desk, Range};
use super::listing::Listing;
use super::signals::Asked;
use super::sync::{Alone, lock, shard};
use super::watch::Watch;
use super::{CommandError, Context, ExitCode};
use crate::mapping::{Only, Shard};
use crate::plan::{self, SAVED_VERSION, Saved};
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
    /// Only the I-th of N parts: every image is in exactly one. auto goes by the runner's variables
    #[arg(long, value_name = "I/N|auto", value_parser = shard, allow_hyphen_values = true)]
    pub shard: Option<Shard>,
    /// Who would copy [setting: engine]
    #[arg(long, value_name = "docker|direct")]
    pub engine: Option<String>,
    /// Write what would be copied as CSV, a row each: source, ECR URL, tag
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// With a first row that names the columns of the list
    #[arg(long, requires = "csv")]
    pub csv_header: bool,
    /// Put that list into S3 too.
    #[arg(skip)]
    pub to_s3: bool,
    /// Only what `images` or resource tags name.
    #[arg(skip)]
    pub named_alone: bool,
    /// How long another run that holds the ledger is waited for, where there is a list.
    #[arg(skip)]
    pub wait: Option<Duration>,
}

/// The exit code that says that something would change.
const WOULD_CHANGE: ExitCode = 3;

/// Asks both sides and prints the plan. Nothing is changed anywhere but the file that is asked for: no pull, no ledger.
pub async fn run(options: &Options, context: &Context) -> Result<ExitCode, CommandError> {
    let settings = context.settings().await?;
    let watch = Watch::begin(context, settings.grace)?;
    let (preview, asked) = look(options, &settings, watch, context).await?;
    context.print(&preview, |preview, out| preview.write_text(out))?;
    Ok(match asked {
        Some(asked) => asked.exit_code,
        None if preview.is_blind() => 1,
        // What would change outweighs what is refused: the one can be approved, the other is in the plan.
        None if options.exit_code && preview.plan.actions().count() > 0 => WOULD_CHANGE,
        None => u8::from(!preview.is_well()),
    })
}

/// What would be done, once all that is asked for is written; and who asked to stop before it was all looked at.
pub(crate) async fn look(
    options: &Options,
    settings: &Settings,
    mut watch: Watch,
    context: &Context,
) -> Result<(Preview, Option<Asked>), CommandError> {
    let range = Range::of(context, settings, &options.only)?.part(options.shard);
    let range = match options.named_alone {
        true => range.named_alone(),
        false => range,
    };
    let parts = settings.by_engine().into_iter();
    let parts = parts.filter_map(|settings| Some((range.within(&settings)?, settings)));
    let parts: Vec<(Range, Settings)> = parts.collect();
    if options.out.is_some() && parts.len() > 1 {
        return Err(CommandError::Unusable(Failure {
            message: "write a plan: entries of `images` name another engine, and a plan is carried out by one"
                .to_owned(),
            causes: Vec::new(),
            hint: Some("narrow it down to repositories of one engine with --only".into()),
        }));
    }
    let listing = Listing::of(options, settings)?;
    // A list for others to carry out is as much of a run as sync is: what was seen for the first time has to be remembered.
    let remembers = listing.is_some();
    let mut alone = Ok(Alone::default());
    if remembers {
        alone = lock(settings, options.wait, &watch).await;
    }
    let mut preview = match alone {
        Ok(_alone) => preview_all(&parts, remembers, &watch).await,
        Err(held) => Err(held),
    };
    if let (Ok(preview), Some(path), false, Some((_, settings))) =
        (&preview, &options.out, watch.stop.is_asked(), parts.first())
        && let Err(failure) = save(path, settings, preview)
    {
        watch.end_view().await;
        return Err(CommandError::Failed(failure));
    }
    if let (Ok(preview), Some(listing), false) = (&mut preview, listing, watch.stop.is_asked()) {
        listing.write(preview, settings, &watch.stop).await;
    }
    let asked = watch.end_view().await;
    let mut preview = preview.map_err(|failure| CommandError::without_an_answer(failure, asked))?;
    preview.shard = options.shard;
    Ok((preview, asked))
}

/// What each engine would do; what fails of one is told beside what the other would.
async fn preview_all(parts: &[(Range, Settings)], remembers: bool, watch: &Watch) -> Result<Preview, Failure> {
    let mut all = Err(Failure::stopped("looking for what the run is about"));
    for (at, (range, settings)) in parts.iter().enumerate() {
        let part = preview(settings, range.clone(), remembers, watch).await;
        all = match (all, part) {
            (_, part) if at == 0 => part,
            (Ok(first), Ok(part)) => Ok(first.and(part)),
            (Ok(mut one), Err(failure)) | (Err(failure), Ok(mut one)) => {
                one.failures.push(failure);
                Ok(one)
            }
            (Err(mut first), Err(second)) => {
                first.causes.push(second.in_one_line());
                Err(first)
            }
        };
    }
    all
}

async fn preview(settings: &Settings, range: Range, remembers: bool, watch: &Watch) -> Result<Preview, Failure> {
    let desk = Desk::open(settings, range, watch).await?;
    let mut survey = desk.survey(&watch.stop).await?;
    if remembers {
        desk.remember(&survey.viewed);
        desk.ledger.save().await.map_err(|error| Failure::from(&error))?;
    }
    let plan = desk.plan(&mut survey);
    let (engine, limits) = (desk.session.describe(), desk.limits());
    Ok(Preview {
        limits,
        ..Preview::new(desk.registry, engine, plan, &survey)
    })
}

fn save(path: &std::path::Path, settings: &Settings, preview: &Preview) -> Result<(), report::Failure> {
    let saved = saved(settings, &preview.registry, preview.plan.clone());
    atomic::write_json(path, &saved).map_err(|error| Failure {
        message: format!("write the plan to {}", path.display()),
        causes: vec![error.to_string()],
        hint: Some("name a file in a folder that can be written to with --out".into()),
    })
}

/// A plan, with all that whoever carries it out has to know besides.
pub(super) fn saved(settings: &Settings, registry: &str, plan: plan::Plan) -> Saved {
    Saved {
        version: SAVED_VERSION,
        made: jiff::Timestamp::now(),
        registry: registry.to_owned(),
        engine: settings.engine,
        platforms: settings.wanted_platforms(),
        attestations: settings.direct.attestations,
        referrers: settings.direct.referrers,
        foreign_layers: settings.direct.foreign_layers,
        plan,
    }
}
