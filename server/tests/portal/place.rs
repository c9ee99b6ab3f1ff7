//! A team with a workspace on a cluster and two releases of a model.

use control::deployments;
use domain::{
    access::{PlatformRole, TeamRole},
    deployment::NewDeployment,
    ids::{DeploymentId, ReleaseId, WorkspaceId},
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::common::{Person, World};

pub const CLUSTER: Uuid = Uuid::from_u128(0x30);
pub const WORKSPACE: Uuid = Uuid::from_u128(0x40);
pub const RELEASES: [Uuid; 2] = [Uuid::from_u128(0x61), Uuid::from_u128(0x62)];

/// A team with what it needs to deploy.
pub struct Place {
    pub world: World,
    pub admin: Person,
    pub deployer: Person,
    pub viewer: Person,
    pub team: Uuid,
}

impl Place {
    /// The team forecasting with 4 CPU on the cluster lab, and the releases iris 1 and 2.
    pub async fn new(pool: PgPool) -> Self {
        let world = World::new(pool.clone()).await;
        let admin = world.person("admin", Some(PlatformRole::Admin)).await;
        let (owner, deployer, viewer) = (world.person("owner", None).await, world.person("dee", None).await, world.person("vi", None).await);
        let team = world.team(&admin, "forecasting", &owner, &[(&deployer, TeamRole::Deployer), (&viewer, TeamRole::Viewer)]).await.0;
        let sql = format!(
            "insert into accounts (id, name, aws_account_id, external_id, regions) values ('{account}', 'main', '123456789012', 'the-external-id', '{{us-east-1,eu-west-1}}');
             insert into repository_prefixes (account_id, prefix, team_id) values ('{account}', 'forecasting/', '{team}');
             insert into clusters (id, name, account_id, region, eks_name, arn, state) values ('{CLUSTER}', 'lab', '{account}', 'us-east-1', 'lab', 'arn:aws:eks:us-east-1:123456789012:cluster/lab', 'connected');
             insert into workspaces (id, name, team_id, cluster_id, cpu_millis, memory_mib, pods, state) values ('{WORKSPACE}', 'forecasting', '{team}', '{CLUSTER}', 4000, 16384, 20, 'ready');
             insert into models (id, team_id, name) values ('{model}', '{team}', 'iris');
             insert into releases (id, model_id, number, account_id, region, repository, repository_uri, tag, digest, port, health_path, protocol, size, created_by_name)
             select id::uuid, '{model}', number, '{account}', 'us-east-1', 'forecasting/iris', 'registry.test/forecasting/iris', 'v' || number, 'sha256:' || repeat(number::text, 64),
                    8080, '/v2/health/ready', 'open_inference_v2', 'small', 'Ada' from (values ('{}', 1), ('{}', 2)) as r (id, number);",
            RELEASES[0],
            RELEASES[1],
            account = Uuid::from_u128(0x20),
            model = Uuid::from_u128(0x50),
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        Self { world, admin, deployer, viewer, team }
    }

    /// A deployment of iris 1.
    pub async fn deployed(&self, replicas: i32) -> DeploymentId {
        let new = NewDeployment {
            release: ReleaseId(RELEASES[0]),
            workspace: WorkspaceId(WORKSPACE),
            name: None,
            size: None,
            replicas: Some(replicas),
            environment: Vec::new(),
            reason: None,
        };
        DeploymentId(deployments::create(&self.deployer.ctx, &new).await.unwrap().object)
    }
}
