use jiff::tz::TimeZone;

use super::format::{difference, money, signed, size, time};
use super::text::{IMAGES, REPOSITORIES, USE_NOT_COMPARED, counted, held, ran, state, titled, unasked, user_of, why};
use super::{Part, zone};
use crate::record::markdown::escaped;
use crate::usage::{Account, Changes, Region, Report, Runner, Use};

/// The report for pages that take Markdown: what failed first.
pub(super) fn render(report: &Report, part: Part) -> String {
    let zone = zone(report);
    let mut text = head(report, &zone);
    text.push_str(&failures(report));
    match part {
        Part::All => {
            for account in &report.accounts {
                for (name, region) in &account.ecr.0 {
                    let heading = format!("### {} · {}\n\n", escaped(name), escaped(account.title()));
                    text.push_str(&heading);
                    text.push_str(&repositories(report, account, region, &zone));
                }
            }
            text.push_str(&candidates(report, &zone));
        }
        Part::Candidates => text.push_str(&candidates(report, &zone)),
        Part::Coverage => text.push_str(&coverage(report)),
    }
    if let Some(changes) = &report.changes {
        text.push_str(&changed(report, changes, &zone));
    }
    text
}

fn head(report: &Report, zone: &TimeZone) -> String {
    let totals = &report.totals;
    let at_least = if totals.regions.not_read > 0 { "at least " } else { "" };
    let asks = |runner| report.settings.include.contains(&runner);
    let functions = counted(totals.functions, ["function", "functions"]);
    let services = counted(totals.services, ["service", "services"]);
    let runners = [(Runner::Lambda, functions), (Runner::Ecs, services)].into_iter();
    let runners: Vec<String> = runners
        .filter(|(runner, _)| asks(*runner))
        .map(|(_, words)| words)
        .collect();
    format!(
        "## ECR usage\n\n**{at_least}{}** in {} of {}, {} {} a month; {}; {} could go ({})  \n{} ({})\n\n",
        size(signed(totals.bytes)),
        counted(totals.images.all, IMAGES),
        counted(totals.repositories.all, REPOSITORIES),
        money(totals.cost_per_month),
        report.settings.currency,
        runners.join(", "),
        counted(totals.candidates.repositories, REPOSITORIES),
        size(signed(totals.candidates.frees())),
        time(report.generated_at, zone),
        escaped(&report.settings.time_zone),
    )
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: String = rows.map(|row| format!("| {} |\n", row.join(" | "))).collect();
    format!(
        "| {} |\n|{}\n{rows}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    )
}

fn failures(report: &Report) -> String {
    if report.failures.is_empty() {
        return String::new();
    }
    let failures = report.not_read().map(|(told, hint)| {
        let hint = hint.map(|hint| format!("  \n  *Hint:* {}", escaped(&hint)));
        format!("- {}{}\n", escaped(&told), hint.unwrap_or_default())
    });
    format!("### Not read\n\n{}\n", failures.collect::<String>())
}

fn repositories(report: &Report, account: &Account, region: &Region, zone: &TimeZone) -> String {
    let rows = region.repositories.iter().map(|one| {
        let users = one.used_by.iter();
        let users: Vec<String> = users.map(|user| escaped(&user_of(report, account, user))).collect();
        let users = match one.r#use {
            Use::Used => format!("🟢 {}", users.join(", ")),
            Use::Unused => "🔴".to_owned(),
            Use::Unknown => "⚪ not known".to_owned(),
        };
        vec![
            escaped(&one.repository_name),
            held(one, size(signed(one.bytes))),
            held(one, one.images.len().to_string()),
            one.last_pushed_date.map(|at| time(at, zone)).unwrap_or_default(),
            users,
            one.last_run.map(|run| ran(run, zone)).unwrap_or_default(),
        ]
    });
    table(
        &["Repository", "Size", "Images", "Last push", "Run by", "Last run"],
        rows,
    )
}

fn candidates(report: &Report, zone: &TimeZone) -> String {
    let rows = report.candidates.iter().map(|one| {
        vec![
            escaped(&one.repository_uri),
            escaped(&why(one, report)),
            one.last_pushed_date.map(|at| time(at, zone)).unwrap_or_default(),
            size(signed(one.bytes)),
            one.distinct_bytes.map(|bytes| size(signed(bytes))).unwrap_or_default(),
            money(one.cost_per_month),
        ]
    });
    let cost = format!("{} a month", report.settings.currency);
    let columns = ["Repository", "Why", "Last push", "Size", "Layers once", &cost];
    let table = match report.candidates.is_empty() {
        true => "No repository was found that could go.\n\n".to_owned(),
        false => table(&columns, rows),
    };
    let unasked = unasked(report)
        .into_iter()
        .map(|sentence| format!("{}\n\n", escaped(&sentence)));
    format!("### What could go\n\n{table}{}", unasked.collect::<String>())
}

fn coverage(report: &Report) -> String {
    let rows = report.coverage.images.iter().map(|one| {
        let users: Vec<String> = one.used_by.iter().map(|user| titled(report, user)).collect();
        vec![
            escaped(one.image_uri.as_deref().unwrap_or("address not known")),
            state(one).to_owned(),
            escaped(one.upstream.as_deref().unwrap_or_default()),
            escaped(&users.join(", ")),
        ]
    });
    format!(
        "### Images that run\n\n{}",
        table(&["Image", "State", "Upstream", "Run by"], rows)
    )
}

fn changed(report: &Report, changes: &Changes, zone: &TimeZone) -> String {
    let rows = changes.repositories.iter().map(|one| {
        let words: Vec<&str> = one.changes.iter().map(|change| change.words()).collect();
        let bytes = |side: Option<u64>| signed(side.unwrap_or_default());
        vec![
            escaped(&one.repository_name),
            escaped(&format!("{} of {}", one.region, report.title_of(&one.account))),
            words.join(", "),
            difference(bytes(one.bytes_now) - bytes(one.bytes_before)),
        ]
    });
    let not_compared = changes.not_compared.iter().map(|one| {
        let account = one.account.as_deref().map(|id| format!(" of {}", report.title_of(id)));
        let place = format!("{}{}", one.region, account.unwrap_or_default());
        format!(
            "- not compared: {}, which was {}\n",
            escaped(&place),
            one.because.words()
        )
    });
    let use_not_compared = match changes.use_compared {
        true => String::new(),
        false => format!("- {USE_NOT_COMPARED}\n"),
    };
    let table = match changes.repositories.is_empty() {
        true => "No repository changed.\n\n".to_owned(),
        false => table(&["Repository", "Where", "Change", "Difference"], rows),
    };
    format!(
        "### Changed since {}\n\n{table}{}{use_not_compared}\n",
        time(changes.since, zone),
        not_compared.collect::<String>()
    )
}
