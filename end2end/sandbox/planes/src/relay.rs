//! What stands between clients and an API server, so that it can seem down or slow
//! while controllers and scheduler go on, as when only a network fails.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the relay does to those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Passes everything on at once.
    Clear,
    /// Refuses connections, and cuts the ones there are.
    Down,
    /// Passes on what the server says so much later.
    Slow(Duration),
}

/// A listening port that leads to another one.
#[derive(Debug)]
pub(crate) struct Relay {
    manner: watch::Sender<Manner>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens on `port` and leads to `target`, both on loopback.
    pub(crate) async fn start(port: u16, target: u16) -> Result<Self> {
        let listener = listen(port).await?;
        let (manner, seen) = watch::channel(Manner::Clear);
        let task = tokio::spawn(serve(port, target, listener, seen));
        Ok(Self { manner, task })
    }

    pub(crate) fn set(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// Cuts every connection and gives up the port.
    pub(crate) async fn close(&self) {
        self.set(Manner::Down);
        self.task.abort();
        while !self.task.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.with_context(|| format!("port {port}, needed for an API server, is busy"))
}

async fn serve(port: u16, target: u16, first: TcpListener, mut manner: watch::Receiver<Manner>) {
    let mut listener = Some(first);
    loop {
        let now = *manner.borrow_and_update();
        if now == Manner::Down {
            listener = None;
        } else if listener.is_none() {
            match listen(port).await {
                Ok(again) => listener = Some(again),
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "an API server cannot come back");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            }
        }
        tokio::select! {
            changed = manner.changed() => if changed.is_err() { return },
            accepted = accept(listener.as_ref()) => match accepted {
                Ok(client) => { tokio::spawn(connect(client, target, manner.clone())); }
                Err(error) => tracing::warn!(%error, port, "could not accept a connection"),
            },
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}

/// Carries one connection until either side ends it or the server is to seem down.
async fn connect(client: TcpStream, target: u16, mut manner: watch::Receiver<Manner>) {
    // A server that is not up looks to the client as if it hung up, which it did.
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    let _best_effort = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asked = async {
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let pace = manner.clone();
    let answered = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from_server.read(&mut buffer).await?;
            if length == 0 {
                return to_client.shutdown().await;
            }
            let now = *pace.borrow();
            if let Manner::Slow(late) = now {
                tokio::time::sleep(late).await;
            }
            to_client.write_all(&buffer[..length]).await?;
        }
    };
    tokio::select! {
        _either_side_may_hang_up = async { tokio::join!(asked, answered) } => {}
        _cut = manner.wait_for(|manner| *manner == Manner::Down) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        port
    }

    async fn ask(stream: &mut TcpStream) -> std::io::Result<[u8; 4]> {
        let mut answer = [0; 4];
        stream.write_all(b"ping").await?;
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn passes_delays_cuts_and_comes_back() {
        let target = echo().await;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let relay = Relay::start(port, target).await.unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(&ask(&mut client).await.unwrap(), b"ping");

        relay.set(Manner::Slow(Duration::from_millis(300)));
        let asked = std::time::Instant::now();
        ask(&mut client).await.unwrap();
        assert!(asked.elapsed() >= Duration::from_millis(300), "the answer came early");

        relay.set(Manner::Down);
        tokio::time::timeout(Duration::from_secs(5), async { while ask(&mut client).await.is_ok() {} }).await.expect("the connection is cut");
        tokio::time::timeout(Duration::from_secs(5), async { while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {} }).await.expect("new ones are refused");

        relay.set(Manner::Clear);
        tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                if let Ok(mut again) = TcpStream::connect(("127.0.0.1", port)).await {
                    return ask(&mut again).await.unwrap();
                }
            }
        })
        .await
        .expect("it answers again");
    }
}
