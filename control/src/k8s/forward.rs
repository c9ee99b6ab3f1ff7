//! Reaching a port of a pod through the API server.
//!
//! Headers arrive whole, and neither network policies nor a server that listens on loopback only are in the way. The service
//! proxy would strip `Authorization` and choose a pod by itself.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::Portforwarder};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::{Error, Kind, Result};

/// A connection to a port of a pod. Dropping it closes it.
pub struct Forwarded {
    stream: Box<dyn Stream>,
    // Ends the task that moves the bytes when this is dropped.
    forwarder: Portforwarder,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects to `port` of a pod.
///
/// # Errors
/// Whatever the cluster says.
pub async fn connect(pods: &Api<Pod>, pod: &str, port: u16) -> Result<Forwarded> {
    let mut forwarder = pods.portforward(pod, &[port]).await.map_err(|error| Error::from(error).of_a_node())?;
    let stream = forwarder.take_stream(port).ok_or_else(|| Error::new(Kind::Other, "the API server gave no stream for the port"))?;
    Ok(Forwarded { stream: Box::new(stream), forwarder })
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
