//! What a line says, beside the time that the container runtime noted.

use domain::deployment::LogLine;
use time::{Date, Month};

/// The line's text without a time of its own at its beginning: beside ours that would be a second one. A time of another day than
/// ours is no such repetition, and stays; so does whatever stands in a line that has no time of ours.
#[must_use]
pub fn said(line: &LogLine) -> &str {
    let own = line.at.zip(own_time(&line.text));
    match own {
        Some((at, (day, rest))) if !rest.is_empty() && (day.to_julian_day() - at.0.date().to_julian_day()).abs() <= 1 => rest,
        _ => &line.text,
    }
}

/// The day of the ISO 8601 time that `text` begins with, bare or in brackets, and what follows that time.
fn own_time(text: &str) -> Option<(Date, &str)> {
    const SHAPE: &str = "0000-00-00T00:00:00";
    let inner = text.strip_prefix('[');
    let (stamp, rest) = inner.unwrap_or(text).split_at_checked(SHAPE.len())?;
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        other => byte == other,
    };
    if !stamp.bytes().zip(SHAPE.bytes()).all(fits) {
        return None;
    }
    let month = Month::try_from(stamp[5..7].parse::<u8>().ok()?).ok()?;
    let day = Date::from_calendar_date(stamp[..4].parse().ok()?, month, stamp[8..10].parse().ok()?).ok()?;
    let rest = rest.strip_prefix(['.', ',']).map_or(rest, |fraction| fraction.trim_start_matches(|c: char| c.is_ascii_digit()));
    let rest = after_zone(rest);
    let rest = if inner.is_some() { rest.strip_prefix(']')? } else { rest };
    let said = rest.trim_start();
    (said.len() < rest.len()).then_some((day, said))
}

/// Without the time zone that it begins with, if it does: `Z`, `+01:00`, ` -0500`.
fn after_zone(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return rest;
    }
    let offset = || {
        let digits = text.strip_prefix(' ').unwrap_or(text).strip_prefix(['+', '-'])?;
        let (hours, rest) = digits.split_at_checked(2)?;
        let (minutes, rest) = rest.strip_prefix(':').unwrap_or(rest).split_at_checked(2)?;
        hours.bytes().chain(minutes.bytes()).all(|byte| byte.is_ascii_digit()).then_some(rest)
    };
    offset().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use time::macros::datetime;

    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine { pod: "iris-1".into(), at: Some(Timestamp(datetime!(2026-11-24 09:00:01 UTC))), text: text.into() }
    }

    #[test]
    fn a_time_that_a_logger_writes_first_is_left_out() {
        for text in [
            "2026-11-24T09:00:01Z INFO ready",
            "2026-11-24T09:00:01.123456789Z  INFO ready",
            "2026-11-24T10:00:01.5+01:00 INFO ready",
            "2026-11-24 09:00:01,123 INFO ready",
            "2026-11-23 23:00:01 -1000 INFO ready",
            "[2026-11-24 09:00:01 +0000] INFO ready",
            "[2026-11-24T09:00:01Z] INFO ready",
        ] {
            assert_eq!(said(&line(text)), "INFO ready", "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "ready since 2026-11-24T09:00:01Z",
            "2026-11-24T09:00:01Z",
            "2026-11-24T09:00:01Z ",
            "2026-11-24T09:00:01Zebra",
            "2026-11-24T09:00:01Z,12.5",
            "2026-13-24T09:00:01Z month",
            "2026-11-24 is the day",
            "[2026-11-24T09:00:01Z INFO model] ready",
            "2019-01-01 00:00:00 is the first sample",
            "2026-11-24T09:00:0é ready",
            "ééééééééééééééééééé",
            "",
        ] {
            assert_eq!(said(&line(text)), text);
        }
        let untimed = LogLine { at: None, ..line("2026-11-24T09:00:01Z ready") };
        assert_eq!(said(&untimed), untimed.text, "there is no other time to see");
    }
}
