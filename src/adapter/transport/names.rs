//! From host names to addresses: Salesforce's names lead into the internet, or nowhere.
//!
//! Promised: a name of Salesforce's is never connected to at an address of the inside (loopback,
//! private, link-local and their like) unless the operator allows that; other names, such as those
//! of a proxy or an emulator, are the operator's own and lead where they lead. An address that is
//! written in place of a name is not looked up, and not judged.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::reqwest::dns::{Addrs, Name, Resolve, Resolving};
use hyper_util::client::legacy::connect::dns::Name as HyperName;
use tower::Service;

use crate::config::is_salesforce;

/// What looking a name up gives.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// Looks a name up; the system does, but in tests.
pub type Lookup = Arc<dyn Fn(String) -> Found + Send + Sync>;

/// The system's own way of looking names up.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.collect())
        })
    })
}

/// Looks names up and judges what came.
#[derive(Clone)]
pub(super) struct Names {
    lookup: Lookup,
    /// Whether Salesforce's names may lead inside.
    inside: bool,
}

impl Names {
    pub(super) fn new(lookup: Lookup, inside: bool) -> Self {
        Self { lookup, inside }
    }

    async fn find(self, name: String) -> io::Result<std::vec::IntoIter<SocketAddr>> {
        let mut found = (self.lookup)(name.clone()).await?;
        if !self.inside && is_salesforce(&name.to_ascii_lowercase()) {
            found.retain(|at| !is_inside(at.ip()));
            if found.is_empty() {
                let cause = "its name leads to a private address only; if that is meant, set \
                             `egress.private_addresses = true`";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, cause));
            }
        }
        Ok(found.into_iter())
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let finding = self.clone().find(name.as_str().to_owned());
        Box::pin(async move {
            let found: Addrs = Box::new(finding.await?);
            Ok(found)
        })
    }
}

impl Service<HyperName> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: HyperName) -> Self::Future {
        Box::pin(self.clone().find(name.as_str().to_owned()))
    }
}

/// Whether an address is none of the internet's.
fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4_inside(v4),
        IpAddr::V6(v6) => v6_inside(v6),
    }
}

fn v4_inside(at: Ipv4Addr) -> bool {
    let [a, b, ..] = at.octets();
    // 100.64.0.0/10 is shared between a provider and its customers (RFC 6598).
    let shared = a == 100 && (64..128).contains(&b);
    let known = at.is_loopback() || at.is_private() || at.is_link_local() || at.is_broadcast();
    a == 0 || known || shared || at.is_multicast()
}

fn v6_inside(at: Ipv6Addr) -> bool {
    let local = at.is_unique_local() || at.is_unicast_link_local();
    at.is_loopback() || at.is_unspecified() || at.is_multicast() || local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads_to(addresses: &'static [&'static str]) -> Lookup {
        let parse = |text: &&str| SocketAddr::new(text.parse().expect("an address"), 0);
        Arc::new(move |_| Box::pin(std::future::ready(Ok(addresses.iter().map(parse).collect()))))
    }

    #[tokio::test]
    async fn salesforces_names_do_not_lead_inside() {
        const INSIDE: &[&str] = &[
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ];
        const BOTH: &[&str] = &["10.1.2.3", "203.0.113.7", "::1", "2001:4860::1", "100.128.0.1"];
        for name in ["acme.my.salesforce-scrt.com", "D.La1-C1-Iad.SalesforceLiveAgent.com"] {
            let refused = Names::new(leads_to(INSIDE), false).find(name.to_owned()).await;
            let told = refused.expect_err("refused").to_string();
            assert!(told.contains("egress.private_addresses"), "{told}");
            let allowed = Names::new(leads_to(INSIDE), true).find(name.to_owned()).await;
            assert_eq!(allowed.expect("allowed").count(), INSIDE.len());
            let found = Names::new(leads_to(BOTH), false).find(name.to_owned()).await;
            let found: Vec<String> = found.expect("some").map(|at| at.ip().to_string()).collect();
            assert_eq!(found, ["203.0.113.7", "2001:4860::1", "100.128.0.1"]);
        }
        for name in ["proxy.acme.example", "localhost", "salesforce-scrt.com.acme.example"] {
            let found = Names::new(leads_to(INSIDE), false).find(name.to_owned()).await;
            assert_eq!(found.expect("the operator's own").count(), INSIDE.len(), "{name}");
        }
    }
}
