//! Where a cluster's API server is reached, when that is not what EKS says: behind a proxy of one's own, through a private link, under another name.

use domain::{
    Code, Rejected,
    access::PlatformAction,
    cluster::{Cluster, ClusterConnection, ClusterState},
    error::Checks,
    ids::ClusterId,
    operation::ObjectKind,
};
use rustls::pki_types::ServerName;
use url::Url;

use super::{
    get,
    probe::{Probe, probe},
    store,
};
use crate::{
    Ctx, Result,
    audit::{self, Event},
    k8s::{self, Clients, Kind, client},
    reconcile::{Scope, mark},
    secrets,
};

const MAX_SERVER: usize = domain::limits::SERVER;
const MAX_AUTHORITY: usize = domain::limits::AUTHORITY;

/// The override that is in force.
///
/// # Errors
/// `not_found` if the actor may not see the cluster.
pub async fn connection(ctx: &Ctx, id: ClusterId) -> Result<ClusterConnection> {
    get(ctx, id).await?;
    store::connection(&mut *ctx.read().await?, id).await
}

/// Overrides where the API server is reached. Before it is kept, the new address has to show a certificate that fits,
/// before any token is sent there, and then to know Slipway as well as the present one does.
///
/// # Errors
/// `not_found`, `forbidden`, `precondition_failed`; `invalid_input` naming the field; `cluster_unreachable`, `cluster_denied` at `server` when the address does not prove itself.
pub async fn set_connection(ctx: &Ctx, id: ClusterId, new: &ClusterConnection) -> Result<Cluster> {
    ctx.attempt("cluster.set_connection", ObjectKind::Cluster, Some(id.0));
    ctx.actor().check_platform(PlatformAction::Manage, "cluster")?;
    ctx.check_new().await?;
    let cluster = get(ctx, id).await?;
    // Nothing goes out for a form that is out of date.
    ctx.check_version(cluster.version)?;
    let wanted = read(new)?;
    // Back to what EKS says has to be possible whatever answers there.
    if wanted != ClusterConnection::default() {
        verify(ctx, &cluster, &wanted).await?;
    }

    let mut tx = ctx.begin().await?;
    let cluster = store::lock(&mut tx, id).await?;
    ctx.check_version(cluster.version)?;
    let before = store::connection(&mut tx, id).await?;
    let generation = store::set_connection(&mut tx, id, &wanted).await?;
    mark(&mut tx, id.0, ObjectKind::Cluster, Scope::Cluster(id.0), generation).await?;
    let event = Event::new("cluster.set_connection", ObjectKind::Cluster, id.0, &cluster.name)
        .change("server", &before.server, &wanted.server)
        .change("certificate_authority", fingerprint(&before), fingerprint(&wanted))
        .change("tls_server_name", &before.tls_server_name, &wanted.tls_server_name);
    audit::record(&mut tx, ctx, event).await?;
    let cluster = store::find(&mut tx, id).await?;
    tx.commit(cluster).await
}

fn read(new: &ClusterConnection) -> Result<ClusterConnection, Rejected> {
    let given = |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut wanted = ClusterConnection { server: given(&new.server), certificate_authority: given(&new.certificate_authority), tls_server_name: given(&new.tls_server_name) };
    let mut checks = Checks::new();
    if let Some(server) = &mut wanted.server {
        checks.take("server", check_server(server));
        // Kept as it was understood: parsers differ in what they forgive.
        if let Ok(url) = Url::parse(server) {
            *server = url.origin().ascii_serialization();
        }
    }
    if let Some(pem) = &wanted.certificate_authority {
        let fits = pem.chars().count() <= MAX_AUTHORITY && client::is_authority(pem);
        checks.ensure(fits, "certificate_authority", "Paste the certificate authority itself as PEM, beginning with -----BEGIN CERTIFICATE-----.");
    }
    if let Some(name) = &wanted.tls_server_name {
        checks.ensure(ServerName::try_from(name.as_str()).is_ok(), "tls_server_name", "Enter a host name or an IP address.");
    }
    checks.finish()?;
    Ok(wanted)
}

/// Whether the text is the address of an API server.
///
/// # Errors
/// A sentence that says what to change.
pub fn check_server(text: &str) -> Result<(), String> {
    let fits = |url: &Url| {
        url.scheme() == "https"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let text = text.trim();
    if text.chars().count() <= MAX_SERVER && Url::parse(text).is_ok_and(|url| fits(&url)) {
        return Ok(());
    }
    Err("Enter https:// and a host, with a port if it is not 443, and nothing else.".into())
}

/// Lets the address prove itself: first by its certificate alone, then by knowing Slipway.
async fn verify(ctx: &Ctx, cluster: &Cluster, wanted: &ClusterConnection) -> Result<()> {
    let target = k8s::target(ctx.control(), cluster.id, wanted.clone())
        .await?
        .ok_or_else(|| Rejected::field("server", "EKS has not said yet where this cluster is. Enter address and certificate authority, or look again in a moment."))?;
    let field = if wanted.server.is_some() {
        "server"
    } else if wanted.certificate_authority.is_some() {
        "certificate_authority"
    } else {
        "tls_server_name"
    };
    match client::greet(&target).await {
        Ok(()) => {}
        Err(error) if matches!(error.kind, Kind::Unreachable) => {
            let message = format!("No Kubernetes API server with the right certificate answers at {}. Nothing was changed, and no token was sent there.", target.server);
            return Err(Rejected::new(Code::ClusterUnreachable, message).at(field).with_raw(error.raw()).into());
        }
        Err(error) => return Err(error.into()),
    }
    match probe(&Clients::for_target(ctx.control(), &target)?).await? {
        Probe::Reached(_) => Ok(()),
        // It was not known before either: access comes later.
        Probe::Unknown { .. } if cluster.state != ClusterState::Connected => Ok(()),
        Probe::Unknown { raw } => {
            let message = format!("The API server at {} does not know Slipway, though {} does. Nothing was changed.", target.server, cluster.name);
            Err(Rejected::new(Code::ClusterDenied, message).at(field).with_raw(raw).into())
        }
        Probe::Unreachable { message, raw } => Err(Rejected::new(Code::ClusterUnreachable, format!("{message} Nothing was changed.")).at(field).with_raw(raw).into()),
        Probe::NoEndpoint => Err(anyhow::anyhow!("a target without an address was probed").into()),
    }
}

/// Tells one certificate authority from another in the record.
fn fingerprint(connection: &ClusterConnection) -> Option<String> {
    connection.certificate_authority.as_deref().map(|pem| format!("sha256:{}", secrets::hash(pem).iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use domain::access::PlatformRole;
    use sqlx::PgPool;

    use super::*;
    use crate::{testing::World, workspaces::fixture::Place};

    fn to(server: &str) -> ClusterConnection {
        ClusterConnection { server: Some(server.into()), ..ClusterConnection::default() }
    }

    #[test]
    fn only_https_and_a_host_are_an_address() {
        for good in ["https://lab.example", "https://10.0.0.1:6443/", "https://[::1]:443"] {
            assert!(check_server(good).is_ok(), "{good}");
        }
        for bad in [
            "http://lab.example",
            "lab.example",
            "https://",
            "file:///etc/kubeconfig",
            "https://me:secret@lab.example",
            "https://lab.example/proxy",
            "https://lab.example?x",
            "https://lab.example#x",
        ] {
            assert!(check_server(bad).is_err(), "{bad}");
        }
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn an_address_that_does_not_prove_itself_is_not_kept(pool: PgPool) {
        let world = World::new(pool).await;
        let place = Place::new(&world).await;
        let admin = world.user("admin", Some(PlatformRole::Admin)).await;
        let wrong = ClusterConnection { server: Some("http://lab.example".into()), certificate_authority: Some("/etc/ca.pem".into()), tls_server_name: Some("no name".into()) };
        let refused = set_connection(&admin, place.cluster, &wrong).await.unwrap_err();
        let fields: Vec<&str> = refused.rejected().unwrap().errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["server", "certificate_authority", "tls_server_name"]);
        let unknown = set_connection(&admin, place.cluster, &to("https://127.0.0.1:9")).await.unwrap_err();
        assert!(unknown.rejected().unwrap().message_for("server").unwrap().contains("certificate authority"), "{unknown}");

        sqlx::query("update clusters set endpoint = 'https://127.0.0.1:9', certificate_authority = $2 where id = $1")
            .bind(place.cluster.0)
            .bind(CA)
            .execute(&world.control.pool)
            .await
            .unwrap();
        let nobody = set_connection(&admin, place.cluster, &to("https://127.0.0.1:9")).await.unwrap_err();
        assert!(nobody.is(Code::ClusterUnreachable) && nobody.rejected().unwrap().message_for("server").unwrap().contains("no token was sent"), "{nobody}");
        // Somebody who listens, but cannot show the certificate, is sent nothing.
        let (address, heard) = listener().await;
        let stranger = set_connection(&admin, place.cluster, &to(&address)).await.unwrap_err();
        assert!(stranger.is(Code::ClusterUnreachable), "{stranger}");
        let heard = heard.await.unwrap();
        assert!(!String::from_utf8_lossy(&heard).contains("Bearer") && heard.first() == Some(&0x16), "a TLS greeting and no more");
        assert_eq!(connection(&admin, place.cluster).await.unwrap(), ClusterConnection::default());
        assert!(set_connection(&world.user("auditor", Some(PlatformRole::Auditor)).await, place.cluster, &to("https://127.0.0.1:9")).await.unwrap_err().is(Code::Forbidden));
    }

    #[sqlx::test(migrator = "crate::db::MIGRATOR")]
    async fn back_to_what_eks_says_is_always_possible(pool: PgPool) {
        let world = World::new(pool).await;
        let place = Place::new(&world).await;
        let admin = world.user("admin", Some(PlatformRole::Admin)).await;
        sqlx::query(r#"update clusters set connection = '{"server": "https://old.example"}' where id = $1"#).bind(place.cluster.0).execute(&world.control.pool).await.unwrap();
        assert_eq!(connection(&admin, place.cluster).await.unwrap(), to("https://old.example"));
        let version = get(&admin, place.cluster).await.unwrap().version;
        assert!(set_connection(&admin.seeing(version + 1), place.cluster, &ClusterConnection::default()).await.unwrap_err().is(Code::PreconditionFailed));
        let blank = ClusterConnection { server: Some("  ".into()), ..ClusterConnection::default() };
        set_connection(&admin.seeing(version), place.cluster, &blank).await.unwrap();
        assert_eq!(connection(&admin, place.cluster).await.unwrap(), ClusterConnection::default());
        let changes: serde_json::Value =
            sqlx::query_scalar("select changes from audit_events where action = 'cluster.set_connection' and outcome = 'done'").fetch_one(&world.control.pool).await.unwrap();
        assert!(changes.to_string().contains("https://old.example"), "{changes}");
    }

    /// Listens once; gives what it was sent first.
    async fn listener() -> (String, tokio::task::JoinHandle<Vec<u8>>) {
        use tokio::io::AsyncReadExt as _;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 4096];
            let n = stream.read(&mut bytes).await.unwrap();
            bytes.truncate(n);
            bytes
        });
        (address, heard)
    }

    const CA: &str = include_str!("test_ca.pem");
}
