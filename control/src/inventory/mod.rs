//! What Slipway means to have in clusters. An object is written down before it is applied, so that a crash leaves nothing
//! unknown, and only what is written down is ever deleted.

pub mod cluster;

use domain::operation::ChangedField;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;
use cluster::Put;

/// One Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub kind: String,
    /// Empty for what has none.
    pub namespace: String,
    pub name: String,
}

impl Entry {
    #[must_use]
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// Writes down what is about to be applied.
///
/// # Errors
/// A fault when the database fails.
pub async fn intend(conn: &mut PgConnection, object: Uuid, entries: &[Entry]) -> Result<()> {
    let (kinds, namespaces, names) = columns(entries);
    sqlx::query!(
        "insert into inventory (object_id, kind, namespace, name, generation)
         select $1, kind, namespace, name, 0 from unnest($2::text[], $3::text[], $4::text[]) as e (kind, namespace, name)
         on conflict do nothing",
        object,
        &kinds,
        &namespaces,
        &names
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that these were applied, with their uids and what Slipway set of them.
///
/// # Errors
/// A fault when the database fails.
pub async fn applied(conn: &mut PgConnection, object: Uuid, generation: i64, put: &[&Put]) -> Result<()> {
    let (kinds, namespaces, names) = columns(put.iter().map(|put| &put.entry));
    let uids: Vec<String> = put.iter().map(|put| put.uid.clone()).collect();
    let owned = put.iter().map(|put| serde_json::to_value(&put.held.own)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query!(
        "update inventory i set uid = e.uid, owned = e.owned, generation = $2, applied_at = now(), seen_at = coalesce((select claimed_at from reconcile where object_id = $1), now())
         from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[]) as e (kind, namespace, name, uid, owned)
         where i.object_id = $1 and (i.kind, i.namespace, i.name) = (e.kind, e.namespace, e.name)",
        object,
        generation,
        &kinds,
        &namespaces,
        &names,
        &uids,
        &owned
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that everything of a thing was found in the cluster, as of when the step began that looked: what was missed since then is looked for again.
///
/// # Errors
/// A fault when the database fails.
pub async fn seen(conn: &mut PgConnection, object: Uuid) -> Result<()> {
    sqlx::query!("update inventory set seen_at = coalesce((select claimed_at from reconcile where object_id = $1), now()) where object_id = $1", object).execute(conn).await?;
    Ok(())
}

/// Writes down what others changed of these, as it was just seen, unless a watch has said something since the step began. Gives whether that is news.
/// What an object was applied with before that was written down is learnt from it. The caller holds the thing's mark, so that no watch writes meanwhile.
///
/// # Errors
/// A fault when the database fails.
pub async fn found(conn: &mut PgConnection, object: Uuid, put: &[Put]) -> Result<bool> {
    let (kinds, namespaces, names) = columns(put.iter().map(|put| &put.entry));
    let generations: Vec<Option<i64>> = put.iter().map(|put| put.generation).collect();
    let held = put.iter().map(|put| serde_json::to_value(&put.held)).collect::<Result<Vec<_>, _>>()?;
    let written = sqlx::query_scalar!(
        r#"with seen as materialized ( -- what others changed is worked out once for each
             select i.kind, i.namespace, i.name, e.held -> 'own' as own, now.others,
                 i.others is distinct from now.others and not coalesce(i.others_at > (select claimed_at from reconcile where object_id = $1), false) as news,
                 -- What was applied before that was written down is taken for what it was meant to be, unless others had a hand in it.
                 i.owned = '{}' and e.held -> 'own' <> '{}' and i.applied_at is not null and e.held -> 'others' = '[]' and coalesce(i.generation = e.generation, true) as baseline
             from unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::jsonb[]) as e (kind, namespace, name, generation, held)
             join inventory i on i.object_id = $1 and (i.kind, i.namespace, i.name) = (e.kind, e.namespace, e.name)
             cross join lateral (select changed_fields(i, e.generation, e.held -> 'own', e.held -> 'others') as others) now
         )
         update inventory i set others = case when seen.news then seen.others else i.others end, owned = case when seen.baseline then seen.own else i.owned end
         from seen
         where i.object_id = $1 and (i.kind, i.namespace, i.name) = (seen.kind, seen.namespace, seen.name) and (seen.news or seen.baseline)
         returning seen.news as "news!""#,
        object,
        &kinds,
        &namespaces,
        &names,
        &generations as &[Option<i64>],
        &held
    )
    .fetch_all(conn)
    .await?;
    Ok(written.contains(&true))
}

/// What others changed of one object, as it was just seen.
///
/// # Errors
/// A fault when the database fails.
pub async fn changed(conn: &mut PgConnection, object: Uuid, put: &Put) -> Result<Vec<ChangedField>> {
    let changed = sqlx::query_scalar!(
        r#"select changed_fields(i, $5, $6, $7) as "changed!" from inventory i where object_id = $1 and kind = $2 and namespace = $3 and name = $4"#,
        object,
        put.entry.kind,
        put.entry.namespace,
        put.entry.name,
        put.generation,
        serde_json::to_value(&put.held.own)?,
        serde_json::to_value(&put.held.others)?
    )
    .fetch_optional(conn)
    .await?;
    // Of what is not written down nothing is known to be missing.
    changed.map_or_else(|| Ok(put.held.others.clone()), |changed| Ok(serde_json::from_value(changed)?))
}

/// Everything written down for a thing.
///
/// # Errors
/// A fault when the database fails.
pub async fn of(conn: &mut PgConnection, object: Uuid) -> Result<Vec<Entry>> {
    Ok(sqlx::query_as!(Entry, "select kind, namespace, name from inventory where object_id = $1 order by kind, namespace, name", object).fetch_all(conn).await?)
}

/// Forgets a thing's objects: they are gone.
///
/// # Errors
/// A fault when the database fails.
pub async fn forget(conn: &mut PgConnection, object: Uuid) -> Result<()> {
    sqlx::query!("delete from inventory where object_id = $1", object).execute(conn).await?;
    Ok(())
}

fn columns<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut kinds, mut namespaces, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        kinds.push(entry.kind.clone());
        namespaces.push(entry.namespace.clone());
        names.push(entry.name.clone());
    }
    (kinds, namespaces, names)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sqlx::PgPool;

    use super::*;
    use crate::k8s::fields::Held;

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn what_slipway_set_and_holds_no_more_was_taken_away(pool: PgPool) {
        let mut conn = pool.acquire().await.unwrap();
        let (id, entry) = (Uuid::from_u128(1), Entry::new("ResourceQuota", "forecasting", "slipway"));
        let seen = |own: &[&str], others: &[&str], generation: i64| Put {
            generation: Some(generation),
            held: Held {
                own: own.iter().map(|&field| (field.to_owned(), Some("20".to_owned()))).collect::<BTreeMap<_, _>>(),
                others: others.iter().map(|&field| ChangedField { found: Some("9".into()), ..ChangedField::set_by("kubectl", field, "ResourceQuota", "slipway") }).collect(),
            },
            ..Put::of(entry.clone())
        };
        let own = [".spec.a", ".spec.list[name=\"x\"]", ".spec.list[name=\"x\"].value", ".spec.listed"];
        let told = async |conn: &mut PgConnection, put: &Put| -> Vec<String> {
            let says = |field: &ChangedField| format!("{} {:?} {:?}->{:?}", field.field, field.manager.as_deref(), field.wanted.as_deref(), field.found.as_deref());
            changed(conn, id, put).await.unwrap().iter().map(says).collect()
        };
        assert_eq!(told(&mut conn, &seen(&[], &[".spec.b"], 1)).await, [".spec.b Some(\"kubectl\") None->Some(\"9\")"], "nothing of ours was ever there");
        intend(&mut conn, id, std::slice::from_ref(&entry)).await.unwrap();
        assert!(told(&mut conn, &seen(&own, &[], 1)).await.is_empty());
        applied(&mut conn, id, 1, &[&seen(&own, &[], 1)]).await.unwrap();
        assert!(told(&mut conn, &seen(&own, &[], 1)).await.is_empty());
        assert_eq!(told(&mut conn, &seen(&own[1..], &[], 1)).await, [".spec.a None Some(\"20\")->None"]);
        assert_eq!(told(&mut conn, &seen(&own[1..], &[".spec.a"], 1)).await, [".spec.a Some(\"kubectl\") Some(\"20\")->Some(\"9\")"], "it was not taken away but set");
        assert_eq!(told(&mut conn, &seen(&[own[0], own[3]], &[], 1)).await, [".spec.list[name=\"x\"] None Some(\"20\")->None"], "and all that was in it");
        assert!(told(&mut conn, &seen(&[own[0], own[3]], &[".spec.list"], 1)).await.iter().all(|field| field.contains("kubectl")), "the whole list is somebody's");
        assert!(told(&mut conn, &seen(&own[1..], &[], 2)).await.is_empty(), "what is applied just now is not written down yet");
        let of_none = Put { generation: None, ..seen(&own[1..], &[], 1) };
        assert_eq!(told(&mut conn, &of_none).await.len(), 1, "what has no generation is the same in all of them");
        assert!(told(&mut conn, &seen(&[], &[], 1)).await.is_empty(), "Kubernetes does not tell any more whose anything is");
        assert!(told(&mut conn, &seen(&[own[1], own[2], own[3], ".spec.a.b"], &[], 1)).await.is_empty(), "one field has become several");
        assert!(found(&mut conn, id, &[seen(&own[1..], &[], 1)]).await.unwrap());
        assert!(!found(&mut conn, id, &[seen(&own[1..], &[], 1)]).await.unwrap(), "that is known");
        assert!(found(&mut conn, id, &[seen(&own, &[], 1)]).await.unwrap());

        let many: Vec<String> = (0..30).map(|n| format!(".spec.many{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        applied(&mut conn, id, 1, &[&seen(&many, &[], 1)]).await.unwrap();
        let by_force = told(&mut conn, &seen(&[own[0]], &many, 1)).await;
        assert!(by_force.len() == 20 && by_force.iter().all(|field| field.contains("kubectl")), "none of them was taken away: {by_force:?}");
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn what_an_earlier_version_applied_is_known_from_the_first_look(pool: PgPool) {
        let mut conn = pool.acquire().await.unwrap();
        let (id, entry) = (Uuid::from_u128(1), Entry::new("ResourceQuota", "forecasting", "slipway"));
        let seen = |own: &[&str]| Put {
            generation: Some(1),
            held: Held { own: own.iter().map(|&field| (field.to_owned(), None)).collect(), others: Vec::new() },
            ..Put::of(entry.clone())
        };
        intend(&mut conn, id, std::slice::from_ref(&entry)).await.unwrap();
        applied(&mut conn, id, 1, &[&Put::of(entry.clone())]).await.unwrap();
        assert!(!found(&mut conn, id, &[seen(&[".spec.a", ".spec.b"])]).await.unwrap());
        assert_eq!(changed(&mut conn, id, &seen(&[".spec.b"])).await.unwrap()[0].field, ".spec.a");

        let known = async |conn: &mut PgConnection| -> (bool, bool) {
            sqlx::query_as("select owned <> '{}', others <> '[]' from inventory where object_id = $1").bind(id).fetch_one(conn).await.unwrap()
        };
        let forget = "update inventory set owned = '{}', others = '[]', others_at = null where object_id = $1";
        let theirs = Put { held: Held { others: vec![ChangedField::set_by("kubectl", ".spec.b", "ResourceQuota", "slipway")], ..seen(&[".spec.a"]).held }, ..seen(&[".spec.a"]) };
        sqlx::query(forget).bind(id).execute(&mut *conn).await.unwrap();
        assert!(found(&mut conn, id, std::slice::from_ref(&theirs)).await.unwrap());
        assert_eq!(known(&mut conn).await, (false, true), "others had a hand in it: what it was meant to be is not known");
        assert!(found(&mut conn, id, &[seen(&[".spec.a", ".spec.b"])]).await.unwrap(), "what they set is gone again");
        assert_eq!(known(&mut conn).await, (true, false), "and now it is known");

        sqlx::query(forget).bind(id).execute(&mut *conn).await.unwrap();
        assert!(!found(&mut conn, id, &[Put { generation: Some(2), ..seen(&[".spec.a"]) }]).await.unwrap());
        assert_eq!(known(&mut conn).await, (false, false), "it is of another generation");

        sqlx::query("insert into reconcile (object_id, kind, scope, generation, claimed_at) values ($1, 'workspace', 'none', 1, now() - interval '1 minute')")
            .bind(id)
            .execute(&mut *conn)
            .await
            .unwrap();
        sqlx::query("update inventory set others = '[{}]', others_at = now() where object_id = $1").bind(id).execute(&mut *conn).await.unwrap();
        assert!(!found(&mut conn, id, &[seen(&[".spec.a"])]).await.unwrap());
        assert_eq!(known(&mut conn).await, (true, true), "what a watch said since stands");
    }
}
