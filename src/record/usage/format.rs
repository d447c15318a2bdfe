//! Numbers and times as text and page show them. The page's script does the same.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `1.23 MB`: three digits, in powers of ten, halves up.
pub(super) fn size(bytes: i64) -> String {
    const UNITS: [(f64, &str); 6] = [
        (1.0, "B"),
        (1e3, "kB"),
        (1e6, "MB"),
        (1e9, "GB"),
        (1e12, "TB"),
        (1e15, "PB"),
    ];
    let value = bytes as f64;
    let fits = UNITS.iter().find(|(unit, _)| value < 999.5 * unit);
    let (unit, name) = fits.unwrap_or(&UNITS[UNITS.len() - 1]);
    let digits = match () {
        () if *unit <= 1.0 || value >= 99.95 * unit => 0,
        () if value >= 9.995 * unit => 1,
        () => 2,
    };
    let scale = 10_f64.powi(digits);
    let shown = (value / (unit / scale) + 0.5).floor() / scale;
    format!("{shown:.*} {name}", usize::try_from(digits).unwrap_or_default())
}

/// `1,234`
pub(super) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match number < 0 {
        true => format!("-{grouped}"),
        false => grouped,
    }
}

/// `1,234.50`
pub(super) fn money(amount: f64) -> String {
    let cents = (amount * 100.0).round() as i64;
    format!("{}.{:02}", count(cents / 100), cents.unsigned_abs() % 100)
}

/// A size with its sign.
pub(super) fn difference(bytes: i64) -> String {
    let sign = match bytes {
        1.. => "+",
        0 => "±",
        _ => "−",
    };
    format!("{sign}{}", size(bytes.abs()))
}

/// Bytes as the filters take them.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// `2026-11-22 15:30`
pub(super) fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The name at the end of a function's or service's ARN.
pub(super) fn name_of(arn: &str) -> &str {
    let of_function = arn.split_once(":function:").map(|(_, name)| name);
    let of_service = || arn.split_once('/').map(|(_, name)| name);
    of_function.or_else(of_service).unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_and_round_halves_up() {
        // Worked out by hand.
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (1_234_567, "1.23 MB"),
            (9_994_999, "9.99 MB"),
            (9_995_000, "10.0 MB"),
            (99_949_999, "99.9 MB"),
            (99_950_000, "100 MB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.00 GB"),
            (12_345_000_000_000, "12.3 TB"),
        ] {
            assert_eq!(size(bytes), shown, "{bytes}");
        }
        assert_eq!(difference(-1000), "−1.00 kB");
        assert_eq!(difference(0), "±0 B");
    }

    #[test]
    fn counts_and_money_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.1, 1234.5].map(money), ["0.00", "0.10", "1,234.50"]);
    }

    #[test]
    fn an_arn_ends_with_a_name() {
        for (arn, name) in [
            ("arn:aws:lambda:eu-central-1:123456789012:function:api:3", "api:3"),
            ("arn:aws:ecs:eu-central-1:123456789012:service/main/web", "main/web"),
            ("other", "other"),
        ] {
            assert_eq!(name_of(arn), name);
        }
    }
}
