//! What a request asks for, checked, and what differs between two of them.

use std::collections::BTreeSet;

use domain::{deployment::Variable, error::Checks, ids::ReleaseId, names::VariableName, size::Size, workspace::Quota};

/// The most replicas a deployment can have; the database holds the same rule.
pub const MAX_REPLICAS: i32 = *domain::limits::REPLICAS.end();
const MAX_VARIABLES: usize = domain::limits::VARIABLES;
const MAX_VALUE: usize = domain::limits::VARIABLE_VALUE;
const MAX_REASON: usize = domain::limits::REASON;

/// What a revision wants to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub release: ReleaseId,
    pub size: Size,
    pub replicas: i32,
    pub environment: Vec<Variable>,
}

impl Spec {
    /// The spec as one side of a comparison, with its release in words.
    #[must_use]
    pub fn side<'a>(&'a self, release: &'a str) -> Side<'a> {
        Side { release, size: self.size, replicas: self.replicas, environment: &self.environment }
    }

    /// What all replicas together ask for.
    #[must_use]
    pub fn asks(&self) -> Quota {
        let replicas = i64::from(self.replicas);
        Quota { cpu_millis: self.size.cpu_millis() * replicas, memory_mib: self.size.memory_mib() * replicas, gpus: self.size.gpus() * replicas, pods: replicas }
    }
}

/// Notes what is wrong with the number of replicas.
pub fn check_replicas(checks: &mut Checks, replicas: i32) {
    checks.ensure((1..=MAX_REPLICAS).contains(&replicas), "replicas", format!("Ask for 1 to {MAX_REPLICAS} replicas."));
}

/// Takes the variables with their names trimmed, or notes what is wrong with each.
pub fn check_environment(checks: &mut Checks, environment: &[Variable]) -> Vec<Variable> {
    checks.ensure(environment.len() <= MAX_VARIABLES, "environment", format!("Set at most {MAX_VARIABLES} variables; these are {}.", environment.len()));
    let mut names = BTreeSet::new();
    let mut checked = Vec::with_capacity(environment.len());
    for (n, variable) in environment.iter().take(MAX_VARIABLES).enumerate() {
        let Some(name) = checks.take(&format!("environment.{n}.name"), VariableName::parse(&variable.name)) else { continue };
        checks.ensure(names.insert(name.as_str().to_owned()), &format!("environment.{n}.name"), format!("{name} is set twice."));
        let value = &format!("environment.{n}.value");
        checks.ensure(variable.value.chars().count() <= MAX_VALUE, value, domain::limits::at_most_characters(MAX_VALUE));
        checks.ensure(!variable.value.contains('\0'), value, "Leave out the NUL character.");
        checked.push(Variable { name: name.into_string(), value: variable.value.clone() });
    }
    checked
}

/// Takes the reason, or notes what is wrong with it. Nothing but blanks is no reason.
pub fn check_reason(checks: &mut Checks, reason: Option<&str>) -> Option<String> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty())?;
    checks.prose("reason", reason, MAX_REASON);
    Some(reason.to_owned())
}

/// One side of a comparison: a spec, with its release in words.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// `iris 2`
    pub release: &'a str,
    pub size: Size,
    pub replicas: i32,
    pub environment: &'a [Variable],
}

/// What differs, in words.
#[must_use]
pub fn differences(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let mut changes = Vec::new();
    if before.release != after.release {
        changes.push(format!("release {} → {}", before.release, after.release));
    }
    if before.size != after.size {
        changes.push(format!("size {} → {}", before.size.as_str(), after.size.as_str()));
    }
    if before.replicas != after.replicas {
        changes.push(format!("replicas {} → {}", before.replicas, after.replicas));
    }
    let find = |side: Side<'_>, name: &str| side.environment.iter().find(|variable| variable.name == name).map(|variable| variable.value.clone());
    let names: BTreeSet<&str> = before.environment.iter().chain(after.environment).map(|variable| variable.name.as_str()).collect();
    for name in names {
        match (find(before, name), find(after, name)) {
            (None, Some(value)) => changes.push(format!("{name} set to {}", short(&value))),
            (Some(_), None) => changes.push(format!("{name} removed")),
            (Some(old), Some(new)) if old != new => changes.push(format!("{name} {} → {}", short(&old), short(&new))),
            _ => {}
        }
    }
    let order = |side: Side<'_>| side.environment.iter().map(|variable| variable.name.clone()).collect::<Vec<_>>();
    if changes.is_empty() && order(before) != order(after) {
        changes.push("variables in another order".into());
    }
    changes
}

/// A value as it fits into a sentence.
fn short(value: &str) -> String {
    const MAX: usize = 40;
    if value.is_empty() {
        return "empty".into();
    }
    if value.chars().count() <= MAX {
        return value.to_owned();
    }
    value.chars().take(MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variable(name: &str, value: &str) -> Variable {
        Variable { name: name.into(), value: value.into() }
    }

    #[test]
    fn differences_read_as_words() {
        let before = [variable("LEVEL", "info"), variable("OLD", "1")];
        let after = [variable("LEVEL", "debug"), variable("NEW", "")];
        let one = Side { release: "iris 1", size: Size::Small, replicas: 1, environment: &before };
        let two = Side { release: "iris 2", size: Size::Medium, replicas: 2, environment: &after };
        assert_eq!(differences(one, two), ["release iris 1 → iris 2", "size small → medium", "replicas 1 → 2", "LEVEL info → debug", "NEW set to empty", "OLD removed"]);
        assert!(differences(one, one).is_empty());
    }

    #[test]
    fn every_wrong_variable_is_named() {
        let mut checks = Checks::new();
        check_environment(&mut checks, &[variable("OK", "x"), variable("1X", ""), variable("OK", "y"), variable("NUL", "a\0b")]);
        let rejected = checks.finish().unwrap_err();
        let fields: Vec<&str> = rejected.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["environment.1.name", "environment.2.name", "environment.3.value"]);
    }

    #[test]
    fn hostile_values_are_kept_as_they_are() {
        let mut checks = Checks::new();
        let hostile = "</textarea><script>alert(1)</script>";
        let kept = check_environment(&mut checks, &[variable("TEXT", hostile)]);
        assert!(checks.is_clean());
        assert_eq!(kept[0].value, hostile);
    }

    proptest! {
        #[test]
        fn a_spec_differs_from_itself_in_nothing(values in proptest::collection::vec(("[A-Z]{1,3}", ".{0,60}"), 0..6), replicas in 1..50i32) {
            let environment: Vec<Variable> = values.iter().map(|(name, value)| variable(name, value)).collect();
            let side = Side { release: "iris 1", size: Size::Small, replicas, environment: &environment };
            prop_assert!(differences(side, side).is_empty());
        }
    }
}
