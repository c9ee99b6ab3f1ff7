//! A cluster that is reached another way than EKS says.

use control::clusters;
use domain::{
    Code,
    cluster::{ClusterConnection, ClusterState},
};
use sqlx::PgPool;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::scene::Scene;

/// A way around: bytes from one port to another.
async fn relay(to: String) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let going = tokio::spawn(async move {
        // What is under way ends with the relay.
        let mut open = JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(&to).await.unwrap();
            open.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    });
    (port, going)
}

#[sqlx::test(migrator = "control::db::MIGRATOR")]
async fn a_way_around_is_taken_once_it_has_proved_itself(pool: PgPool) {
    let scene = Scene::new(pool).await;
    scene.clean("fleet").await;
    let cluster = scene.attach("fleet").await;
    scene.set_up(cluster.id).await;
    let connected = scene.until(cluster.id, "it is not connected", |cluster| cluster.state == ClusterState::Connected).await;
    let endpoint = connected.endpoint.unwrap();
    let host = url::Url::parse(&endpoint).unwrap().host_str().unwrap().to_owned();
    let (port, going) = relay(endpoint.trim_start_matches("https://").to_owned()).await;
    let around = ClusterConnection { server: Some(format!("https://localhost:{port}")), tls_server_name: Some(host), ..ClusterConnection::default() };

    let wrong_name = ClusterConnection { tls_server_name: Some("elsewhere.example".into()), ..around.clone() };
    assert!(clusters::set_connection(&scene.admin, cluster.id, &wrong_name).await.unwrap_err().is(Code::ClusterUnreachable));
    clusters::set_connection(&scene.admin, cluster.id, &around).await.unwrap();
    // Nothing else leads there any more.
    sqlx::query("update clusters set state = 'connecting' where id = $1").bind(cluster.id.0).execute(&scene.control.pool).await.unwrap();
    scene.until(cluster.id, "it is not reached through the relay", |cluster| cluster.state == ClusterState::Connected).await;
    going.abort();
    let _ = going.await;
    scene.until(cluster.id, "it is reached without the relay", |cluster| cluster.state == ClusterState::Unreachable).await;
    clusters::set_connection(&scene.admin, cluster.id, &ClusterConnection::default()).await.unwrap();
    scene.until(cluster.id, "it is not reached as EKS says", |cluster| cluster.state == ClusterState::Connected).await;
}
