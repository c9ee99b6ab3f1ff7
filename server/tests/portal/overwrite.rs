//! Forms that somebody else was quicker with, on every page that changes a thing.

use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    common::Caller,
    place::{Place, WORKSPACE},
};

type Fields = &'static [(&'static str, &'static str)];

/// A page that changes a thing: who does it, what somebody else sends first and what is sent then, and how the page shows the latter.
struct Form<'a> {
    path: String,
    who: &'a Caller,
    theirs: Fields,
    mine: Fields,
    shown: &'static str,
}

/// The hidden field's value.
fn value<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    body.split(&format!("name=\"{name}\" value=\"")).nth(1)?.split('"').next()
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn what_somebody_else_changed_meanwhile_gives_way_only_to_whoever_insists(pool: PgPool) {
    let place = Place::new(pool).await;
    let (admin, deployer) = (&place.admin.browser, &place.deployer.browser);
    let forms = [
        Form {
            path: format!("/models/{}", Uuid::from_u128(0x50)),
            who: deployer,
            theirs: &[("description", "theirs")],
            mine: &[("description", "mine & <b>")],
            shown: "mine &amp; &lt;b&gt;</textarea>",
        },
        Form { path: format!("/teams/{}", place.team), who: admin, theirs: &[("description", "theirs")], mine: &[("description", "mine")], shown: "mine</textarea>" },
        Form {
            path: format!("/workspaces/{WORKSPACE}"),
            who: admin,
            theirs: &[("cpu", "3"), ("memory", "8"), ("gpus", "0"), ("pods", "10")],
            mine: &[("cpu", "2.5"), ("memory", "8"), ("gpus", "0"), ("pods", "17")],
            shown: "value=\"17\"",
        },
        Form {
            path: format!("/users/{}", place.viewer.id),
            who: admin,
            theirs: &[("name", "Theirs"), ("platform_role", "none")],
            mine: &[("name", "Mine"), ("platform_role", "none")],
            shown: "value=\"Mine\"",
        },
        Form {
            path: format!("/accounts/{}", Uuid::from_u128(0x20)),
            who: admin,
            theirs: &[("role_arn", ""), ("regions", "us-east-1")],
            mine: &[("role_arn", ""), ("regions", "us-east-1, eu-north-1")],
            shown: "value=\"us-east-1, eu-north-1\"",
        },
    ];
    for Form { path, who, theirs, mine, shown } in forms {
        let send = async |fields: Fields, seen: &[(&str, &str)]| place.world.post(who, &path, &[&[("do", "update")], fields, seen].concat()).await;
        let opened = place.world.get(who, &path).await.expect(200).body;
        assert!(!opened.contains("_overwrite"), "{path}: there is nothing to insist on");
        let seen = ("_version", value(&opened, "_version").unwrap());
        send(theirs, &[seen]).await.expect(303);

        let refused = send(mine, &[seen]).await.expect(412).body;
        for text in ["It was changed since you last saw it.", "Overwrite it", shown] {
            assert!(refused.contains(text), "{path}: {text} is not in {refused}");
        }
        assert_eq!(value(&refused, "_version"), Some(seen.1), "{path}: pressing it again is refused again");
        let insisting = ("_overwrite", value(&refused, "_overwrite").unwrap());
        assert_ne!(insisting.1, seen.1, "{path}");
        send(mine, &[seen, insisting]).await.expect(303);
        let saved = place.world.get(who, &path).await.expect(200).body;
        assert!(saved.contains(shown) && !saved.contains("_overwrite"), "{path}: {saved}");
    }
}
