//! The forms that deploy and change, before their button is pressed.

use control::deployments;
use sqlx::PgPool;

use crate::place::Place;

/// A page that says what to mend, and nothing of what would be made or of what is fine.
#[track_caller]
fn unplanned(page: &str, mend: &[&str]) {
    let main = &page[page.find("<main").unwrap()..];
    for text in mend {
        assert!(main.contains(text), "{text} is not in {main}");
    }
    for text in ["See manifests", "Makes", "dot good", "status good", "Fits now"] {
        assert!(!main.contains(text), "{text} is in {main}");
    }
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_wrong_field_is_named_and_nothing_is_planned(pool: PgPool) {
    let place = Place::new(pool).await;
    let check = async |name, replicas, environment| {
        let fields = [
            ("do", "check"),
            ("release", "00000000-0000-0000-0000-000000000061"),
            ("workspace", "00000000-0000-0000-0000-000000000040"),
            ("name", name),
            ("size", "small"),
            ("replicas", replicas),
            ("environment", environment),
        ];
        place.world.post(&place.deployer.browser, "/deployments/new", &fields).await.expect(200).body
    };
    assert!(check("iris", "2", "").await.contains("See manifests"), "what can be made is planned");
    for replicas in ["abc", "99", "0", "1.5", ""] {
        unplanned(&check("iris", replicas, "").await, &["The number of replicas needs a change", "Enter a whole number from 1 to 50.", "1 to fix"]);
    }
    let both = check("My Iris", "2", "no variable").await;
    unplanned(&both, &["The name needs a change", "A variable needs a change", "2 to fix"]);
    place.deployed(1).await;
    let main = check("iris", "2", "").await;
    assert!(main.contains("The name is taken") && !main.contains("See manifests"), "{main}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_fresh_form_suggests_a_free_name_and_tells_releases_apart(pool: PgPool) {
    let place = Place::new(pool).await;
    let fresh = async || place.world.get(&place.deployer.browser, "/deployments/new").await.expect(200).body;
    assert!(fresh().await.contains("name=\"name\" type=\"text\" value=\"iris\""));
    place.deployed(1).await;
    let second = fresh().await;
    assert!(second.contains("name=\"name\" type=\"text\" value=\"iris-2\"") && !second.contains("The name is taken"), "{second}");
    assert!(second.contains("Deployment iris-2"), "the plan has the same name: {second}");
    for (number, digest) in [(1, "11111111"), (2, "22222222")] {
        assert!(second.contains(&format!("iris {number} · tag v{number} · {digest} · ")), "{second}");
    }
    assert!(second.contains(" by Ada</option>") && second.contains("forecasting/iris:v2, pinned to sha256:222222222222…"), "{second}");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_suggested_name_follows_the_release_until_it_is_edited(pool: PgPool) {
    let place = Place::new(pool).await;
    let churn = "00000000-0000-0000-0000-000000000063";
    let sql = format!(
        "insert into models (id, team_id, name) select '00000000-0000-0000-0000-000000000051', team_id, 'churn' from models;
         insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, created_by_name)
         select '{churn}', '00000000-0000-0000-0000-000000000051', number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, created_by_name
         from releases where number = 1"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&place.world.inner.control.pool).await.unwrap();
    let (iris, workspace) = ("00000000-0000-0000-0000-000000000061", "00000000-0000-0000-0000-000000000040");
    let (iris_here, churn_here) = (format!("{iris} {workspace}"), format!("{churn} {workspace}"));
    let post = async |button: &str, release: &str, name: &str, suggested: &[(&str, &str)]| {
        let fields = [("do", button), ("release", release), ("workspace", workspace), ("name", name), ("size", "small"), ("replicas", "1")];
        place.world.post(&place.deployer.browser, "/deployments/new", &[&fields, suggested].concat()).await
    };
    let named = |page: &str, name: &str| page.contains(&format!("name=\"name\" type=\"text\" value=\"{name}\""));
    let fresh = place.world.get(&place.deployer.browser, &format!("/deployments/new?release={iris}")).await.expect(200).body;
    assert!(named(&fresh, "iris"), "{fresh}");
    let untouched = [("suggested", "iris"), ("suggested_for", iris_here.as_str())];
    for (name, value) in untouched {
        assert!(fresh.contains(&format!("type=\"hidden\" name=\"{name}\" value=\"{value}\"")), "{name} is not sent along in {fresh}");
    }

    let other = post("check", churn, "iris", &untouched).await.expect(200).body;
    assert!(named(&other, "churn") && other.contains("Deployment churn") && other.contains(&churn_here), "{other}");
    let edited = post("check", churn, "iris-main", &untouched).await.expect(200).body;
    assert!(named(&edited, "iris-main") && edited.contains("value=\"iris\" disabled"), "what was edited is theirs, for good: {edited}");
    let emptied = post("check", churn, "", &untouched).await.expect(200).body;
    assert!(named(&emptied, ""), "{emptied}");
    assert!(named(&post("check", churn, "iris", &[]).await.expect(200).body, "iris"), "a name that nobody suggested was typed");

    // Pressed at once, without a check between.
    post("deploy", churn, "iris", &untouched).await.expect(303);
    let listed = place.world.get(&place.deployer.browser, "/api/v1/deployments").await.expect(200).json();
    assert_eq!(listed["items"][0]["name"], "churn");
    // What is taken meanwhile is not deployed under another name than the one that stands there.
    let taken = post("deploy", churn, "churn", &[("suggested", "churn"), ("suggested_for", &churn_here)]).await.expect(409).body;
    assert!(named(&taken, "churn"), "{taken}");
}

/// The tag of the radio button for a size.
#[track_caller]
fn radio<'a>(page: &'a str, size: &str) -> &'a str {
    let at = page.find(&format!("value=\"{size}\"")).unwrap_or_else(|| panic!("no size {size} in {page}"));
    let start = page[..at].rfind('<').unwrap();
    &page[start..start + page[start..].find('>').unwrap()]
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_size_over_the_quota_cannot_be_chosen_and_says_why(pool: PgPool) {
    let place = Place::new(pool).await;
    let fields = |size: &'static str, replicas: &'static str, button: &'static str| {
        [
            ("do", button),
            ("release", "00000000-0000-0000-0000-000000000061"),
            ("workspace", "00000000-0000-0000-0000-000000000040"),
            ("name", "iris"),
            ("size", size),
            ("replicas", replicas),
        ]
    };
    let page = place.world.get(&place.deployer.browser, "/deployments/new").await.expect(200).body;
    assert!(!radio(&page, "medium").contains("disabled") && !radio(&page, "large").contains("disabled"), "{page}");
    assert!(radio(&page, "gpu").contains("disabled") && page.contains("It needs 1 GPU; 0 of 0 GPUs are free in this workspace."), "{page}");
    let checked = place.world.post(&place.deployer.browser, "/deployments/new", &fields("medium", "3", "check")).await.expect(200).body;
    assert!(radio(&checked, "medium").contains("disabled") && checked.contains("It needs 6 CPU; 4 of 4 CPU are free in this workspace."), "{checked}");
    assert!(checked.contains("type=\"hidden\" name=\"size\" value=\"medium\""), "what was chosen is kept: {checked}");
    let posted = place.world.post(&place.deployer.browser, "/deployments/new", &fields("medium", "3", "deploy")).await.expect(422).body;
    assert!(posted.contains("id=\"size-why\" class=\"why\">This does not fit into forecasting. It needs 6 CPU; 4 of 4 CPU are free in this workspace."), "{posted}");
    place.world.post(&place.deployer.browser, "/deployments/new", &fields("medium", "2", "deploy")).await.expect(303);
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn the_change_form_shows_what_will_change_before_it_does(pool: PgPool) {
    let place = Place::new(pool).await;
    let id = place.deployed(1).await;
    let path = format!("/deployments/{id}/change");
    let before = place.world.get(&place.deployer.browser, &path).await.expect(200).body;
    assert!(before.contains("Nothing yet: change something first.") && before.contains("Nothing to roll out") && before.contains("See manifests"), "{before}");
    let fields = [("do", "check"), ("release", "00000000-0000-0000-0000-000000000062"), ("size", "small"), ("replicas", "2"), ("environment", "LEVEL=debug")];
    let checked = place.world.post(&place.deployer.browser, &path, &fields).await.expect(200).body;
    for text in [
        "<del class=\"lines\">iris 1</del>",
        "<ins class=\"lines\">iris 2</ins>",
        "<ins class=\"lines\">LEVEL=debug</ins>",
        "It needs 1 CPU and 1 GiB; 4 of 4 CPU and 16 of 16 GiB are free in this workspace. What it has now counts as free.",
        "replicas: 2",
        "slipway.dev/revision: &#39;2&#39;",
    ] {
        assert!(checked.contains(text) || checked.replace("'", "&#39;").contains(text), "{text} is not in {checked}");
    }
    let wrong = place.world.post(&place.deployer.browser, &path, &[("do", "check"), ("size", "small"), ("replicas", "999"), ("environment", "LEVEL")]).await.expect(200).body;
    assert!(wrong.contains("Enter a whole number from 1 to 50.") && wrong.contains("2 to fix"), "{wrong}");
    unplanned(&wrong, &["The number of replicas needs a change", "A variable needs a change"]);
    assert_eq!(deployments::revisions(&place.deployer.ctx, id).await.unwrap().len(), 1, "checking changes nothing");
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_a_colleague_changed_meanwhile_gives_way_only_when_somebody_says_so(pool: PgPool) {
    let place = Place::new(pool).await;
    let id = place.deployed(1).await;
    let page = format!("/deployments/{id}/change");
    let version = |body: &str, name: &str| body.split(&format!("name=\"{name}\" value=\"")).nth(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let opened = version(&place.world.get(&place.deployer.browser, &page).await.expect(200).body, "_version").unwrap();
    let form = |environment: &'static str| [("do", "change"), ("size", "small"), ("replicas", "1"), ("environment", environment)];
    place.world.post(&place.deployer.browser, &page, &[&form("THEIRS=1")[..], &[("_version", &opened)]].concat()).await.expect(303);

    // The form that comes back still stands for what its reader has seen: pressing it again is refused again.
    let mut seen = opened.clone();
    for _ in 0..2 {
        let refused = place.world.post(&place.deployer.browser, &page, &[&form("MINE=1")[..], &[("_version", &seen)]].concat()).await.expect(412).body;
        for text in ["It was changed since you last saw it.", "Revision 2 is the newest", "dee made it", &format!("href=\"{page}\">Load it anew"), "MINE=1"] {
            assert!(refused.contains(text), "{text} is not in {refused}");
        }
        seen = version(&refused, "_version").unwrap();
        assert_eq!(seen, opened);
    }
    let refused = place.world.post(&place.deployer.browser, &page, &[&form("MINE=1")[..], &[("_version", &seen)]].concat()).await.expect(412).body;
    let present = refused.split("name=\"_overwrite\"").nth(1).and_then(|rest| rest.split("value=\"").nth(1)).map(|rest| rest.split('"').next().unwrap().to_owned()).unwrap();
    let insisted = [("_version", seen.as_str()), ("_overwrite", &present)];
    place.world.post(&place.deployer.browser, &page, &[&form("MINE=1")[..], &insisted].concat()).await.expect(303);
    // Who insisted saw one change, not every later one.
    place.world.post(&place.deployer.browser, &page, &[&form("MINE=2")[..], &insisted].concat()).await.expect(412);
    assert!(!place.world.get(&place.deployer.browser, &page).await.expect(200).body.contains("_overwrite"));
}
