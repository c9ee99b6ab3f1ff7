//! Moments in UTC, written as RFC 3339 everywhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{
    Date, OffsetDateTime, UtcOffset,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use crate::limits::{MOMENT, at_most_characters};

/// A moment in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "native", derive(sqlx::Type, utoipa::ToSchema))]
#[cfg_attr(feature = "native", sqlx(transparent))]
pub struct Timestamp(#[serde(with = "time::serde::rfc3339")] pub OffsetDateTime);

impl Timestamp {
    /// How long after `earlier` this is, never negative.
    #[must_use]
    pub fn since(self, earlier: Self) -> std::time::Duration {
        (self.0 - earlier.0).try_into().unwrap_or_default()
    }

    /// In words a person reads: "just now", "4 min ago", "3 h ago", "yesterday", "12 Nov 2026".
    #[must_use]
    pub fn ago(self, now: Self) -> String {
        let seconds = now.since(self).as_secs();
        match seconds {
            0..=9 => "just now".into(),
            10..=59 => format!("{seconds} s ago"),
            60..=3599 => format!("{} min ago", seconds / 60),
            3600..=86_399 => format!("{} h ago", seconds / 3600),
            86_400..=172_799 => "yesterday".into(),
            172_800..=1_209_599 => format!("{} days ago", seconds / 86_400),
            _ => {
                let month = self.0.month().to_string();
                format!("{} {} {}", self.0.day(), &month[..3], self.0.year())
            }
        }
    }
}

impl Timestamp {
    /// To the minute, as people write it: `24 Nov 2026 09:31 UTC`.
    #[must_use]
    pub fn to_the_minute(self) -> String {
        let moment = self.0.to_offset(UtcOffset::UTC);
        let month = moment.month().to_string();
        format!("{} {} {} {:02}:{:02} UTC", moment.day(), &month[..3], moment.year(), moment.hour(), moment.minute())
    }
}

/// A day of UTC, or a moment: a bound of what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum DayOrMoment {
    Day(Date),
    Moment(Timestamp),
}

impl DayOrMoment {
    /// # Errors
    /// A sentence that says what to change.
    pub fn parse(text: &str) -> Result<Self, String> {
        const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
        let text = text.trim();
        if text.len() > MOMENT {
            return Err(at_most_characters(MOMENT));
        }
        let day = Date::parse(text, DAY).ok().filter(|day| day.year() > 0).map(Self::Day);
        day.or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok().and_then(|moment| moment.checked_to_offset(UtcOffset::UTC)).map(|moment| Self::Moment(Timestamp(moment))))
            .ok_or_else(|| "Enter a day like 2026-12-01, or a moment like 2026-12-01T09:30:00Z.".into())
    }

    /// When it begins.
    #[must_use]
    pub fn begins(self) -> Timestamp {
        match self {
            Self::Day(day) => Timestamp(day.midnight().assume_utc()),
            Self::Moment(moment) => moment,
        }
    }

    /// When it is over: the first moment after a day.
    #[must_use]
    pub fn is_over(self) -> Timestamp {
        match self {
            Self::Day(day) => Timestamp(day.next_day().unwrap_or(day).midnight().assume_utc()),
            Self::Moment(moment) => moment,
        }
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(moment: OffsetDateTime) -> Self {
        Self(moment)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::{DayOrMoment, Timestamp};

    #[test]
    fn a_moment_to_the_minute_is_in_utc() {
        assert_eq!(Timestamp(datetime!(2026-11-04 09:01:59.123456 UTC)).to_the_minute(), "4 Nov 2026 09:01 UTC");
        assert_eq!(Timestamp(datetime!(2026-11-04 00:30 +2)).to_the_minute(), "3 Nov 2026 22:30 UTC");
    }

    #[test]
    fn a_day_is_asked_for_whole() {
        let day = DayOrMoment::parse(" 2026-12-01 ").unwrap();
        assert_eq!((day.begins(), day.is_over()), (Timestamp(datetime!(2026-12-01 00:00 UTC)), Timestamp(datetime!(2026-12-02 00:00 UTC))));
        let moment = DayOrMoment::parse("2026-12-01T09:30:00+02:00").unwrap();
        assert_eq!((moment.begins(), moment.is_over()), (Timestamp(datetime!(2026-12-01 07:30 UTC)), Timestamp(datetime!(2026-12-01 07:30 UTC))));
        for wrong in ["", "yesterday", "2026-13-01", "2026-12-01 09:30", "0000-00-00", "-0001-01-01", "2026-12-01T25:00:00Z", "99999-01-01", "9999-12-31T23:59:59-01:00"] {
            assert!(DayOrMoment::parse(wrong).is_err(), "{wrong}");
        }
        assert!(DayOrMoment::parse("9999-12-31").is_ok_and(|last| last.is_over() >= last.begins()));
    }

    #[test]
    fn ages_read_as_people_say_them() {
        let now = Timestamp(datetime!(2026-11-24 12:00 UTC));
        for (age, words) in [
            (Duration::seconds(-5), "just now"),
            (Duration::seconds(42), "42 s ago"),
            (Duration::minutes(4), "4 min ago"),
            (Duration::hours(23), "23 h ago"),
            (Duration::hours(30), "yesterday"),
            (Duration::days(5), "5 days ago"),
            (Duration::days(40), "15 Oct 2026"),
        ] {
            assert_eq!(Timestamp(now.0 - age).ago(now), words);
        }
    }
}
