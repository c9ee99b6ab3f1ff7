//! The caller's network address, as far as trusted proxies tell.

use std::net::IpAddr;

use http::HeaderMap;

/// How many proxies stand in front and append to `X-Forwarded-For`. Nothing else in that header is believed: anyone can write it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrustedProxies(pub u8);

impl TrustedProxies {
    /// The address the outermost trusted proxy saw, or the peer's when there is none.
    #[must_use]
    pub fn client(self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        if self.0 == 0 {
            return peer;
        }
        let hops: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim).collect();
        hops.len().checked_sub(usize::from(self.0)).and_then(|place| hops.get(place)).and_then(|hop| hop.parse().ok()).or(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::TrustedProxies;

    #[test]
    fn only_trusted_hops_count() {
        let peer = Some("10.0.0.1".parse().unwrap());
        let headers = [("x-forwarded-for".parse().unwrap(), "6.6.6.6, 203.0.113.9".parse().unwrap())].into_iter().collect();
        assert_eq!(TrustedProxies(0).client(peer, &headers), peer);
        assert_eq!(TrustedProxies(1).client(peer, &headers).unwrap().to_string(), "203.0.113.9");
        assert_eq!(TrustedProxies(3).client(peer, &headers), peer);
    }
}
