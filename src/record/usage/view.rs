//! What the page shows, made of the report: the template only puts it in.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde_json::{Value, json};

use super::format::time;
use super::tables;
use super::text::USE_NOT_COMPARED;
use super::treemap::{Group, treemap};
use super::zone;
use crate::usage::{Account, Answer, Image, LastRun, Report, Repository, Use};

/// How many rows stand in the page itself.
const FIRST_ROWS: usize = 50;
/// How many failures are shown before one asks for the rest.
const FAILURES_OPEN: usize = 8;
const MONTHS: i64 = 24;
/// Up to how many days.
const AGES: [(Option<i64>, &str); 6] = [
    (Some(30), "up to 1 month"),
    (Some(91), "1 to 3 months"),
    (Some(182), "3 to 6 months"),
    (Some(365), "6 to 12 months"),
    (Some(730), "1 to 2 years"),
    (None, "over 2 years"),
];

/// A report, as the page looks at it.
pub(super) struct View<'a> {
    pub(super) report: &'a Report,
    zone: TimeZone,
}

/// The template's input, but for style and script.
pub(super) fn page(report: &Report) -> Value {
    let view = View {
        report,
        zone: zone(report),
    };
    let generated = report.generated_at;
    let coverage = &report.coverage;
    json!({
        "generated": {"at": generated, "text": view.time(generated), "zone": report.settings.time_zone},
        "program": report.program,
        "complete": report.complete,
        "settings": report.settings,
        "accounts": report.accounts.iter().map(titled).collect::<Vec<_>>(),
        "asked": view.asked(),
        "unasked": super::text::unasked(report),
        "failures_open": FAILURES_OPEN,
        "failures": view.failures(),
        "totals": report.totals,
        "coverage": {"upstream_asked": coverage.upstream_asked, "totals": coverage.totals},
        "changes": view.changes(),
        "treemap": {
            "wide": treemap(&view.groups(), 1200.0, 520.0),
            "narrow": treemap(&view.groups(), 360.0, 560.0),
        },
        "months": view.months(),
        "ages": view.ages(),
        "tables": tables::all(&view),
        "first_rows": FIRST_ROWS,
    })
}

fn titled(account: &Account) -> String {
    let id = account.id.as_deref().unwrap_or("account not known");
    let parts = [account.name.as_deref(), Some(id), account.email.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn answered(answer: Answer) -> [&'static str; 2] {
    match answer {
        Answer::Read => ["read", "good"],
        Answer::Incomplete => ["in part", "warn"],
        Answer::Failed => ["failed", "bad"],
        Answer::NotAsked => ["not asked", "dim"],
    }
}

impl View<'_> {
    pub(super) fn time(&self, at: Timestamp) -> String {
        time(at, &self.zone)
    }

    /// The time where something ran, else the word for why there is none.
    pub(super) fn run(&self, run: Option<LastRun>) -> Value {
        match run {
            None => Value::Null,
            Some(LastRun::Ran { at }) => self.time(at).into(),
            Some(other) => other.word().into(),
        }
    }

    /// A region, with its account where there are several.
    pub(super) fn place(&self, account: &Account, region: &str) -> String {
        match self.report.accounts.len() > 1 {
            true => format!("{region} · {}", account.title()),
            false => region.to_owned(),
        }
    }

    /// The same of an account by its number.
    pub(super) fn place_of(&self, account: Option<&str>, region: Option<&str>) -> String {
        let found = self.report.accounts.iter().find(|one| one.id.as_deref() == account);
        match (found, region) {
            (Some(found), Some(region)) => self.place(found, region),
            (None, Some(region)) => match account.filter(|_| self.report.accounts.len() > 1) {
                Some(account) => format!("{region} · {account}"),
                None => region.to_owned(),
            },
            (Some(found), None) => found.title().to_owned(),
            (None, None) => account.unwrap_or("everywhere").to_owned(),
        }
    }

    pub(super) fn repositories(&self) -> impl Iterator<Item = (String, &Repository)> {
        let repositories = self.report.repositories();
        repositories.map(|(account, region, repository)| (self.place(account, region), repository))
    }

    fn images(&self) -> impl Iterator<Item = &Image> {
        self.report
            .repositories()
            .flat_map(|(_, _, repository)| &repository.images)
    }

    fn asked(&self) -> Vec<Value> {
        let regions = self.report.accounts.iter().flat_map(|account| {
            let regions = account.regions.iter();
            regions.map(move |asked| {
                let answers = [asked.ecr, asked.lambda, asked.ecs].map(answered);
                json!({"where": self.place(account, &asked.region), "answers": answers})
            })
        });
        regions.collect()
    }

    fn failures(&self) -> Vec<Value> {
        let failures = self.report.failures.iter().map(|failure| {
            json!({
                "message": failure.message,
                "causes": failure.causes,
                "where": self.place_of(failure.account.as_deref(), failure.region.as_deref()),
                "service": failure.service.word(),
                "operation": failure.operation,
                "kind": failure.kind.word(),
                "hint": failure.hint,
            })
        });
        failures.collect()
    }

    fn changes(&self) -> Option<Value> {
        let changes = self.report.changes.as_ref()?;
        let not_compared = changes.not_compared.iter();
        let not_compared = not_compared.map(|one| {
            let place = self.place_of(one.account.as_deref(), Some(&one.region));
            format!("{place} ({})", one.because.words())
        });
        Some(json!({
            "since": self.time(changes.since),
            "before": changes.bytes_before,
            "now": changes.bytes_now,
            "not_compared": not_compared.collect::<Vec<_>>(),
            "use_not_compared": (!changes.use_compared).then_some(USE_NOT_COMPARED),
        }))
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (place, repository) in self.repositories() {
            let entry = (repository.repository_name.clone(), repository.bytes, repository.r#use);
            match groups.last_mut().filter(|(name, _)| *name == place) {
                Some((_, entries)) => entries.push(entry),
                None => groups.push((place, vec![entry])),
            }
        }
        groups
    }

    /// Images by the month of their push.
    fn months(&self) -> Value {
        let month_of = |at: &Zoned| i64::from(at.year()) * 12 + i64::from(at.month()) - 1;
        let this = month_of(&self.report.generated_at.to_zoned(self.zone.clone()));
        let mut by_age: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        for image in self.images() {
            let Some(pushed) = image.image_pushed_at else { continue };
            let back = (this - month_of(&pushed.to_zoned(self.zone.clone()))).clamp(0, MONTHS);
            let (count, bytes) = by_age.entry(back).or_default();
            (*count, *bytes) = (*count + 1, *bytes + image.bytes);
        }
        let of = |back: i64| by_age.get(&back).copied().unwrap_or_default();
        let most = (0..MONTHS).map(|back| of(back).0).max().unwrap_or_default();
        let bars = (0..MONTHS).rev().map(|back| {
            let (count, bytes) = of(back);
            let (year, month) = ((this - back).div_euclid(12), (this - back).rem_euclid(12));
            json!({
                "count": count,
                "bytes": bytes,
                "height": percent(count, most),
                "label": format!("{year}-{:02}", month + 1),
                "year": (month == 0).then_some(year),
            })
        });
        let (count, bytes) = of(MONTHS);
        json!({"bars": bars.collect::<Vec<_>>(), "earlier": {"count": count, "bytes": bytes}, "most": most})
    }

    /// Bytes by the time that went by since their push, whatever clocks were set to.
    fn ages(&self) -> Vec<Value> {
        let now = self.report.generated_at;
        let row_of = |pushed: Timestamp| {
            let is_within = |days: &Option<i64>| days.is_none_or(|days| now - (days * 24).hours() <= pushed);
            AGES.iter().position(|(days, _)| is_within(days)).unwrap_or_default()
        };
        let mut rows = [(0_u64, 0_u64, 0_u64); AGES.len()];
        for image in self.images() {
            let Some(pushed) = image.image_pushed_at else { continue };
            let (count, bytes, used) = &mut rows[row_of(pushed)];
            *count += 1;
            *bytes += image.bytes;
            *used += if image.r#use == Use::Used { image.bytes } else { 0 };
        }
        let most = rows.iter().map(|(_, bytes, _)| *bytes).max().unwrap_or_default();
        let rows = rows.iter().zip(AGES).map(|((count, bytes, used), (_, label))| {
            json!({
                "label": label,
                "count": count,
                "bytes": bytes,
                "used_bytes": used,
                "width": percent(*bytes, most),
                "used_width": percent(*used, most),
            })
        });
        rows.collect()
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => (part as f64 / whole as f64 * 10_000.0).round() / 100.0,
    }
}
