//! The sealer: one at a time, it gives events their place in the chain and hashes each together with the one before.

use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use crate::Result;

/// How many events are sealed in one transaction.
const BATCH: i64 = 500;

/// Seals what is unsealed and was committed a moment ago. The delay lets transactions that began earlier and commit later take their place first.
///
/// # Errors
/// A fault when the database fails.
pub async fn seal(pool: &PgPool) -> Result<usize> {
    let mut tx = pool.begin().await?;
    // One sealer at a time, whichever process it is in.
    sqlx::query!("select pg_advisory_xact_lock(hashtext('slipway.audit.seal'))").execute(&mut *tx).await?;
    let last = sqlx::query!(r#"select sequence as "sequence!", hash as "hash!" from audit_events where sequence is not null order by sequence desc limit 1"#)
        .fetch_optional(&mut *tx)
        .await?;
    let (mut sequence, mut hash) = last.map_or((0, vec![0; 32]), |last| (last.sequence, last.hash));
    let events = sqlx::query!(
        r#"select id, jsonb_build_array(id, at, actor_kind, actor_id, actor_name, source, address, request_id, action, outcome, object_kind, object_id, object_name, team_id, team_name, reason, changes)::text as "text!"
           from audit_events where sequence is null and at < now() - interval '2 seconds' order by id limit $1"#,
        BATCH
    )
    .fetch_all(&mut *tx)
    .await?;
    for event in &events {
        sequence += 1;
        hash = link(&hash, sequence, &event.text);
        sqlx::query!("update audit_events set sequence = $2, hash = $3 where id = $1", event.id, sequence, hash).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(events.len())
}

/// Walks the chain and gives the first sequence number whose hash does not fit, if there is one.
///
/// # Errors
/// A fault when the database fails.
pub async fn verify(pool: &PgPool) -> Result<Option<i64>> {
    let mut hash = vec![0; 32];
    let mut sequence = 0;
    loop {
        let events = sqlx::query!(
            r#"select sequence as "sequence!", hash as "hash!", jsonb_build_array(id, at, actor_kind, actor_id, actor_name, source, address, request_id, action, outcome, object_kind, object_id, object_name, team_id, team_name, reason, changes)::text as "text!"
               from audit_events where sequence > $1 order by sequence limit $2"#,
            sequence,
            BATCH
        )
        .fetch_all(pool)
        .await?;
        if events.is_empty() {
            return Ok(None);
        }
        for event in events {
            hash = link(&hash, sequence + 1, &event.text);
            if event.sequence != sequence + 1 || event.hash != hash {
                return Ok(Some(sequence + 1));
            }
            sequence += 1;
        }
    }
}

/// How many events are sealed, and how many wait for it.
///
/// # Errors
/// A fault when the database fails.
pub async fn count(pool: &PgPool) -> Result<(i64, i64)> {
    let row = sqlx::query!(r#"select count(sequence) as "sealed!", count(*) - count(sequence) as "waiting!" from audit_events"#).fetch_one(pool).await?;
    Ok((row.sealed, row.waiting))
}

fn link(before: &[u8], sequence: i64, text: &str) -> Vec<u8> {
    Sha256::new().chain_update(before).chain_update(sequence.to_be_bytes()).chain_update(text).finalize().to_vec()
}
