//! The check of an account, and the policies to copy.

use control::{Ctx, accounts};
use domain::{
    account::{Account, AccountCheck, NewAccount, Verdict},
    page::PageQuery,
};
use sqlx::PgPool;

use crate::emulator::{ACCOUNT, Checking, Emulator, admin, allow, trust};

/// The emulator wants it allowed; AWS always does.
const WHO: &str = "sts:GetCallerIdentity";
/// The emulator asks whether it is allowed on everything; AWS, on the principal it is about.
const SIMULATE: &str = "iam:SimulatePrincipalPolicy";

async fn account(ctx: &Ctx, role: Option<&str>) -> Account {
    let role_arn = role.map(|role| format!("arn:aws:iam::{ACCOUNT}:role/{role}"));
    accounts::create(ctx, &NewAccount { name: "main".into(), role_arn, regions: vec!["us-east-1".into(), "eu-west-1".into()] }).await.unwrap()
}

fn verdict<'a>(account: &'a Account, action: &str) -> &'a AccountCheck {
    account.checks.iter().find(|check| check.action == action).unwrap_or_else(|| panic!("{action} is not among {:?}", account.checks))
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn writes_are_what_the_simulator_says(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let user = emulator.user("portal", &allow(&[WHO, SIMULATE, "eks:ListClusters", "eks:CreateAccessEntry", "ecr:Describe*"], "*")).await;
    let admin = admin(&emulator.world(pool, &user).await).await;
    let made = account(&admin, None).await;
    let checked = accounts::check(&admin, made.id).await.unwrap();
    assert_eq!(checked.check_error, None, "{:?}", checked.check_error_raw);
    assert_eq!((checked.aws_account_id.as_str(), checked.version > made.version), (ACCOUNT, true));
    for action in ["eks:ListClusters", "eks:CreateAccessEntry", "ecr:DescribeRepositories", "ecr:DescribeImages", SIMULATE] {
        assert_eq!(verdict(&checked, action).verdict, Verdict::Allowed, "{:?}", verdict(&checked, action));
    }
    for action in ["eks:DescribeCluster", "eks:AssociateAccessPolicy", "eks:DisassociateAccessPolicy", "eks:UpdateAccessEntry"] {
        let check = verdict(&checked, action);
        assert_eq!(check.verdict, Verdict::Denied, "{check:?}");
        assert!(check.detail.as_deref().unwrap().contains("No policy allows it"), "{check:?}");
    }
    assert!(checked.checks.iter().all(|check| check.action != "sts:SetSourceIdentity"), "no role is assumed, so no session is named");
    assert_eq!(accounts::list(&admin, &PageQuery::default()).await.unwrap().items, [checked]);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_the_simulator_may_not_be_asked_is_unknown_and_not_allowed(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let user = emulator.user("portal", &allow(&[WHO], "*")).await;
    let admin = admin(&emulator.world(pool, &user).await).await;
    let checked = accounts::check(&admin, account(&admin, None).await.id).await.unwrap();
    assert_eq!(verdict(&checked, SIMULATE).verdict, Verdict::Denied);
    let write = verdict(&checked, "eks:CreateAccessEntry");
    assert_eq!(write.verdict, Verdict::Unknown, "{write:?}");
    assert!(write.detail.as_deref().unwrap().contains("AccessDenied"), "{write:?}");
    // Reads are made for real, and this emulator refuses nobody an eks call.
    assert_eq!(verdict(&checked, "eks:ListClusters").verdict, Verdict::Allowed);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_policies_to_copy_are_enough(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let user = emulator.user("portal", &allow(&[WHO], "*")).await;
    let admin = admin(&emulator.world(pool.clone(), &user).await).await;
    let made = account(&admin, Some("slipway")).await;
    let policy = accounts::policy(&admin, made.id).await.unwrap();
    assert_eq!(policy.principal.as_deref(), Some(user.arn.as_str()));
    emulator.allow_user(&user, "assume", &policy.assume.unwrap().to_string()).await;
    let refused = accounts::check(&admin, made.id).await.unwrap();
    assert!(refused.check_error.as_deref().unwrap().contains("did not let Slipway assume"), "there is no such role yet: {:?}", refused.check_error);

    let mut permissions = policy.permissions.clone();
    permissions["Statement"].as_array_mut().unwrap().push(serde_json::json!({ "Effect": "Allow", "Action": [WHO, SIMULATE], "Resource": "*" }));
    emulator.role("slipway", &policy.trust.unwrap().to_string(), &permissions.to_string()).await;
    assert!(permissions.to_string().contains(&format!("arn:aws:iam::{ACCOUNT}:role/slipway")));
    let checked = accounts::check(&admin, made.id).await.unwrap();
    assert_eq!(checked.check_error, None, "{:?}", checked.check_error_raw);
    let wrong: Vec<_> = checked.checks.iter().filter(|check| check.verdict != Verdict::Allowed).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(verdict(&checked, "sts:SetSourceIdentity").verdict, Verdict::Allowed);
    let recorded: Vec<String> = sqlx::query_scalar("select outcome::text from audit_events where action = 'account.check' order by at, id").fetch_all(&pool).await.unwrap();
    assert_eq!(recorded, ["failed", "done"]);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_role_that_trusts_somebody_else_is_a_result_with_awss_words(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let user = emulator.user("portal", &allow(&["sts:*"], "*")).await;
    emulator.role("slipway", &trust(&user.arn, "somebody-elses-external-id"), &allow(&["*"], "*")).await;
    let admin = admin(&emulator.world(pool, &user).await).await;
    let checked = accounts::check(&admin, account(&admin, Some("slipway")).await.id).await.unwrap();
    assert!(checked.check_error.as_deref().unwrap().contains("external id"), "{:?}", checked.check_error);
    assert!(checked.check_error_raw.as_deref().unwrap().contains("AccessDenied") && checked.checks.is_empty());
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_root_user_is_allowed_everything_and_told_to_stop(pool: PgPool) {
    let emulator = Emulator::start(Checking::Everything).await;
    let admin = admin(&emulator.world_of_root(pool.clone()).await).await;
    let made = account(&admin, None).await;
    let checked = accounts::check(&admin, made.id).await.unwrap();
    let write = verdict(&checked, "eks:CreateAccessEntry");
    assert_eq!(write.verdict, Verdict::Allowed);
    assert!(write.detail.as_deref().unwrap().contains("root user"), "{write:?}");

    sqlx::query("update accounts set aws_account_id = '999999999999'").execute(&pool).await.unwrap();
    let moved = accounts::check(&admin, made.id).await.unwrap();
    assert!(moved.check_error.as_deref().unwrap().contains("999999999999"), "{:?}", moved.check_error);
    assert_eq!(moved.aws_account_id, "999999999999", "what it was taken for stays");
}
