//! The next step of a workspace, as a function of what is wanted and what is seen. It does nothing by itself.

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    pub intent: Intent,
    /// Whether an operation carries the wanted generation.
    pub operation: Carried,
    /// Whether everything of the wanted generation was applied.
    pub applied: Applied,
    pub adoption: Adoption,
    pub cluster: Cluster,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    Keep,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    ByAnOperation,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Wholly,
    /// And none or some of it.
    Not,
}

/// Whether a namespace that was there before may be, or was, taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    Refused,
    Allowed,
    Done,
}

/// How the cluster stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cluster {
    Connected,
    /// It may be looked at, and nothing more: why.
    ReadOnly(String),
    /// Not just now: why.
    Away(String),
    Gone,
}

/// What is seen of the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Not looked at, since the cluster is away.
    Unseen,
    Absent,
    Ours,
    /// Ours, on its way out.
    Going,
    /// Nobody's of Slipway: a person or another tool made it.
    Theirs,
    /// Another workspace's, or another installation's.
    Taken,
    /// Ours, of a generation that this database never gave out.
    Ahead(i64),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is as it should be, as far as the namespace shows. Look whether everything in it is there.
    Verify,
    /// Nothing, and how it stands is left as it was found last.
    Leave,
    Wait(String),
    /// Write everything.
    Make,
    /// Take the namespace over first, then write everything.
    Adopt,
    /// There is a namespace of this name, and nobody allowed to take it over.
    RefuseTheirs,
    RefuseTaken,
    Older {
        there: i64,
    },
    GiveUp,
    /// Take away what is ours, the namespace included.
    Remove,
    /// Take away what is ours, and leave the namespace.
    Release,
    /// The namespace is on its way out.
    AwaitGone,
    /// Nothing is left: forget it.
    Forget,
}

/// Decides.
#[must_use]
pub fn next(desired: &Desired, seen: Namespace) -> Step {
    let carried = desired.operation == Carried::ByAnOperation;
    match (&desired.cluster, desired.intent) {
        (Cluster::Gone, Intent::Delete) => return if carried { Step::Forget } else { Step::Leave },
        (Cluster::Gone, Intent::Keep) => return if carried { Step::GiveUp } else { Step::Leave },
        (Cluster::Away(why), _) => return if carried { Step::Wait(why.clone()) } else { Step::Leave },
        (Cluster::Connected | Cluster::ReadOnly(_), _) => {}
    }
    if let Namespace::Ahead(there) = seen {
        return Step::Older { there };
    }
    if let Cluster::ReadOnly(why) = &desired.cluster {
        return if carried { Step::Wait(why.clone()) } else { Step::Leave };
    }
    match desired.intent {
        // Nothing goes without somebody behind it who may still delete it.
        Intent::Delete => {
            if carried {
                delete(desired, seen)
            } else {
                Step::Leave
            }
        }
        Intent::Keep => keep(desired, seen, carried),
    }
}

fn keep(desired: &Desired, seen: Namespace, carried: bool) -> Step {
    match seen {
        Namespace::Unseen | Namespace::Ahead(_) => Step::Leave,
        Namespace::Taken if carried => Step::RefuseTaken,
        Namespace::Theirs if carried && desired.adoption != Adoption::Refused => Step::Adopt,
        Namespace::Theirs if carried => Step::RefuseTheirs,
        Namespace::Taken | Namespace::Theirs => Step::Leave,
        Namespace::Going => Step::Wait("A namespace of this name is just being deleted.".into()),
        Namespace::Ours if desired.applied == Applied::Wholly => Step::Verify,
        // Written wholly before, and missing now: it is made again, empty.
        Namespace::Absent if desired.applied == Applied::Wholly => Step::Make,
        Namespace::Absent | Namespace::Ours => {
            if carried {
                Step::Make
            } else {
                Step::Leave
            }
        }
    }
}

fn delete(desired: &Desired, seen: Namespace) -> Step {
    match (seen, desired.adoption) {
        (Namespace::Unseen, _) => Step::Wait("The cluster was not looked at.".into()),
        (Namespace::Absent, _) => Step::Forget,
        (Namespace::Going, _) => Step::AwaitGone,
        (Namespace::Ours, Adoption::Done) => Step::Release,
        (Namespace::Ours, Adoption::Allowed | Adoption::Refused) => Step::Remove,
        // It was never ours, or is not any more: only what is in the inventory goes.
        (Namespace::Theirs | Namespace::Taken | Namespace::Ahead(_), _) => Step::Release,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn desired() -> Desired {
        Desired { intent: Intent::Keep, operation: Carried::ByAnOperation, applied: Applied::Not, adoption: Adoption::Refused, cluster: Cluster::Connected }
    }

    #[test]
    fn a_new_namespace_is_made_and_then_kept() {
        assert_eq!(next(&desired(), Namespace::Absent), Step::Make);
        assert_eq!(next(&desired(), Namespace::Ours), Step::Make, "after a crash in the middle");
        assert_eq!(next(&Desired { applied: Applied::Wholly, ..desired() }, Namespace::Ours), Step::Verify);
        assert_eq!(next(&Desired { applied: Applied::Wholly, operation: Carried::No, ..desired() }, Namespace::Absent), Step::Make, "healed");
    }

    #[test]
    fn somebody_elses_namespace_is_taken_over_only_when_an_admin_said_so() {
        assert_eq!(next(&desired(), Namespace::Theirs), Step::RefuseTheirs);
        assert_eq!(next(&Desired { adoption: Adoption::Allowed, ..desired() }, Namespace::Theirs), Step::Adopt);
        for adoption in [Adoption::Refused, Adoption::Allowed, Adoption::Done] {
            assert_eq!(next(&Desired { adoption, ..desired() }, Namespace::Taken), Step::RefuseTaken);
        }
    }

    #[test]
    fn an_adopted_namespace_stays() {
        let delete = |adoption| Desired { intent: Intent::Delete, adoption, ..desired() };
        assert_eq!(next(&delete(Adoption::Done), Namespace::Ours), Step::Release);
        assert_eq!(next(&delete(Adoption::Refused), Namespace::Ours), Step::Remove);
        assert_eq!(next(&delete(Adoption::Allowed), Namespace::Ours), Step::Remove, "allowed, but it was not there");
        assert_eq!(next(&delete(Adoption::Refused), Namespace::Absent), Step::Forget);
        assert_eq!(next(&delete(Adoption::Refused), Namespace::Going), Step::AwaitGone);
    }

    #[test]
    fn an_absent_cluster_stops_nothing_for_ever() {
        let away = Desired { cluster: Cluster::Away("later".into()), ..desired() };
        assert_eq!(next(&away, Namespace::Unseen), Step::Wait("later".into()));
        assert_eq!(next(&Desired { operation: Carried::No, ..away }, Namespace::Unseen), Step::Leave);
        assert_eq!(next(&Desired { cluster: Cluster::Gone, ..desired() }, Namespace::Unseen), Step::GiveUp);
        assert_eq!(next(&Desired { cluster: Cluster::Gone, intent: Intent::Delete, ..desired() }, Namespace::Unseen), Step::Forget);
    }

    #[test]
    fn a_deletion_that_was_stopped_does_not_go_on_by_itself() {
        for (cluster, seen) in
            [(Cluster::Connected, Namespace::Ours), (Cluster::Connected, Namespace::Going), (Cluster::Connected, Namespace::Absent), (Cluster::Gone, Namespace::Unseen)]
        {
            for adoption in [Adoption::Refused, Adoption::Done] {
                let stopped = Desired { intent: Intent::Delete, operation: Carried::No, adoption, cluster: cluster.clone(), ..desired() };
                assert_eq!(next(&stopped, seen), Step::Leave, "{seen:?}");
            }
        }
    }

    prop_compose! {
        fn anything()(delete: bool, carried: bool, wholly: bool, adoption in prop_oneof![Just(Adoption::Refused), Just(Adoption::Allowed), Just(Adoption::Done)],
            cluster in prop_oneof![Just(Cluster::Connected), Just(Cluster::Gone), Just(Cluster::Away("why".into())), Just(Cluster::ReadOnly("why".into()))],
            seen in prop_oneof![Just(Namespace::Unseen), Just(Namespace::Absent), Just(Namespace::Ours), Just(Namespace::Going), Just(Namespace::Theirs), Just(Namespace::Taken), Just(Namespace::Ahead(9))],
        ) -> (Desired, Namespace) {
            let desired = Desired {
                intent: if delete { Intent::Delete } else { Intent::Keep },
                operation: if carried { Carried::ByAnOperation } else { Carried::No },
                applied: if wholly { Applied::Wholly } else { Applied::Not },
                adoption,
                cluster,
            };
            (desired, seen)
        }
    }

    proptest! {
        #[test]
        fn a_namespace_goes_only_if_slipway_made_it((desired, seen) in anything()) {
            match next(&desired, seen) {
                Step::Remove => {
                    prop_assert!(seen == Namespace::Ours && desired.adoption != Adoption::Done && desired.intent == Intent::Delete && desired.operation == Carried::ByAnOperation);
                }
                Step::Release | Step::Forget => prop_assert!(desired.intent == Intent::Delete && desired.operation == Carried::ByAnOperation),
                Step::Make => prop_assert!(matches!(seen, Namespace::Absent | Namespace::Ours) && desired.intent == Intent::Keep),
                Step::Adopt => prop_assert!(seen == Namespace::Theirs && desired.adoption != Adoption::Refused && desired.operation == Carried::ByAnOperation),
                _ => {}
            }
            if let Cluster::ReadOnly(_) = desired.cluster {
                prop_assert!(matches!(next(&desired, seen), Step::Leave | Step::Wait(_) | Step::Older { .. }), "nothing is written to a read-only cluster");
            }
            if matches!(seen, Namespace::Ahead(_)) && matches!(desired.cluster, Cluster::Connected | Cluster::ReadOnly(_)) {
                prop_assert_eq!(next(&desired, seen), Step::Older { there: 9 });
            }
        }
    }
}
