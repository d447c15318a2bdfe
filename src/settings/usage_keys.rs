//! What `usage` is told: which accounts and regions, who is asked, and what could go.

use jiff::Span;
use jiff::tz::TimeZone;

use super::keys::{Key, key};
use super::reader::Reader;
use super::values::{account, choice, region, role, text};
use crate::census::{CensusOptions, Layers};
use crate::usage::{Rules, Runner};

/// In the order of `settings.yaml`.
pub(super) const OF_USAGE: [Key; 10] = [
    key("usage.regions", Some("all"), "all, or a list of region codes")
        .list()
        .about("The regions that usage asks. all: those that are enabled for the account, as its ListRegions tells."),
    key("usage.role_arns", None, "a list of roles' ARNs")
        .list()
        .about("Roles of other accounts that usage asks as well. An account that a role is named for is asked as that role alone."),
    key("usage.include", Some("lambda"), "a list of lambda and ecs")
        .list()
        .about("Who is asked which images run: functions of AWS Lambda, services of Amazon ECS."),
    key("usage.timezone", Some("UTC"), "an IANA name, such as Europe/Berlin")
        .about("The time zone of the times in text and page; the JSON's are in UTC."),
    key("usage.unused_after", Some("6 months"), "a time, such as 6 months or 90 days")
        .about("How long ago the last push to a repository must be that nobody uses, to be one that could go."),
    key("usage.idle_after", Some("1 year"), "a time, such as 1 year or 90 days")
        .about("How long ago all functions that use a repository must have run last, for it to be one that could go."),
    key("usage.price_per_gb_month", Some("0.10"), "a number from 0 to 1000")
        .decimal()
        .about("What a GB in ECR costs a month, in USD, for estimates."),
    key("usage.layers", Some("candidates"), "none or candidates or all")
        .choice(&["none", "candidates", "all"])
        .about(
            "Of which repositories each layer is counted once: of none, of those that could go, or of all. Their manifests are read for \
             that, which ECR takes for a pull of each image unless the role is excluded from pull times.",
        ),
    key("usage.accounts.*", None, "a name")
        .about("What an account is called in the report, by its 12 digits in quotes."),
    key("usage.email", None, "text of at most 254 characters")
        .also(&["EMAIL"])
        .about("The e-mail address that stands at the head of the report, with the account of the credentials."),
];

/// The most that a GB can cost.
const DEAREST: f64 = 1000.0;

impl Reader {
    /// What is asked of whom.
    pub(super) fn census(&mut self) -> Option<CensusOptions> {
        let regions = self.parse("usage.regions", |text| match text {
            "all" => Some(None),
            text => each(text, region).map(Some),
        });
        let role_arns = self.parse("usage.role_arns", |text| each(text, role));
        let runners = [("lambda", Runner::Lambda), ("ecs", Runner::Ecs)];
        let include = self.parse("usage.include", |text| each(text, |one| choice(one, &runners)));
        let layers = [
            ("none", Layers::Unread),
            ("candidates", Layers::OfCandidates),
            ("all", Layers::OfAll),
        ];
        let layers = self.parse("usage.layers", |text| choice(text, &layers));
        let names = self.each("usage.accounts.*", text);
        for number in names.keys().filter(|number| account(number).is_none()) {
            self.lacks(
                &["usage", "accounts", number],
                "an account's 12 digits in the place of this name, in quotes",
            );
        }
        let email = self.parse("usage.email", |email| {
            text(email).filter(|email| email.chars().count() <= 254)
        });
        Some(CensusOptions {
            regions: regions?,
            role_arns: role_arns.unwrap_or_default(),
            include: include?,
            layers: layers?,
            names,
            email,
        })
    }

    /// What could go, and what it costs.
    pub(super) fn usage_rules(&mut self) -> Option<Rules> {
        let time_zone = self.parse_told("usage.timezone", |text| match TimeZone::get(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err("no time zone has this name".to_owned()),
        });
        let no_push_for = self.parse("usage.unused_after", period);
        let no_run_for = self.parse("usage.idle_after", period);
        let price = self.parse("usage.price_per_gb_month", |text| {
            text.parse().ok().filter(|price| (0.0..=DEAREST).contains(price))
        });
        Some(Rules {
            time_zone: time_zone?,
            no_push_for: no_push_for?,
            no_run_for: no_run_for?,
            price_per_gb_month: price?,
        })
    }
}

/// A list, each of which is one. What is named twice is one, too: it would be counted twice.
fn each<T: PartialEq>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let one = one(part.trim())?;
        if !all.contains(&one) {
            all.push(one);
        }
    }
    Some(all)
}

/// A time that goes by, in units of the calendar too.
fn period(text: &str) -> Option<Span> {
    const LONGEST: i64 = 100 * 366;
    let span: Span = text.parse().ok()?;
    let days = span.total((jiff::Unit::Day, jiff::civil::date(2000, 1, 1))).ok()?;
    (span.is_positive() && days <= LONGEST as f64).then_some(span)
}

#[cfg(test)]
mod tests {
    use crate::settings::{Given, Settings, Written};
    use crate::usage::Runner;

    fn settings(yaml: &str) -> Result<Settings, String> {
        let given = Given::default();
        Settings::of(Some(&Written::to_be(yaml)), &given).map_err(|error| error.to_string())
    }

    #[test]
    fn regions_roles_and_names_are_read_from_a_file() {
        let role = "arn:aws:iam::210987654321:role/reader";
        let yaml = format!(
            "usage:\n  regions: [eu-central-1, us-east-1, eu-central-1]\n  role_arns: [\"{role}\"]\n  include: [lambda, ecs]\n  price_per_gb_month: 0.12\n  \
             accounts:\n    \"210987654321\": staging\n"
        );
        let settings = settings(&yaml).unwrap();
        let census = settings.census;
        assert_eq!(census.regions.unwrap(), ["eu-central-1", "us-east-1"]);
        assert_eq!(census.role_arns, [role]);
        assert_eq!(census.include, [Runner::Lambda, Runner::Ecs]);
        assert_eq!(census.names["210987654321"], "staging");
        assert_eq!(settings.usage.price_per_gb_month, 0.12);
    }

    #[test]
    fn without_a_word_all_regions_are_asked_for_functions() {
        let settings = settings("{}").unwrap();
        assert_eq!(settings.census.regions, None);
        assert_eq!(settings.census.include, [Runner::Lambda]);
        assert_eq!(settings.usage.price_per_gb_month, 0.10);
    }

    #[test]
    fn what_cannot_be_meant_is_told_by_its_key() {
        for (line, says) in [
            ("regions: [moon]", "usage.regions: \"moon\" is not allowed"),
            ("role_arns: [reader]", "usage.role_arns: \"reader\" is not allowed"),
            ("include: [ec2]", "usage.include: \"ec2\" is not allowed"),
            ("unused_after: soon", "usage.unused_after: \"soon\" is not allowed"),
            ("unused_after: 0 days", "usage.unused_after: \"0 days\" is not allowed"),
            ("idle_after: -1 year", "usage.idle_after: \"-1 year\" is not allowed"),
            (
                "idle_after: 200 years",
                "usage.idle_after: \"200 years\" is not allowed",
            ),
            (
                "price_per_gb_month: -1",
                "usage.price_per_gb_month: \"-1\" is not allowed",
            ),
            ("timezone: Europe/Bern", "no time zone has this name"),
            ("layers: some", "usage.layers: \"some\" is not allowed"),
            (
                "accounts: { staging: \"1\" }",
                "usage.accounts.staging: needs an account's 12 digits",
            ),
        ] {
            let told = settings(&format!("usage:\n  {line}\n")).map(drop).unwrap_err();
            assert!(told.contains(says), "{told}");
        }
    }
}
