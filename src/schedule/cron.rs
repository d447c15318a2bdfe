use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// A cron expression of five fields: minute, hour, day of month, month, day of week (crontab(5)).
///
/// Where clocks are put forward or back, it goes as in cron(8): a time that does not exist comes at the moment of the jump, all of
/// one jump together; one that exists twice comes once, the first time. With `*` for the hour it comes in each hour that really
/// passes, and in none that does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: Field,
    hours: Field,
    days_of_month: Field,
    months: Field,
    days_of_week: Field,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCron {
    /// Too many fields, or too few.
    #[error("it has {0} of the five fields minute, hour, day of month, month, day of week")]
    Fields(usize),
    /// A word that stands for no expression.
    #[error("{0} is none of @hourly, @daily, @weekly, @monthly and @yearly")]
    Word(String),
    /// Something that is no number of this field.
    #[error("{field}: {text:?} is not from {least} to {most}")]
    Number {
        /// The field.
        field: &'static str,
        /// What stands there.
        text: String,
        /// The least that is allowed.
        least: u8,
        /// The most that is allowed.
        most: u8,
    },
    /// A range whose end comes before its beginning.
    #[error("{field}: the range {text:?} runs backwards")]
    Backwards {
        /// The field.
        field: &'static str,
        /// The range.
        text: String,
    },
    /// A step without a range, or one that is no number.
    #[error("{field}: in {text:?} a whole number from 1 on has to follow the /, and * or a range to come before it")]
    Step {
        /// The field.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// Such as the 30th of February.
    #[error("no year has such a day")]
    Never,
}

/// What a field may hold.
struct Bounds {
    field: &'static str,
    least: u8,
    most: u8,
    /// Names for numbers, from the least on.
    names: &'static [&'static str],
}

const MINUTES: Bounds = bounds("minute", 0, 59, &[]);
const HOURS: Bounds = bounds("hour", 0, 23, &[]);
const DAYS_OF_MONTH: Bounds = bounds("day of month", 1, 31, &[]);
const MONTHS: Bounds = bounds(
    "month",
    1,
    12,
    &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
);
/// 0 and 7 are Sunday.
const DAYS_OF_WEEK: Bounds = bounds("day of week", 0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]);

const fn bounds(field: &'static str, least: u8, most: u8, names: &'static [&'static str]) -> Bounds {
    Bounds {
        field,
        least,
        most,
        names,
    }
}

const WORDS: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// How far ahead is looked. The rarest day is a 29th of February on one day of the week: 40 years may lie between two, where
/// the last year of a century is none of 366 days.
const DAYS_AHEAD: usize = 41 * 366;

impl FromStr for Cron {
    type Err = InvalidCron;

    fn from_str(text: &str) -> Result<Self, InvalidCron> {
        let fields = match text.trim().strip_prefix('@') {
            None => text,
            Some(_) => WORDS
                .iter()
                .find(|(word, _)| word.eq_ignore_ascii_case(text.trim()))
                .map(|(_, fields)| *fields)
                .ok_or_else(|| InvalidCron::Word(text.trim().to_owned()))?,
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [minutes, hours, days_of_month, months, days_of_week] = fields[..] else {
            return Err(InvalidCron::Fields(fields.len()));
        };
        let cron = Self {
            text: text.trim().to_owned(),
            minutes: Field::parse(minutes, &MINUTES)?,
            hours: Field::parse(hours, &HOURS)?,
            days_of_month: Field::parse(days_of_month, &DAYS_OF_MONTH)?,
            months: Field::parse(months, &MONTHS)?,
            days_of_week: Field::parse(days_of_week, &DAYS_OF_WEEK)?.with_one_sunday(),
        };
        let comes = cron.days(Date::constant(2000, 1, 1)).next().is_some();
        match comes {
            true => Ok(cron),
            false => Err(InvalidCron::Never),
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cron {
    /// The first of its times after `after`. None where the calendar ends before.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self.hours.is_any() {
            true => self.next_minute(after, zone),
            false => self.next_time(after, zone),
        }
    }

    /// By the times of each day. They become moments in the same order, though several may become one.
    fn next_time(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let today = zone.to_datetime(after).date();
        let times = self.days(today).flat_map(|day| self.times(day));
        times
            .filter_map(|time| moment(time, zone))
            .find(|moment| *moment > after)
    }

    /// By minutes that really pass.
    fn next_minute(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let second = after.as_second();
        let mut at = Timestamp::from_second(second - second.rem_euclid(60) + 60).ok()?;
        // A day that is another one's is one step; in the right one there are at most as many as an hour has minutes.
        for _ in 0..DAYS_AHEAD {
            let clock = zone.to_datetime(at);
            at = match (self.is_day(clock.date()), self.minutes.has(clock.minute())) {
                (true, true) => return Some(at),
                (true, false) => at.checked_add(1.minute()).ok()?,
                (false, _) => moment(clock.date().tomorrow().ok()?.at(0, 0, 0, 0), zone)?,
            };
        }
        None
    }

    fn days(&self, from: Date) -> impl Iterator<Item = Date> {
        let all = from.series(1.day()).take(DAYS_AHEAD);
        all.filter(|day| self.is_day(*day))
    }

    /// crontab(5): where both fields for days are restricted, either is enough; one that begins with `*` is not.
    fn is_day(&self, date: Date) -> bool {
        let of_month = self.days_of_month.has(date.day());
        let of_week = self.days_of_week.has(date.weekday().to_sunday_zero_offset());
        self.months.has(date.month())
            && match self.days_of_month.star || self.days_of_week.star {
                true => of_month && of_week,
                false => of_month || of_week,
            }
    }

    fn times(&self, day: Date) -> impl Iterator<Item = DateTime> {
        let hours = self.hours.numbers();
        hours.flat_map(move |hour| self.minutes.numbers().map(move |minute| day.at(hour, minute, 0, 0)))
    }
}

/// When a clock shows a time for the first time, or would have shown it, had it not jumped.
fn moment(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next().map(|jump| jump.timestamp())
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
    }
}

/// The numbers of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    /// Bit n for the number n.
    chosen: u64,
    /// Whether it begins with `*`.
    star: bool,
    /// Whether it is nothing but that: in steps of one, too.
    any: bool,
}

impl Field {
    fn parse(text: &str, bounds: &Bounds) -> Result<Self, InvalidCron> {
        let mut chosen = 0;
        for item in text.split(',') {
            chosen |= bounds.item(item)?;
        }
        Ok(Self {
            chosen,
            star: text.starts_with('*'),
            any: matches!(text, "*" | "*/1"),
        })
    }

    /// Sunday as 0 where it is 7.
    fn with_one_sunday(self) -> Self {
        Self {
            chosen: self.chosen | ((self.chosen >> 7) & 1),
            ..self
        }
    }

    fn is_any(self) -> bool {
        self.any
    }

    fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| (self.chosen >> number) & 1 == 1)
    }

    fn numbers(self) -> impl Iterator<Item = i8> {
        (0..60).filter(move |number| self.has(*number))
    }
}

impl Bounds {
    /// `7`, `1-5`, `*`, and steps in these: `1-59/2`. Answers bit n for the number n.
    fn item(&self, item: &str) -> Result<u64, InvalidCron> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let ends = range.split_once('-');
        let (first, last) = match (ends, range) {
            (_, "*") => (self.least, self.most),
            (Some((first, last)), _) => (self.number(first)?, self.number(last)?),
            (None, one) => (self.number(one)?, self.number(one)?),
        };
        if first > last {
            return Err(InvalidCron::Backwards {
                field: self.field,
                text: range.to_owned(),
            });
        }
        let step = match step {
            None => 1,
            Some(step) => step
                .parse::<u8>()
                .ok()
                .filter(|step| *step > 0 && (range == "*" || ends.is_some()))
                .ok_or_else(|| InvalidCron::Step {
                    field: self.field,
                    text: item.to_owned(),
                })?,
        };
        let numbers = (first..=last).step_by(step.into());
        Ok(numbers.fold(0, |chosen, number| chosen | (1 << number)))
    }

    fn number(&self, text: &str) -> Result<u8, InvalidCron> {
        let named = self.names.iter().zip(self.least..);
        let named = named
            .filter(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, number)| number)
            .next();
        // `parse` would take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = named.or_else(|| text.parse().ok().filter(|_| digits));
        number
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| InvalidCron::Number {
                field: self.field,
                text: text.to_owned(),
                least: self.least,
                most: self.most,
            })
    }
}
