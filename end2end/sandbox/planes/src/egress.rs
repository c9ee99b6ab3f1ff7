//! The way from API servers to nodes and pods.
//!
//! Simulated nodes have addresses of a network that is not here. An API server that
//! was asked for their pods' logs would send packets out of this machine and wait; so
//! it goes through here, as EKS goes through its own network, and is told at once.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener as StdUnixListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::config::private_file;

/// A request to connect is one line and one header.
const MOST: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Egress {
    name: String,
    /// The /24 of the real node, zero while there is none.
    here: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Egress {
    /// Listens on a socket without a file, so that none is left.
    pub(crate) fn start(gateway_port: u16) -> Result<Self> {
        let name = format!("slipway-sandbox-{gateway_port}");
        let listen = || -> io::Result<UnixListener> {
            let listener = StdUnixListener::bind_addr(&UnixAddress::from_abstract_name(&name)?)?;
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        };
        let listener = listen().with_context(|| format!("listening on the socket @{name}"))?;
        let here = Arc::new(AtomicU32::new(0));
        let task = tokio::spawn(serve(listener, Arc::clone(&here)));
        Ok(Self { name, here, task })
    }

    /// Writes how an API server uses it.
    pub(crate) fn configure(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join("egress.json");
        let transport = json!({ "uds": { "udsName": format!("@{}", self.name) } });
        let configuration = json!({
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [{ "name": "cluster", "connection": { "proxyProtocol": "HTTPConnect", "transport": transport } }],
        });
        private_file(&path, &configuration.to_string())?;
        Ok(path)
    }

    /// Says where the real node and its pods are, or that there is none.
    pub(crate) fn lead_to(&self, node: Option<Ipv4Addr>) {
        self.here.store(node.map_or(0, network), Ordering::SeqCst);
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn network(address: Ipv4Addr) -> u32 {
    address.to_bits() & 0xffff_ff00
}

async fn serve(listener: UnixListener, here: Arc<AtomicU32>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let here = here.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    if let Err(error) = carry(client, here).await {
                        tracing::debug!(%error, "a connection to a node ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection to a node");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn carry(mut client: UnixStream, here: u32) -> io::Result<()> {
    let Some(target) = wanted(&mut client).await? else {
        return refuse(&mut client, "400 not a request to connect").await;
    };
    match target {
        SocketAddr::V4(v4) if here != 0 && network(*v4.ip()) == here => {}
        _ => return refuse(&mut client, "503 the node is simulated: nothing runs on it").await,
    }
    match tokio::time::timeout(PATIENCE, TcpStream::connect(target)).await {
        Ok(Ok(mut server)) => {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
        }
        Ok(Err(error)) => refuse(&mut client, &format!("503 {error}")).await,
        Err(_) => refuse(&mut client, "503 the node does not answer").await,
    }
}

/// Where a request wants to go. Nothing is sent after it before it is answered.
async fn wanted(client: &mut UnixStream) -> io::Result<Option<SocketAddr>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if request.len() >= MOST {
            return Ok(None);
        }
        request.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&request);
    let mut words = text.split(' ');
    Ok(match (words.next(), words.next()) {
        (Some("CONNECT"), Some(target)) => target.parse().ok(),
        _ => None,
    })
}

/// The API server shows the status to whoever asked.
async fn refuse(client: &mut UnixStream, status: &str) -> io::Result<()> {
    client.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(name: &str, request: &str) -> String {
        let stream = std::os::unix::net::UnixStream::connect_addr(&UnixAddress::from_abstract_name(name).unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut stream = UnixStream::from_std(stream).unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 256];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).lines().next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn leads_to_the_real_node_and_nowhere_else() {
        let egress = Egress::start(27_999).unwrap();
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to_server = format!("CONNECT {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", server.local_addr().unwrap());
        assert!(ask(&egress.name, &to_server).await.contains("503 the node is simulated"), "there is no real node yet");
        egress.lead_to(Some(Ipv4Addr::new(127, 0, 0, 9)));
        assert!(ask(&egress.name, &to_server).await.contains("200"));
        assert!(ask(&egress.name, "CONNECT 10.0.0.1:10250 HTTP/1.1\r\n\r\n").await.contains("503 the node is simulated"));
        assert!(ask(&egress.name, "GET / HTTP/1.1\r\n\r\n").await.contains("400"));
        egress.lead_to(None);
        assert!(ask(&egress.name, &to_server).await.contains("503 the node is simulated"), "the node is gone");
    }
}
