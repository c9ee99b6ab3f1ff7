use domain::cluster::ClusterCheck;
use proptest::prelude::*;

use super::*;

fn described(mode: &str) -> Eks {
    Eks::Described(Described {
        arn: "arn:aws:eks:eu-west-1:123456789012:cluster/lab".into(),
        status: "ACTIVE".into(),
        version: Some("1.35".into()),
        authentication_mode: mode.into(),
        endpoint: Some("https://lab.example".into()),
        certificate_authority: Some("pem".into()),
    })
}

fn reached(allowed: bool) -> Probe {
    let check = ClusterCheck { right: "manage namespaces".into(), purpose: String::new(), allowed };
    Probe::Reached(Reached { version: "1.35".into(), checks: vec![check], is_admin: false, enforces_network_policies: Some(false) })
}

fn unknown() -> Probe {
    Probe::Unknown { raw: "Unauthorized".into() }
}

fn entry(groups: &[&str], is_admin: bool) -> EntrySeen {
    EntrySeen::There(Entry { groups: groups.iter().map(|group| (*group).to_owned()).collect(), is_admin })
}

fn running(applied: bool) -> Desired {
    Desired { setup: Some(Setup { allowed: true, applied, refused: None, age: Duration::from_secs(1) }), read_only: false }
}

fn seen(probe: Probe, borrowed: bool, entry: EntrySeen) -> Observed {
    Observed { eks: described("API_AND_CONFIG_MAP"), probe, borrowed, entry }
}

#[test]
fn a_setup_goes_through_its_steps_in_order() {
    assert_eq!(next(&running(false), &seen(unknown(), false, EntrySeen::Missing)), Step::CreateEntry);
    assert_eq!(next(&running(false), &seen(unknown(), false, entry(&["ops"], false))), Step::AddGroup(vec!["ops".into(), "slipway".into()]));
    assert_eq!(next(&running(false), &seen(reached(false), false, entry(&["slipway"], false))), Step::Borrow);
    assert_eq!(next(&running(false), &seen(reached(true), true, entry(&["slipway"], true))), Step::ApplyManifest);
    assert_eq!(next(&running(true), &seen(reached(true), true, entry(&["slipway"], true))), Step::GiveBack);
    assert!(matches!(next(&running(true), &seen(reached(false), false, entry(&["slipway"], false))), Step::Wait { .. }));
    assert_eq!(next(&running(true), &seen(reached(true), false, entry(&["slipway"], false))), Step::Finish(Ok(())));
}

#[test]
fn a_policy_that_still_has_an_effect_proves_nothing() {
    let Probe::Reached(reached) = reached(true) else { unreachable!() };
    let admin = Probe::Reached(Reached { is_admin: true, ..reached });
    assert!(matches!(next(&running(true), &seen(admin, false, entry(&["slipway"], false))), Step::Wait { .. }));
}

#[test]
fn nothing_is_borrowed_where_the_manifest_is_there_already() {
    assert_eq!(next(&running(false), &seen(reached(true), false, entry(&["slipway"], false))), Step::Finish(Ok(())));
}

#[test]
fn a_policy_that_was_there_before_is_used_and_stays() {
    let observed = seen(reached(true), false, entry(&["slipway"], true));
    assert_eq!(next(&running(false), &observed), Step::ApplyManifest);
    assert_eq!(next(&running(true), &observed), Step::Finish(Ok(())));
}

#[test]
fn a_setup_that_gets_nowhere_gives_back_first_and_then_fails() {
    let late = Desired { setup: Some(Setup { allowed: true, applied: false, refused: None, age: SETUP_LIMIT }), read_only: false };
    assert_eq!(next(&late, &seen(unknown(), true, entry(&["slipway"], true))), Step::GiveBack);
    let Step::Finish(Err(failure)) = next(&late, &seen(unknown(), false, entry(&["slipway"], false))) else { panic!("it has to fail") };
    assert_eq!(failure.code, "cluster_denied");
}

#[test]
fn a_setup_whose_admin_lost_the_role_gives_back_and_stops() {
    let lost = Desired { setup: Some(Setup { allowed: false, applied: false, refused: None, age: Duration::ZERO }), read_only: false };
    assert_eq!(next(&lost, &seen(unknown(), true, entry(&["slipway"], true))), Step::GiveBack);
    let Step::Finish(Err(failure)) = next(&lost, &seen(unknown(), false, entry(&["slipway"], false))) else { panic!("it has to fail") };
    assert_eq!(failure.code, "not_allowed_any_more");
}

#[test]
fn on_a_read_only_cluster_a_setup_stands_before_its_next_write() {
    let standing = |applied| Desired { read_only: true, ..running(applied) };
    let writes = [
        (Step::CreateEntry, seen(unknown(), false, EntrySeen::Missing)),
        (Step::AddGroup(vec!["ops".into(), "slipway".into()]), seen(unknown(), false, entry(&["ops"], false))),
        (Step::Borrow, seen(reached(false), false, entry(&["slipway"], false))),
        (Step::ApplyManifest, seen(reached(true), false, entry(&["slipway"], true))),
    ];
    for (step, observed) in writes {
        assert_eq!(next(&standing(false), &observed), Step::Stand(Box::new(step)));
    }
    let borrowed = seen(reached(true), true, entry(&["slipway"], true));
    assert_eq!(next(&standing(false), &borrowed), Step::GiveBack, "nobody is an admin while an admin thinks it over");
    assert_eq!(next(&standing(true), &borrowed), Step::GiveBack);
    assert_eq!(next(&standing(true), &seen(reached(true), false, entry(&["slipway"], false))), Step::Finish(Ok(())), "nothing is left to be written");
}

#[test]
fn a_manifest_that_is_refused_gives_back_and_says_why() {
    let refused =
        Desired { setup: Some(Setup { allowed: true, applied: false, refused: Some("Others manage some of these fields.".into()), age: Duration::ZERO }), read_only: false };
    assert_eq!(next(&refused, &seen(reached(true), true, entry(&["slipway"], true))), Step::GiveBack);
    let Step::Finish(Err(failure)) = next(&refused, &seen(reached(false), false, entry(&["slipway"], false))) else { panic!("it has to fail") };
    assert_eq!(failure.cause, "Others manage some of these fields.");
}

#[test]
fn a_mode_without_access_entries_cannot_be_set_up() {
    let observed = Observed { eks: described("CONFIG_MAP"), ..seen(unknown(), false, EntrySeen::NotAsked) };
    let Step::Finish(Err(failure)) = next(&running(false), &observed) else { panic!("it has to fail") };
    assert_eq!(failure.code, "no_access_entries");
}

#[test]
fn states_speak_plainly() {
    let of = |eks: Eks, probe: Probe| state(&Observed { eks, probe, borrowed: false, entry: EntrySeen::NotAsked });
    assert_eq!(of(described("API"), reached(true)), (ClusterState::Connected, None, None));
    assert_eq!(of(described("API"), reached(false)).1.as_deref(), Some("Slipway may not manage namespaces."));
    assert_eq!(of(described("API"), unknown()).0, ClusterState::NeedsAccess);
    assert_eq!(of(described("API"), Probe::NoEndpoint).0, ClusterState::Connecting);
    let down = Probe::Unreachable { message: "The cluster's API server could not be reached.".into(), raw: "connection refused".into() };
    assert_eq!(of(described("API"), down).2.as_deref(), Some("connection refused"));
    assert_eq!(of(Eks::Absent, Probe::NoEndpoint).0, ClusterState::Gone);
    let silent = Eks::Silent { code: Code::AwsUnavailable, message: "AWS did not answer.".into(), raw: None };
    assert_eq!(of(silent, reached(true)), (ClusterState::Connected, Some("AWS did not answer.".into()), None));
}

#[test]
fn a_borrowed_policy_makes_no_connected_cluster() {
    assert_eq!(state(&seen(reached(true), true, entry(&["slipway"], true))).0, ClusterState::NeedsAccess);
}

fn any_probe() -> impl Strategy<Value = Probe> {
    prop_oneof![Just(Probe::NoEndpoint), Just(unknown()), any::<bool>().prop_map(reached), Just(Probe::Unreachable { message: "down".into(), raw: "refused".into() })]
}

fn any_entry() -> impl Strategy<Value = EntrySeen> {
    prop_oneof![Just(EntrySeen::NotAsked), Just(EntrySeen::Missing), (any::<bool>(), any::<bool>()).prop_map(|(ours, admin)| entry(if ours { &["slipway"] } else { &[] }, admin))]
}

proptest! {
    #[test]
    fn a_setup_never_ends_while_the_policy_is_borrowed(probe in any_probe(), entry in any_entry(), applied: bool, age in 0u64..600, config_map: bool) {
        let desired = Desired { setup: Some(Setup { allowed: true, applied, refused: None, age: Duration::from_secs(age) }), read_only: false };
        let eks = described(if config_map { "CONFIG_MAP" } else { "API" });
        let observed = Observed { eks, probe, borrowed: true, entry };
        let step = next(&desired, &observed);
        prop_assert!(!matches!(step, Step::Finish(_) | Step::Rest(_)), "{step:?}");
    }

    #[test]
    fn without_a_setup_what_was_borrowed_is_given_back_whatever_was_seen(probe in any_probe(), entry in any_entry()) {
        let observed = Observed { eks: described("API"), probe, borrowed: true, entry };
        prop_assert_eq!(next(&Desired { setup: None, read_only: false }, &observed), Step::GiveBack);
    }

    #[test]
    fn without_a_setup_nothing_is_ever_changed_in_aws(probe in any_probe(), entry in any_entry()) {
        let observed = Observed { eks: described("API"), probe, borrowed: false, entry };
        let step = next(&Desired { setup: None, read_only: false }, &observed);
        prop_assert!(matches!(step, Step::Rest(_)), "{step:?}");
    }
}
