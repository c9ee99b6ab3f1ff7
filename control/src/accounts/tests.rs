use domain::{
    Code,
    access::PlatformRole,
    account::{Account, AccountChange, NewAccount, NewPrefix, Verdict},
    ids::AccountId,
    page::PageQuery,
    team::NewTeam,
};
use sqlx::PgPool;

use crate::{Ctx, OrReplay as _, accounts, teams, testing::World};

const ROLE: &str = "arn:aws:iam::123456789012:role/slipway";

fn new(name: &str, role: Option<&str>) -> NewAccount {
    NewAccount { name: name.into(), role_arn: role.map(str::to_owned), regions: vec!["us-east-1".into(), " us-east-1 ".into(), "eu-west-1".into()] }
}

async fn admin(world: &World) -> Ctx {
    world.user("admin", Some(PlatformRole::Admin)).await
}

async fn team(admin: &Ctx, name: &str) {
    teams::create(admin, &NewTeam { name: name.into(), ..NewTeam::default() }).await.unwrap();
}

fn prefix(prefix: &str, team: &str) -> NewPrefix {
    NewPrefix { prefix: prefix.into(), team: team.into() }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_account_with_a_role_gets_an_external_id_of_its_own(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    let first = accounts::create(&admin, &new("main", Some(ROLE))).await.unwrap();
    let second = accounts::create(&admin, &new("other", None)).await.unwrap();
    assert_eq!((first.aws_account_id.as_str(), first.regions.as_slice()), ("123456789012", &["us-east-1".to_owned(), "eu-west-1".to_owned()][..]));
    assert!(first.external_id.len() >= 32 && first.external_id != second.external_id);
    assert_eq!((second.aws_account_id.as_str(), second.role_arn), ("", None));

    let taken = accounts::create(&admin, &new("main", None)).await.unwrap_err();
    assert!(taken.is(Code::AlreadyExists) && taken.rejected().unwrap().message_for("name").is_some());
    let wrong = NewAccount { name: "Main!".into(), role_arn: Some("arn:aws:iam::1:user/x".into()), regions: vec!["mars".into()] };
    let wrong = accounts::create(&admin, &wrong).await.unwrap_err();
    for field in ["name", "role_arn", "regions"] {
        assert!(wrong.rejected().unwrap().message_for(field).is_some(), "{field}");
    }
    let nowhere = accounts::create(&admin, &NewAccount { regions: vec![" ".into()], ..new("nowhere", None) }).await.unwrap_err();
    assert!(nowhere.rejected().unwrap().message_for("regions").is_some());
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn only_the_platform_sees_accounts_and_only_admins_change_them(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    let account = accounts::create(&admin, &new("main", None)).await.unwrap();
    let auditor = world.user("auditor", Some(PlatformRole::Auditor)).await;
    assert_eq!(accounts::get(&auditor, account.id).await.unwrap(), account);
    assert!(accounts::update(&auditor, account.id, &AccountChange::default()).await.unwrap_err().is(Code::Forbidden));
    assert!(accounts::check(&auditor, account.id).await.unwrap_err().is(Code::Forbidden));
    let stranger = world.user("stranger", None).await;
    for error in [
        accounts::get(&stranger, account.id).await.unwrap_err(),
        accounts::list(&stranger, &PageQuery::default()).await.unwrap_err(),
        accounts::check(&stranger, account.id).await.unwrap_err(),
        accounts::add_prefix(&stranger, account.id, &prefix("a/", "b")).await.unwrap_err(),
        accounts::delete(&stranger, account.id).await.unwrap_err(),
    ] {
        assert!(error.is(Code::NotFound), "{error}");
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_role_of_another_aws_account_is_another_account(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let admin = admin(&world).await;
    let account = accounts::create(&admin, &new("main", Some(ROLE))).await.unwrap();
    sqlx::query("update accounts set checks = '[{\"action\": \"a\", \"purpose\": \"b\", \"verdict\": \"allowed\", \"detail\": null}]', checked_at = now()")
        .execute(&pool)
        .await
        .unwrap();
    let change = |role: &str| AccountChange { role_arn: Some(role.into()), regions: None };
    let refused = accounts::update(&admin, account.id, &change("arn:aws:iam::210987654321:role/slipway")).await.unwrap_err();
    assert!(refused.rejected().unwrap().message_for("role_arn").unwrap().contains("210987654321"));

    let changed = accounts::update(&admin.seeing(account.version), account.id, &change("arn:aws:iam::123456789012:role/path/slipway")).await.unwrap();
    assert!(changed.checks.is_empty() && changed.checked_at.is_none(), "what the old role may do says nothing about the new one");
    assert_eq!(changed.external_id, account.external_id);
    assert!(accounts::update(&admin.seeing(account.version), account.id, &change(ROLE)).await.unwrap_err().is(Code::PreconditionFailed));
    let ambient = accounts::update(&admin, account.id, &change("")).await.unwrap();
    assert_eq!((ambient.role_arn, ambient.aws_account_id.as_str()), (None, "123456789012"));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn prefixes_of_different_teams_never_overlap(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    team(&admin, "forecasting").await;
    team(&admin, "growth").await;
    let main = accounts::create(&admin, &new("main", Some(ROLE))).await.unwrap();
    let twin = accounts::create(&admin, &new("twin", Some("arn:aws:iam::123456789012:role/other"))).await.unwrap();
    let elsewhere = accounts::create(&admin, &new("elsewhere", Some("arn:aws:iam::210987654321:role/slipway"))).await.unwrap();
    let add = async |account: &Account, name: &str, team: &str| accounts::add_prefix(&admin, account.id, &prefix(name, team)).await;

    let given = add(&main, "forecasting", "forecasting").await.unwrap();
    assert_eq!(given.prefixes.iter().map(|granted| (granted.prefix.as_str(), granted.team_name.as_str())).collect::<Vec<_>>(), [("forecasting/", "forecasting")]);
    assert!(given.version > main.version);
    for (account, taken) in [(&main, "forecasting/"), (&main, "forecasting/iris/"), (&twin, "forecasting/"), (&twin, "forecasting/deep/")] {
        let refused = add(account, taken, "growth").await.unwrap_err();
        assert!(refused.is(Code::AlreadyExists) && refused.rejected().unwrap().message_for("prefix").unwrap().contains("forecasting"), "{taken}");
    }
    add(&main, "growth/deep/", "growth").await.unwrap();
    assert!(add(&main, "growth/", "forecasting").await.unwrap_err().is(Code::AlreadyExists), "it would hold the other's");
    add(&main, "forecasting-too/", "growth").await.unwrap();
    add(&main, "forecasting/iris/", "forecasting").await.unwrap();
    add(&elsewhere, "forecasting/", "growth").await.unwrap();
    assert!(add(&main, "forecasting/", "forecasting").await.unwrap_err().is(Code::AlreadyExists));

    let left = accounts::remove_prefix(&admin, main.id, "forecasting").await.expect("written as it may be given");
    assert!(left.prefixes.iter().all(|granted| granted.prefix != "forecasting/"));
    assert!(accounts::remove_prefix(&admin, main.id, "forecasting/").await.unwrap_err().is(Code::NotFound));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn of_two_grants_at_once_that_overlap_one_is_made(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    team(&admin, "forecasting").await;
    team(&admin, "growth").await;
    let main = accounts::create(&admin, &new("main", Some(ROLE))).await.unwrap();
    let twin = accounts::create(&admin, &new("twin", Some("arn:aws:iam::123456789012:role/other"))).await.unwrap();
    for round in 0..10 {
        let (wide, narrow) = (prefix(&format!("r{round}/"), "forecasting"), prefix(&format!("r{round}/deep/"), "growth"));
        let (first, second) = tokio::join!(accounts::add_prefix(&admin, main.id, &wide), accounts::add_prefix(&admin, twin.id, &narrow));
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    }
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn a_prefix_needs_a_team_and_a_known_aws_account(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    let unknown = accounts::create(&admin, &new("main", None)).await.unwrap();
    let wrong = accounts::add_prefix(&admin, unknown.id, &prefix("../etc", "")).await.unwrap_err();
    assert!(wrong.rejected().unwrap().message_for("prefix").is_some() && wrong.rejected().unwrap().message_for("team").is_some());
    let wrong = accounts::add_prefix(&admin, unknown.id, &prefix("forecasting/", "forecasting")).await.unwrap_err();
    assert!(wrong.rejected().unwrap().message_for("team").is_some());
    team(&admin, "forecasting").await;
    let early = accounts::add_prefix(&admin, unknown.id, &prefix("forecasting/", "forecasting")).await.unwrap_err();
    assert!(early.is(Code::Conflict) && early.rejected().unwrap().message.contains("Check the account first"));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn an_account_in_use_stays(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    team(&admin, "forecasting").await;
    let account = accounts::create(&admin, &new("main", Some(ROLE))).await.unwrap();
    accounts::add_prefix(&admin, account.id, &prefix("forecasting/", "forecasting")).await.unwrap();
    let refused = accounts::delete(&admin, account.id).await.unwrap_err();
    assert_eq!(refused.rejected().unwrap().blockers[0].name, "forecasting/");
    accounts::remove_prefix(&admin, account.id, "forecasting/").await.unwrap();
    accounts::delete(&admin, account.id).await.unwrap();
    assert!(accounts::get(&admin, account.id).await.unwrap_err().is(Code::NotFound));
    assert!(accounts::delete(&admin, AccountId::generate()).await.unwrap_err().is(Code::NotFound));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn not_getting_in_is_a_result_that_is_kept(pool: PgPool) {
    let world = World::new(pool.clone()).await;
    let admin = admin(&world).await.once("check-1");
    let account = accounts::create(&world.user("maker", Some(PlatformRole::Admin)).await, &new("main", None)).await.unwrap();
    let checked = accounts::check(&admin, account.id).await.or_replay().unwrap();
    assert!(checked.check_error.as_deref().unwrap().contains("AWS could not be reached"), "{:?}", checked.check_error);
    assert!(checked.check_error_raw.is_some() && checked.checked_at.is_some() && checked.checks.is_empty());
    assert_eq!(accounts::check(&admin, account.id).await.or_replay().unwrap(), checked);
    let recorded: Vec<(String, String)> = sqlx::query_as("select action, outcome::text from audit_events where action = 'account.check'").fetch_all(&pool).await.unwrap();
    assert_eq!(recorded, [("account.check".to_owned(), "failed".to_owned())]);
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn the_policy_names_what_is_needed_and_nothing_else(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    let account = accounts::create(&admin, &new("main", Some(ROLE))).await.unwrap();
    let policy = accounts::policy(&admin, account.id).await.unwrap();
    assert!(policy.principal.is_none() && policy.trust.is_none() && policy.principal_error.is_some(), "AWS is out of reach here");
    let text = policy.permissions.to_string();
    for action in ["eks:ListClusters", "eks:AssociateAccessPolicy", "ecr:DescribeImages", "iam:SimulatePrincipalPolicy"] {
        assert!(text.contains(action), "{action}");
    }
    assert!(text.contains("arn:aws:eks:*:123456789012:cluster/*") && text.contains(ROLE) && !text.contains(":*\""), "{text}");
    let mapping = policy.permissions["Statement"].as_array().unwrap().iter().filter(|statement| statement["Action"].to_string().contains("AccessPolicy\"")).collect::<Vec<_>>();
    assert!(!mapping.is_empty() && mapping.iter().all(|statement| statement["Condition"].to_string().contains(ROLE)), "it could make anybody a cluster's admin: {mapping:?}");
    assert!(policy.assume.unwrap().to_string().contains("sts:SetSourceIdentity"));
}

#[sqlx::test(migrator = "crate::db::MIGRATOR")]
async fn accounts_are_found_by_name_number_and_role(pool: PgPool) {
    let world = World::new(pool).await;
    let admin = admin(&world).await;
    accounts::create(&admin, &new("main", Some(ROLE))).await.unwrap();
    accounts::create(&admin, &new("other", None)).await.unwrap();
    for (text, names) in [("MAI", vec!["main"]), ("1234567", vec!["main"]), ("role/slip", vec!["main"]), ("%", vec![]), ("", vec!["main", "other"])] {
        let found = accounts::list(&admin, &PageQuery { search: Some(text.into()), ..PageQuery::default() }).await.unwrap();
        assert_eq!(found.items.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), names, "{text}");
    }
    let first = accounts::list(&admin, &PageQuery { page_size: Some(1), ..PageQuery::default() }).await.unwrap();
    let second = accounts::list(&admin, &PageQuery { page_size: Some(1), page_token: first.next_page_token, ..PageQuery::default() }).await.unwrap();
    assert_eq!((second.items[0].name.as_str(), second.next_page_token), ("other", None));
    assert!(second.items[0].checks.iter().all(|check| check.verdict == Verdict::Allowed));
}
