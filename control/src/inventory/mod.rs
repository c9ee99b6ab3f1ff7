//! What Slipway means to have in clusters. An object is written down before it is applied, so that a crash leaves nothing
//! unknown, and only what is written down is ever deleted.

pub mod cluster;

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

/// Writes down that these were applied, with their uids.
///
/// # Errors
/// A fault when the database fails.
pub async fn applied(conn: &mut PgConnection, object: Uuid, generation: i64, entries: &[(Entry, String)]) -> Result<()> {
    let (kinds, namespaces, names) = columns(entries.iter().map(|(entry, _)| entry));
    let uids: Vec<String> = entries.iter().map(|(_, uid)| uid.clone()).collect();
    sqlx::query!(
        "update inventory i set uid = e.uid, generation = $2, applied_at = now(), seen_at = coalesce((select claimed_at from reconcile where object_id = $1), now())
         from unnest($3::text[], $4::text[], $5::text[], $6::text[]) as e (kind, namespace, name, uid)
         where i.object_id = $1 and (i.kind, i.namespace, i.name) = (e.kind, e.namespace, e.name)",
        object,
        generation,
        &kinds,
        &namespaces,
        &names,
        &uids
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

/// Writes down what others set of these, as it was just seen, unless a watch has said something since the step began. Gives whether that is news.
///
/// # Errors
/// A fault when the database fails.
pub async fn found(conn: &mut PgConnection, object: Uuid, put: &[Put]) -> Result<bool> {
    let (kinds, namespaces, names) = columns(put.iter().map(|put| &put.entry));
    let others = put.iter().map(|put| serde_json::to_value(&put.others)).collect::<Result<Vec<_>, _>>()?;
    let news = sqlx::query!(
        "update inventory i set others = e.others
         from unnest($2::text[], $3::text[], $4::text[], $5::jsonb[]) as e (kind, namespace, name, others)
         where i.object_id = $1 and (i.kind, i.namespace, i.name) = (e.kind, e.namespace, e.name) and i.others is distinct from e.others
           and not coalesce(i.others_at > (select claimed_at from reconcile where object_id = $1), false)",
        object,
        &kinds,
        &namespaces,
        &names,
        &others
    )
    .execute(conn)
    .await?;
    Ok(news.rows_affected() > 0)
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
