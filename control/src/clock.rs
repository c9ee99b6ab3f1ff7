//! The one place that reads this machine's clock. Stored times come from the database instead.

use std::time::SystemTime;

use domain::Timestamp;

/// Now, by this machine's clock: for signatures and for showing ages, never for leases or stored times.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn system_time() -> SystemTime {
    SystemTime::now()
}

/// Now, for showing ages.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp(system_time().into())
}
