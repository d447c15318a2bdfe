//! What `serve` is told: when runs begin, and where it tells of itself.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::keys::{Key, key};
use super::reader::Reader;
use super::values::{bound, duration};
use crate::schedule::{Cron, InvalidCron, Schedule, When};

/// In the order of `settings.yaml`.
pub(super) const OF_SERVE: [Key; 6] = [
    key("schedule.every", None, "a duration from 1s to 30d, such as 15m").about(
        "serve begins a run at once, and each later one so long after the beginning of the one before; one that takes longer is \
         followed by the next at once. Or schedule.cron.",
    ),
    key(
        "schedule.cron",
        None,
        "five fields (minute, hour, day of month, month, day of week), such as 0 3 * * *; or @hourly, @daily, @weekly, @monthly, @yearly",
    )
    .about(
        "serve begins a run at the times of this cron expression. One that passes while no process is there is missed, also across a \
         restart. Or schedule.every.",
    ),
    key("schedule.time_zone", Some("UTC"), "an IANA name, such as Europe/Berlin")
        .about("The time zone of schedule.cron. A time that clocks jump over, or show twice, comes once."),
    key("schedule.jitter", Some("0s"), "a duration up to 1d, such as 5m").about(
        "Runs begin at most so much later, by chance, so that many do not begin at once: each time of schedule.cron, and the first \
         of schedule.every.",
    ),
    key(
        "serve.listen",
        Some("127.0.0.1:9464"),
        "an address and a port, such as 127.0.0.1:9464 or [::]:9464, or off",
    )
    .about("Where serve answers /healthz and /metrics over HTTP. Anybody who reaches it may read them."),
    key("serve.overdue", Some("6h"), "a duration, such as 6h")
        .about(
            "How long a run may be at work, or due, before /healthz answers 503. Time counts that passes while the machine is awake, \
             wherever its clock is set.",
        ),
];

const LONGEST_INTERVAL: Duration = Duration::from_hours(30 * 24);
const LONGEST_JITTER: Duration = Duration::from_hours(24);

impl Reader {
    /// When runs begin; none where nobody says.
    pub(super) fn schedule(&mut self) -> Option<Schedule> {
        let every = self.parse("schedule.every", interval);
        let cron = self.parse_told("schedule.cron", |text| {
            text.parse::<Cron>().map_err(|why: InvalidCron| why.to_string())
        });
        let zone = self.parse_told("schedule.time_zone", |text| {
            TimeZone::get(text).map_err(|_| "no time zone has this name".to_owned())
        });
        let jitter = self.parse("schedule.jitter", |text| {
            duration(text).filter(|jitter| *jitter <= LONGEST_JITTER)
        });
        let every = every.map(When::Every);
        let cron = cron.zip(zone).map(|(cron, zone)| When::Cron(cron, zone));
        // A flag beside a file that says the other is no contradiction.
        let when = match self.stronger("schedule.every", "schedule.cron", "says when runs begin") {
            Some(Ordering::Less) => cron,
            Some(Ordering::Greater) => every,
            Some(Ordering::Equal) => None,
            None => every.or(cron),
        };
        self.note_idle(when.as_ref());
        let schedule = Schedule {
            when: when?,
            jitter: jitter?,
        };
        let shortest = schedule.shortest().filter(|shortest| schedule.jitter > *shortest);
        if let Some((shortest, setting)) = shortest.zip(self.find("schedule.jitter")) {
            let key = match schedule.goes_by_the_clock() {
                true => "schedule.cron",
                false => "schedule.every",
            };
            let problem = format!(
                "is longer than the {} between two runs of {key}: one would begin after the next is due",
                humantime::format_duration(shortest)
            );
            self.mistakes.push(setting.mistake(problem));
        }
        Some(schedule)
    }

    /// What is said about a schedule that is another one, or none at all.
    fn note_idle(&mut self, when: Option<&When>) {
        let is_one_said = self.is_said("schedule.every") || self.is_said("schedule.cron");
        let idle = match when {
            Some(When::Every(_)) => &[("time_zone", "schedule.cron: an interval is the same in all of them")][..],
            None if !is_one_said => &[
                ("time_zone", "schedule.cron (--cron)"),
                ("jitter", "schedule.every (--every) or schedule.cron (--cron)"),
            ],
            // One that is a mistake is there all the same.
            Some(When::Cron(..)) | None => &[],
        };
        for (key, needed) in idle {
            if self.is_said(&format!("schedule.{key}")) {
                self.waits_for(&["schedule", key], needed);
            }
        }
    }

    /// Where to listen, if anywhere; none where that is a mistake.
    pub(super) fn listen(&mut self) -> Option<Option<SocketAddr>> {
        self.parse("serve.listen", |text| match text {
            "off" => Some(None),
            text => text.parse().ok().map(Some),
        })
    }

    pub(super) fn overdue(&mut self) -> Option<Duration> {
        self.parse("serve.overdue", bound)
    }
}

/// What `schedule.every` may be.
pub fn interval(text: &str) -> Option<Duration> {
    duration(text).filter(|interval| (Duration::from_secs(1)..=LONGEST_INTERVAL).contains(interval))
}

#[cfg(test)]
mod tests {
    use crate::settings::{Given, Settings};

    fn settings(
        environment: &[(&str, &str)],
        flags: &[(&'static str, &'static str, &str)],
    ) -> Result<Settings, String> {
        let environment = environment
            .iter()
            .map(|&(name, value)| (format!("ECR_KEEPER_{name}"), value.to_owned()));
        let flags = flags.iter().map(|&(flag, key, value)| (flag, key, value.to_owned()));
        let given = Given {
            environment: environment.collect(),
            flags: flags.collect(),
            ..Given::default()
        };
        Settings::load(None, &given).map_err(|error| error.to_string())
    }

    fn schedule(environment: &[(&str, &str)]) -> String {
        match settings(environment, &[]) {
            Ok(settings) => settings
                .schedule
                .map_or_else(String::new, |schedule| schedule.to_string()),
            Err(mistakes) => mistakes,
        }
    }

    #[test]
    fn an_interval_or_an_expression_says_when() {
        assert_eq!(schedule(&[]), "", "only serve needs one");
        for (value, says) in [("1s", "every 1s"), ("15m", "every 15m"), ("30d", "every 30days")] {
            assert_eq!(schedule(&[("SCHEDULE__EVERY", value)]), says);
        }
        let cron = [
            ("SCHEDULE__CRON", "0 3 * * mon-fri"),
            ("SCHEDULE__TIME_ZONE", "Europe/Berlin"),
            ("SCHEDULE__JITTER", "5m"),
        ];
        assert_eq!(
            schedule(&cron),
            "at \"0 3 * * mon-fri\" (Europe/Berlin), up to 5m later"
        );
        assert_eq!(schedule(&[("SCHEDULE__CRON", "@daily")]), "at \"@daily\" (UTC)");
    }

    #[test]
    fn what_is_no_schedule_is_told_by_its_key() {
        for (name, value, says) in [
            (
                "SCHEDULE__EVERY",
                "999ms",
                "schedule.every: \"999ms\" is not allowed; allowed: a duration",
            ),
            ("SCHEDULE__EVERY", "31d", "schedule.every: \"31d\" is not allowed"),
            ("SCHEDULE__EVERY", "soon", "schedule.every: \"soon\" is not allowed"),
            (
                "SCHEDULE__CRON",
                "0 25 * * *",
                "schedule.cron: \"0 25 * * *\" is not allowed: hour: \"25\" is not from 0 to 23; allowed: five fields",
            ),
            (
                "SCHEDULE__TIME_ZONE",
                "Europe/Bern",
                "schedule.time_zone: \"Europe/Bern\" is not allowed: no time zone has this name",
            ),
            ("SCHEDULE__JITTER", "25h", "schedule.jitter: \"25h\" is not allowed"),
            (
                "SERVE__LISTEN",
                "localhost",
                "serve.listen: \"localhost\" is not allowed; allowed: an address",
            ),
            ("SERVE__OVERDUE", "0s", "serve.overdue: \"0s\" is not allowed"),
        ] {
            let told = schedule(&[(name, value)]);
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn of_both_the_stronger_layer_counts_and_one_layer_may_not_say_both() {
        let both = schedule(&[("SCHEDULE__EVERY", "1h"), ("SCHEDULE__CRON", "@daily")]);
        let says = "schedule.every: schedule.cron says when runs begin, too: only one of both can";
        assert!(both.ends_with(says), "{both}");
        let flag = [("--cron", "schedule.cron", "@weekly")];
        let by_flag = settings(&[("SCHEDULE__EVERY", "1h")], &flag).unwrap();
        assert_eq!(by_flag.schedule.unwrap().to_string(), "at \"@weekly\" (UTC)");
    }

    #[test]
    fn a_run_begins_before_the_next_one_is_due() {
        let told = schedule(&[("SCHEDULE__EVERY", "10s"), ("SCHEDULE__JITTER", "11s")]);
        assert!(
            told.contains("schedule.jitter: is longer than the 10s between two runs of schedule.every"),
            "{told}"
        );
        let told = schedule(&[("SCHEDULE__CRON", "0 3,4 * * 1-5"), ("SCHEDULE__JITTER", "90m")]);
        assert!(
            told.contains("schedule.jitter: is longer than the 1h between two runs of schedule.cron"),
            "{told}"
        );
        let same = schedule(&[("SCHEDULE__EVERY", "10s"), ("SCHEDULE__JITTER", "10s")]);
        assert_eq!(same, "every 10s, up to 10s later");
    }

    #[test]
    fn what_is_said_about_a_schedule_that_is_not_there_is_told() {
        let notes = |environment: &[(&str, &str)]| -> Vec<String> {
            let notes = settings(environment, &[]).unwrap().without_effect;
            notes.iter().map(ToString::to_string).collect()
        };
        let (zone, jitter) = (("SCHEDULE__TIME_ZONE", "Europe/Berlin"), ("SCHEDULE__JITTER", "5m"));
        let both = notes(&[zone, jitter]);
        assert!(
            both.len() == 2 && both[1].contains("schedule.time_zone: has no effect without schedule.cron"),
            "{both:?}"
        );
        assert!(
            both[0].contains("schedule.jitter: has no effect without schedule.every"),
            "{both:?}"
        );
        let of_interval = notes(&[zone, jitter, ("SCHEDULE__EVERY", "1h")]);
        assert!(
            of_interval.len() == 1 && of_interval[0].contains("schedule.time_zone"),
            "{of_interval:?}"
        );
        assert_eq!(notes(&[zone, jitter, ("SCHEDULE__CRON", "@daily")]), [""; 0]);
        assert_eq!(notes(&[]), [""; 0]);
    }

    #[test]
    fn it_listens_on_loopback_unless_told_otherwise() {
        let listen = |value: &str| settings(&[("SERVE__LISTEN", value)], &[]).unwrap().listen;
        assert_eq!(settings(&[], &[]).unwrap().listen, Some(([127, 0, 0, 1], 9464).into()));
        assert_eq!(listen("0.0.0.0:80"), Some(([0, 0, 0, 0], 80).into()));
        assert_eq!(listen("off"), None);
    }
}
