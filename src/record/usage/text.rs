//! Lines for people, in the order and with the headings of the ECR × Lambda report that many teams know.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::format::{count, money, name_of, signed, size, time};
use super::{Part, zone};
use crate::aws::account_and_region_of;
use crate::report::one_line;
use crate::usage::{
    Account, Answer, Candidate, CandidateBecause, Changes, CoverageState, Covered, LastRun, Region, Report, Repository,
    Runner, UncheckedBecause, Use,
};

pub(super) const IMAGES: [&str; 2] = ["image", "images"];
const REGIONS: [&str; 2] = ["region", "regions"];
pub(super) const REPOSITORIES: [&str; 2] = ["repository", "repositories"];

/// A report on its way to lines.
struct Text<'a> {
    report: &'a Report,
    zone: TimeZone,
    /// By the functions' ARNs, in whichever account they are.
    last_runs: BTreeMap<&'a str, LastRun>,
}

/// The report in lines, without their ends. Names that have line ends in them stay on their lines.
pub fn lines(report: &Report, part: Part) -> Vec<String> {
    let functions = report.accounts.iter().flat_map(|account| account.lambda.values());
    let last_runs = functions.flatten().map(|one| (one.arn.as_str(), one.last_run));
    let text = Text {
        report,
        zone: zone(report),
        last_runs: last_runs.collect(),
    };
    let mut lines = head(report, part, &text.zone);
    match part {
        Part::All => {
            lines.extend(report.accounts.iter().flat_map(|account| of_account(&text, account)));
            lines.extend(totals(report));
        }
        Part::Candidates => {
            lines.extend(candidates(report, &text.zone));
            lines.extend(unasked(report));
        }
        Part::Coverage => lines.extend(coverage(report)),
    }
    if let Some(changes) = &report.changes {
        lines.extend(changed(changes, &text.zone));
    }
    lines.extend(failures(report));
    lines
}

/// Who was not asked, and may use what nobody was seen to.
pub(super) fn unasked(report: &Report) -> Vec<String> {
    let settings = &report.settings;
    let mut sentences = Vec::new();
    for (runner, who) in [
        (Runner::Lambda, "Functions of AWS Lambda"),
        (Runner::Ecs, "Services of Amazon ECS"),
    ] {
        if !settings.include.contains(&runner) {
            sentences.push(format!(
                "{who} were not asked: what only they use counts as used by nobody."
            ));
        }
    }
    if let (true, Some(regions)) = (settings.include.contains(&Runner::Ecs), &settings.regions) {
        let regions = regions.join(", ");
        sentences.push(format!(
            "Services were asked in {regions} alone; those of other regions may use images here, too."
        ));
    }
    sentences
}

fn head(report: &Report, part: Part, zone: &TimeZone) -> Vec<String> {
    let title = match part {
        Part::All => "[ECR repositories and who runs them]",
        Part::Candidates => "[ECR repositories that could go]",
        Part::Coverage => "[Images that run, and where they come from]",
    };
    let mut lines = vec![title.to_owned()];
    for account in &report.accounts {
        let number = account.id.as_deref().filter(|id| *id != account.title());
        let besides: Vec<&str> = number.into_iter().chain(account.email.as_deref()).collect();
        let besides = match besides.is_empty() {
            true => String::new(),
            false => format!(" ({})", besides.join(", ")),
        };
        lines.push(one_line(&format!("Account: {}{besides}", account.title())));
    }
    lines.push(time(report.generated_at, zone));
    lines
}

fn of_account(text: &Text, account: &Account) -> Vec<String> {
    let mut lines = Vec::new();
    if text.report.accounts.len() > 1 {
        lines.extend([
            String::new(),
            format!("====== ACCOUNT {} ======", one_line(account.title())),
        ]);
    }
    for (name, region) in &account.ecr.0 {
        lines.extend(of_region(text, account, name, region));
    }
    if account.ecr.0.is_empty() {
        let read = account.regions.iter().filter(|region| region.ecr == Answer::Read);
        lines.push(format!("no repositories in {}", counted(read.count(), REGIONS)));
    }
    lines
}

fn of_region(text: &Text, account: &Account, name: &str, region: &Region) -> Vec<String> {
    let at_least = if region.complete { "" } else { "at least " };
    let heading = format!(
        "====== REGION {name} Total Size : {at_least}{} ======",
        gigabytes(region.total_size_gb)
    );
    let mut lines = vec![String::new(), heading];
    for repository in &region.repositories {
        let pushed = match repository.last_pushed_date {
            Some(at) => time(at, &text.zone),
            None if repository.complete => "no image".to_owned(),
            None => NOT_READ.to_owned(),
        };
        let mark = match repository.r#use {
            Use::Used => "🟢",
            Use::Unused => "🔴",
            Use::Unknown => "⚪ not known who uses it",
        };
        lines.push(format!(
            "repository name : {} / repository size : {} / last pushed date : {pushed} {mark}",
            one_line(&repository.repository_name),
            held(repository, gigabytes(repository.total_size_gb)),
        ));
        lines.extend(users(text, account, repository));
    }
    lines
}

/// What is said where an earlier report asked for functions alone, or the like.
pub(super) const USE_NOT_COMPARED: &str = "Who runs what is not compared: other kinds of users were asked for then.";

/// What is not known, because it could not be read.
pub(super) const NOT_READ: &str = "not read";

/// How much a repository has, as far as that could be read.
pub(super) fn held(repository: &Repository, amount: String) -> String {
    match (repository.complete, repository.images.is_empty()) {
        (true, _) => amount,
        (false, true) => NOT_READ.to_owned(),
        (false, false) => format!("at least {amount}"),
    }
}

/// What all of it comes to, and what of that could go.
fn totals(report: &Report) -> Vec<String> {
    let (totals, currency) = (&report.totals, &report.settings.currency);
    let at_least = if totals.regions.not_read > 0 { "at least " } else { "" };
    let could_go = match totals.candidates.repositories {
        0 => "No repository was found that could go.".to_owned(),
        repositories => format!(
            "could go : {} in {}, {} {currency} a month; usage --candidates lists them",
            size(signed(totals.candidates.frees())),
            counted(repositories, REPOSITORIES),
            money(totals.candidates.cost_per_month)
        ),
    };
    let mut lines = vec![
        String::new(),
        "====== IN ALL ======".to_owned(),
        format!(
            "{at_least}{} in {} of {}, {} {currency} a month",
            size(signed(totals.bytes)),
            counted(totals.images.all, IMAGES),
            counted(totals.repositories.all, REPOSITORIES),
            money(totals.cost_per_month)
        ),
        could_go,
    ];
    lines.extend(unasked(report));
    lines
}

/// A line for each function and service that uses it.
fn users(text: &Text, account: &Account, repository: &Repository) -> Vec<String> {
    let line = |user: &String| {
        let name = one_line(&user_of(text.report, account, user));
        match text.last_runs.get(user.as_str()) {
            Some(run) => format!("    {name} / last execution : {}", ran(*run, &text.zone)),
            None => format!("    {name}"),
        }
    };
    repository.used_by.iter().map(line).collect()
}

/// The name of a function or service, and whose it is where that is another account's than the repository.
pub(super) fn user_of(report: &Report, account: &Account, user: &str) -> String {
    match account_and_region_of(user) {
        Some((id, _)) if account.id.as_deref() != Some(id) => format!("{} of {}", name_of(user), report.title_of(id)),
        _ => name_of(user).to_owned(),
    }
}

/// The name of a function or service, and whose it is where there are several accounts.
pub(super) fn titled(report: &Report, user: &str) -> String {
    match account_and_region_of(user) {
        Some((id, _)) if report.accounts.len() > 1 => format!("{} of {}", name_of(user), report.title_of(id)),
        _ => name_of(user).to_owned(),
    }
}

/// When something ran, in the words of the report that many teams know where there is no log group.
pub(super) fn ran(run: LastRun, zone: &TimeZone) -> String {
    match run {
        LastRun::Ran { at } => time(at, zone),
        LastRun::NoLogGroup => "No Log Group".to_owned(),
        LastRun::NoStreams => "no streams yet".to_owned(),
        LastRun::NotAllowed => "not allowed".to_owned(),
        LastRun::Failed => "not read".to_owned(),
    }
}

fn gigabytes(size: f64) -> String {
    format!("{size:.3} GB")
}

/// Why a repository could go.
pub(super) fn why(candidate: &Candidate, report: &Report) -> String {
    match candidate.because {
        CandidateBecause::Unused => format!("nobody uses it, last push over {} ago", report.settings.no_push_for),
        CandidateBecause::NotRun => format!("its functions last ran over {} ago", report.settings.no_run_for),
    }
}

fn candidates(report: &Report, zone: &TimeZone) -> Vec<String> {
    let currency = &report.settings.currency;
    let mut lines = vec![String::new()];
    for one in &report.candidates {
        let pushed = one.last_pushed_date.map(|at| format!(", last push {}", time(at, zone)));
        let last = one.last_run.map(|run| format!(", last execution {}", ran(run, zone)));
        let free = size(signed(one.frees()));
        lines.push(format!(
            "{} : {free} in {}, {} {currency} a month : {}{}{}",
            one_line(&one.repository_uri),
            counted(one.images, IMAGES),
            money(one.cost_per_month),
            why(one, report),
            pushed.unwrap_or_default(),
            last.unwrap_or_default(),
        ));
    }
    let totals = &report.totals.candidates;
    lines.push(match totals.repositories {
        0 => "No repository was found that could go.".to_owned(),
        repositories => format!(
            "{} in all : {}, {} {currency} a month",
            count(repositories as i64),
            size(signed(totals.frees())),
            money(totals.cost_per_month)
        ),
    });
    lines
}

/// `1 image`, `2,000 images`
pub(super) fn counted(number: usize, [one, many]: [&str; 2]) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{} {many}", count(number as i64)),
    }
}

/// What an image that runs comes to.
pub(super) fn state(image: &Covered) -> &'static str {
    match image.state {
        CoverageState::Current => "as upstream",
        CoverageState::Older => "older than upstream",
        CoverageState::Unchecked => match image.because {
            None => "not compared",
            Some(UncheckedBecause::NotAsked) => "not compared, upstreams were not asked",
            Some(UncheckedBecause::NoUpstream) => "not compared, no upstream",
            Some(UncheckedBecause::NotAnswered) => "not compared, the upstream did not answer",
            Some(UncheckedBecause::NotInLedger) => "not compared, not in the ledger",
        },
        CoverageState::Outside => "outside",
        CoverageState::Gone => "gone from ECR",
        CoverageState::Unknown => "not known",
    }
}

/// What asks for something: what is current, or has nothing to be compared with, is counted.
fn coverage(report: &Report) -> Vec<String> {
    let coverage = &report.coverage;
    let is_told = |image: &&Covered| match image.because {
        Some(because) => matches!(because, UncheckedBecause::NotAnswered | UncheckedBecause::NotInLedger),
        None => !matches!(image.state, CoverageState::Current | CoverageState::Unchecked),
    };
    let mut lines = vec![String::new()];
    for image in coverage.images.iter().filter(is_told) {
        let upstream = image.upstream.as_ref().map(|upstream| format!(", {upstream}"));
        let users: Vec<String> = image.used_by.iter().map(|user| titled(report, user)).collect();
        lines.push(one_line(&format!(
            "{} : {}{} : {}",
            image.image_uri.as_deref().unwrap_or("address not known"),
            state(image),
            upstream.unwrap_or_default(),
            users.join(", ")
        )));
    }
    let totals = &coverage.totals;
    lines.push(format!(
        "{} outside, {} older than upstream, {} gone, {} not known, {} not compared, {} as upstream",
        totals.outside, totals.older, totals.gone, totals.unknown, totals.unchecked, totals.current
    ));
    if !coverage.upstream_asked {
        lines.push("Upstreams were not asked.".to_owned());
    }
    lines
}

fn changed(changes: &Changes, zone: &TimeZone) -> Vec<String> {
    let bytes = |side: Option<u64>| side.map_or_else(|| "nothing".to_owned(), |bytes| size(signed(bytes)));
    let (before, now) = (size(signed(changes.bytes_before)), size(signed(changes.bytes_now)));
    let since = time(changes.since, zone);
    let mut lines = vec![
        String::new(),
        format!("====== CHANGED since {since} : {before} → {now} ======"),
    ];
    if changes.repositories.is_empty() {
        lines.push("No repository changed.".to_owned());
    }
    for one in &changes.repositories {
        let words: Vec<&str> = one.changes.iter().map(|change| change.words()).collect();
        lines.push(format!(
            "{} in {} of {} : {} : {} → {}",
            one_line(&one.repository_name),
            one.region,
            one.account,
            words.join(", "),
            bytes(one.bytes_before),
            bytes(one.bytes_now)
        ));
    }
    let not_compared = changes.not_compared.iter().map(|one| {
        let account = one.account.as_deref().map(|account| format!(" of {account}"));
        format!(
            "not compared : {}{}, which was {}",
            one.region,
            account.unwrap_or_default(),
            one.because.words()
        )
    });
    lines.extend(not_compared);
    if !changes.use_compared {
        lines.push(USE_NOT_COMPARED.to_owned());
    }
    lines
}

fn failures(report: &Report) -> Vec<String> {
    let failures = report.not_read().map(|(told, hint)| {
        let hint = hint.map(|hint| format!(" (hint: {hint})"));
        format!("❌ {}{}", one_line(&told), hint.unwrap_or_default())
    });
    let failures: Vec<String> = failures.collect();
    match failures.is_empty() {
        true => failures,
        false => [String::new(), "====== NOT READ ======".to_owned()]
            .into_iter()
            .chain(failures)
            .collect(),
    }
}
