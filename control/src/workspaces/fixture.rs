//! What tests of workspaces and deployments start from: a team with a model of two releases and a workspace on a cluster.

use domain::{
    access::TeamRole,
    ids::{AccountId, ClusterId, ModelId, ReleaseId, TeamId, WorkspaceId},
};

use super::{record, subject};
use crate::{
    Control, Ctx,
    inventory::cluster::When,
    reconcile::{Claim, Halt},
    testing::World,
};

/// Writes down, as the reconciler does, that everything of the claimed workspace is there.
pub(crate) async fn whole(control: &Control, claim: &Claim) -> Result<(), Halt> {
    let subject = subject::load(control, WorkspaceId(claim.object_id)).await?.expect("nobody may delete it");
    record::whole(control, claim, &subject, &[], When::Missing).await.map(drop)
}

pub(crate) struct Place {
    pub team: TeamId,
    pub cluster: ClusterId,
    pub workspace: WorkspaceId,
    pub model: ModelId,
    pub releases: [ReleaseId; 2],
}

impl Place {
    /// The team `forecasting` with a ready workspace of 4 CPU on a connected cluster, and `iris` 1 and 2.
    pub(crate) async fn new(world: &World) -> Self {
        Self::named(world, "forecasting").await
    }

    pub(crate) async fn named(world: &World, name: &str) -> Self {
        let pool = &world.control.pool;
        let (team, account, cluster, workspace, model) = (TeamId::generate(), AccountId::generate(), ClusterId::generate(), WorkspaceId::generate(), ModelId::generate());
        let (lab, arn) = (format!("{name}-lab"), format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}-lab"));
        sqlx::query!("insert into teams (id, name) values ($1, $2)", team.0, name).execute(pool).await.unwrap();
        sqlx::query!("insert into accounts (id, name, external_id, regions) values ($1, $2, 'x', '{us-east-1}')", account.0, name).execute(pool).await.unwrap();
        sqlx::query!(
            "insert into clusters (id, name, account_id, region, eks_name, arn, state) values ($1, $2, $3, 'us-east-1', $2, $4, 'connected')",
            cluster.0,
            lab,
            account.0,
            arn
        )
        .execute(pool)
        .await
        .unwrap();
        sqlx::query!(
            "insert into workspaces (id, name, team_id, cluster_id, cpu_millis, memory_mib, pods, state) values ($1, $2, $3, $4, 4000, 16384, 20, 'ready')",
            workspace.0,
            name,
            team.0,
            cluster.0
        )
        .execute(pool)
        .await
        .unwrap();
        sqlx::query!("insert into models (id, team_id, name) values ($1, $2, 'iris')", model.0, team.0).execute(pool).await.unwrap();
        let releases = [ReleaseId::generate(), ReleaseId::generate()];
        for (release, number) in releases.iter().zip(1..) {
            sqlx::query!(
                "insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, created_by_name)
                 values ($1, $2, $3, $4, 'us-east-1', 'forecasting/iris', '123456789012.dkr.ecr.us-east-1.amazonaws.com/forecasting/iris', 'x', $5, 8080, '/v2/health/ready', 'open_inference_v2', 'small', 'ada')",
                release.0,
                model.0,
                number,
                account.0,
                format!("sha256:{}", number.to_string().repeat(64))
            )
            .execute(pool)
            .await
            .unwrap();
        }
        Self { team, cluster, workspace, model, releases }
    }

    /// A member of the team.
    pub(crate) async fn member(&self, world: &World, name: &str, role: TeamRole) -> Ctx {
        let ctx = world.user(name, None).await;
        self.join(world, &ctx, role).await;
        ctx
    }

    pub(crate) async fn join(&self, world: &World, ctx: &Ctx, role: TeamRole) {
        let user = ctx.actor().user_id().unwrap();
        sqlx::query!("insert into members (team_id, user_id, role) values ($1, $2, $3)", self.team.0, user.0, role as TeamRole).execute(&world.control.pool).await.unwrap();
    }
}
