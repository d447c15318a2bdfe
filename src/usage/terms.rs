use jiff::fmt::friendly::{Designator, Spacing, SpanPrinter};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// What shaped a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// IANA name; of text and page.
    pub time_zone: String,
    /// Which regions were named; none where all were asked that an account has.
    pub regions: Option<Vec<String>>,
    /// Who was asked what runs.
    pub include: Vec<Runner>,
    /// How long a repository that nobody uses must have had no push to be a candidate, in words.
    pub no_push_for: String,
    /// The moment that this comes to.
    pub pushed_before: Timestamp,
    /// How long the functions of one must not have run.
    pub no_run_for: String,
    /// The moment that this comes to.
    pub ran_before: Timestamp,
    /// In the currency.
    pub price_per_gb_month: f64,
    /// ISO 4217.
    pub currency: String,
}

/// Who runs images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    /// Functions of AWS Lambda.
    Lambda,
    /// Services of Amazon ECS.
    Ecs,
}

/// What could go, and how a report is shown.
#[derive(Debug, Clone)]
pub struct Rules {
    /// IANA name.
    pub time_zone: String,
    /// How long a repository that nobody uses must have had no push.
    pub no_push_for: Span,
    /// How long the functions of one must not have run.
    pub no_run_for: Span,
    /// In USD.
    pub price_per_gb_month: f64,
}

impl Rules {
    /// What they come to at a moment, where these were asked in these regions.
    pub fn at(&self, now: Timestamp, include: &[Runner], regions: Option<&[String]>) -> Terms {
        let zone = TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC);
        let printer = SpanPrinter::new()
            .designator(Designator::Verbose)
            .spacing(Spacing::BetweenUnitsAndDesignators);
        let before = |span: Span| {
            let then = now.to_zoned(zone.clone()).checked_sub(span);
            then.map_or(Timestamp::MIN, |then| then.timestamp())
        };
        Terms {
            time_zone: self.time_zone.clone(),
            regions: regions.map(<[String]>::to_vec),
            include: include.to_vec(),
            no_push_for: printer.span_to_string(&self.no_push_for),
            pushed_before: before(self.no_push_for),
            no_run_for: printer.span_to_string(&self.no_run_for),
            ran_before: before(self.no_run_for),
            price_per_gb_month: self.price_per_gb_month,
            currency: "USD".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_years_are_those_of_the_calendar_in_the_zone() {
        let rules = Rules {
            time_zone: "Europe/Berlin".to_owned(),
            no_push_for: "6 months".parse().unwrap(),
            no_run_for: "1 year".parse().unwrap(),
            price_per_gb_month: 0.1,
        };
        let terms = rules.at("2026-11-22T14:30:00Z".parse().unwrap(), &[Runner::Lambda], None);
        // 15:30 in Berlin is an hour earlier in UTC in summer.
        assert_eq!(terms.pushed_before, "2026-05-22T13:30:00Z".parse().unwrap());
        assert_eq!(terms.ran_before, "2025-11-22T14:30:00Z".parse().unwrap());
        assert_eq!(
            (terms.no_push_for.as_str(), terms.no_run_for.as_str()),
            ("6 months", "1 year")
        );
    }
}
