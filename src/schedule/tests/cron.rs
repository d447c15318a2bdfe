//! The tables of crontab(5) and cron(8).

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::schedule::Cron;

fn berlin() -> TimeZone {
    // As in a container without /usr/share/zoneinfo.
    TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap()
}

/// The next times after `after`, as clocks in `zone` show them.
fn times(expression: &str, after: &str, zone: &TimeZone, count: usize) -> Vec<String> {
    let cron: Cron = expression.parse().unwrap();
    let mut at = after.parse().unwrap();
    let next = std::iter::repeat_with(|| {
        at = cron.next(at, zone).unwrap();
        at.to_zoned(zone.clone()).strftime("%a %d %b %Y %H:%M%:z").to_string()
    });
    next.take(count).collect()
}

/// The examples and rules of crontab(5), 2026-01-01 being a Thursday.
#[test]
fn the_manual_s_examples_come_when_it_says() {
    for (expression, expected) in [
        // "run five minutes after midnight, every day"
        (
            "5 0 * * *",
            [
                "Thu 01 Jan 2026 00:05",
                "Fri 02 Jan 2026 00:05",
                "Sat 03 Jan 2026 00:05",
            ],
        ),
        // "run at 2:15pm on the first of every month"
        (
            "15 14 1 * *",
            [
                "Thu 01 Jan 2026 14:15",
                "Sun 01 Feb 2026 14:15",
                "Sun 01 Mar 2026 14:15",
            ],
        ),
        // "run at 10 pm on weekdays"
        (
            "0 22 * * 1-5",
            [
                "Thu 01 Jan 2026 22:00",
                "Fri 02 Jan 2026 22:00",
                "Mon 05 Jan 2026 22:00",
            ],
        ),
        // "run 23 minutes after midn, 2am, 4am ..., everyday"
        (
            "23 0-23/2 * * *",
            [
                "Thu 01 Jan 2026 00:23",
                "Thu 01 Jan 2026 02:23",
                "Thu 01 Jan 2026 04:23",
            ],
        ),
        // "run at 5 after 4 every Sunday"
        (
            "5 4 * * sun",
            [
                "Sun 04 Jan 2026 04:05",
                "Sun 11 Jan 2026 04:05",
                "Sun 18 Jan 2026 04:05",
            ],
        ),
        // "4:30 am on the 1st and 15th of each month, plus every Friday"
        (
            "30 4 1,15 * 5",
            [
                "Thu 01 Jan 2026 04:30",
                "Fri 02 Jan 2026 04:30",
                "Fri 09 Jan 2026 04:30",
            ],
        ),
        // "Run at midn on every Sunday that's an uneven date": a field that begins with * is no restriction.
        (
            "0 0 */2 * sun",
            [
                "Sun 11 Jan 2026 00:00",
                "Sun 25 Jan 2026 00:00",
                "Sun 01 Feb 2026 00:00",
            ],
        ),
        // Nor is one that has every number all the same.
        (
            "0 0 */1 * mon",
            [
                "Mon 05 Jan 2026 00:00",
                "Mon 12 Jan 2026 00:00",
                "Mon 19 Jan 2026 00:00",
            ],
        ),
        (
            "0 0 15 * */1",
            [
                "Thu 15 Jan 2026 00:00",
                "Sun 15 Feb 2026 00:00",
                "Sun 15 Mar 2026 00:00",
            ],
        ),
        // "run every 4th hour on the 1st and on every Monday", but every 12th.
        (
            "0 */12 1 * mon",
            [
                "Thu 01 Jan 2026 12:00",
                "Mon 05 Jan 2026 00:00",
                "Mon 05 Jan 2026 12:00",
            ],
        ),
        // "0-23 can be used with steps"; "*/2" of hours is every two hours.
        (
            "0 */8 * * *",
            [
                "Thu 01 Jan 2026 08:00",
                "Thu 01 Jan 2026 16:00",
                "Fri 02 Jan 2026 00:00",
            ],
        ),
        // "1,2,5,9" and "0-4,8-12" are lists; 7 is Sunday; names in any letter case.
        (
            "0 1,2,8-9 * FEB 7",
            [
                "Sun 01 Feb 2026 01:00",
                "Sun 01 Feb 2026 02:00",
                "Sun 01 Feb 2026 08:00",
            ],
        ),
        (
            "*/20 * * * *",
            [
                "Thu 01 Jan 2026 00:20",
                "Thu 01 Jan 2026 00:40",
                "Thu 01 Jan 2026 01:00",
            ],
        ),
        (
            "59 * 31 dec *",
            [
                "Thu 31 Dec 2026 00:59",
                "Thu 31 Dec 2026 01:59",
                "Thu 31 Dec 2026 02:59",
            ],
        ),
        (
            "0 0 29 2 *",
            [
                "Tue 29 Feb 2028 00:00",
                "Sun 29 Feb 2032 00:00",
                "Fri 29 Feb 2036 00:00",
            ],
        ),
        (
            "@hourly",
            [
                "Thu 01 Jan 2026 01:00",
                "Thu 01 Jan 2026 02:00",
                "Thu 01 Jan 2026 03:00",
            ],
        ),
        (
            "@daily",
            [
                "Fri 02 Jan 2026 00:00",
                "Sat 03 Jan 2026 00:00",
                "Sun 04 Jan 2026 00:00",
            ],
        ),
        (
            "@weekly",
            [
                "Sun 04 Jan 2026 00:00",
                "Sun 11 Jan 2026 00:00",
                "Sun 18 Jan 2026 00:00",
            ],
        ),
    ] {
        let expected = expected.map(|time| format!("{time}+00:00"));
        let found = times(expression, "2026-01-01T00:00:00Z", &TimeZone::UTC, 3);
        assert_eq!(found, expected, "{expression}");
    }
}

/// cron(8): clocks go from 2:00 to 3:00 in the night of 2026-03-29, and from 3:00 to 2:00 in that of 2026-10-25.
#[test]
fn a_time_that_does_not_exist_or_exists_twice_comes_once() {
    for (expression, after, expected) in [
        (
            "30 2 * * *",
            "2026-03-28T00:00:00Z",
            vec![
                "Sat 28 Mar 2026 02:30+01:00",
                "Sun 29 Mar 2026 03:00+02:00",
                "Mon 30 Mar 2026 02:30+02:00",
            ],
        ),
        // Also where another one of its times is the moment of the jump.
        (
            "0,30 2-3 * * *",
            "2026-03-29T00:30:00Z",
            vec![
                "Sun 29 Mar 2026 03:00+02:00",
                "Sun 29 Mar 2026 03:30+02:00",
                "Mon 30 Mar 2026 02:00+02:00",
            ],
        ),
        (
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            vec!["Sun 25 Oct 2026 02:30+02:00", "Mon 26 Oct 2026 02:30+01:00"],
        ),
        // Asked between the two.
        (
            "30 2 * * *",
            "2026-10-25T00:45:00Z",
            vec!["Mon 26 Oct 2026 02:30+01:00"],
        ),
        ("0 3 * * *", "2026-10-24T12:00:00Z", vec!["Sun 25 Oct 2026 03:00+01:00"]),
        // What comes every hour comes in each one that passes.
        (
            "0 * * * *",
            "2026-03-29T00:30:00Z",
            vec!["Sun 29 Mar 2026 03:00+02:00", "Sun 29 Mar 2026 04:00+02:00"],
        ),
        (
            "0 */1 * * *",
            "2026-10-24T23:30:00Z",
            vec![
                "Sun 25 Oct 2026 02:00+02:00",
                "Sun 25 Oct 2026 02:00+01:00",
                "Sun 25 Oct 2026 03:00+01:00",
            ],
        ),
        (
            "*/30 * * * *",
            "2026-10-25T00:10:00Z",
            vec![
                "Sun 25 Oct 2026 02:30+02:00",
                "Sun 25 Oct 2026 02:00+01:00",
                "Sun 25 Oct 2026 02:30+01:00",
                "Sun 25 Oct 2026 03:00+01:00",
            ],
        ),
    ] {
        let found = times(expression, after, &berlin(), expected.len());
        assert_eq!(found, expected, "{expression} after {after}");
    }
}

#[test]
fn a_zone_says_when_its_days_begin() {
    let found = times("0 3 * * *", "2026-07-01T00:59:59Z", &berlin(), 2);
    assert_eq!(found, ["Wed 01 Jul 2026 03:00+02:00", "Thu 02 Jul 2026 03:00+02:00"]);
    // Samoa had no 30th of December in 2011: what was due then comes as the 31st begins.
    let apia = TimeZoneDatabase::bundled().get("Pacific/Apia").unwrap();
    let found = times("0 12 30 12 *", "2011-12-01T00:00:00Z", &apia, 2);
    assert_eq!(found, ["Sat 31 Dec 2011 00:00+14:00", "Sun 30 Dec 2012 12:00+14:00"]);
}

#[test]
fn what_is_wrong_is_said() {
    for (expression, says) in [
        ("0 3 * *", "it has 4 of the five fields"),
        ("0 0 3 * * *", "it has 6 of the five fields"),
        ("", "it has 0 of the five fields"),
        ("@reboot", "@reboot is none of @hourly, @daily"),
        ("60 * * * *", "minute: \"60\" is not from 0 to 59"),
        ("0 24 * * *", "hour: \"24\" is not from 0 to 23"),
        ("0 0 0 * *", "day of month: \"0\" is not from 1 to 31"),
        ("0 0 * mond *", "month: \"mond\" is not from 1 to 12"),
        ("0 0 * * 8", "day of week: \"8\" is not from 0 to 7"),
        ("+5 * * * *", "minute: \"+5\" is not"),
        (", * * * *", "minute: \"\" is not"),
        ("0 5-1 * * *", "hour: the range \"5-1\" runs backwards"),
        ("*/0 * * * *", "minute: in \"*/0\" a whole number"),
        ("5/10 * * * *", "minute: in \"5/10\" a whole number"),
        ("0 0 30 2 *", "no year has such a day"),
    ] {
        let error = expression.parse::<Cron>().unwrap_err().to_string();
        assert!(error.starts_with(says), "{expression}: {error}");
    }
}
