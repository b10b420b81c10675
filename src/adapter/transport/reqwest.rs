//! The production transport.
//!
//! Promised: no redirects, no decompression, no retries, no proxy but the configured one; requests
//! that are held or streamed use HTTP/1.1 connections of their own (`held`).

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::reqwest::{Certificate, Client, ClientBuilder, NoProxy, Proxy, redirect, retry};
use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::held::{Held, Settings};
use super::names::{self, Lookup, Names};
use super::{LongLived, Transport, TransportError};
use crate::config::{Egress, Limits, Secret};

/// How long an unused connection is kept; below the idle limit of usual load balancers.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// The production transport. Clones are one.
#[derive(Clone, Debug)]
pub struct Reqwest(Arc<RwLock<Clients>>);

/// One for requests that are answered at once, one for those that are held.
#[derive(Clone, Debug)]
pub struct Clients {
    prompt: Client,
    held: Held,
}

/// Why the transport could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The proxy's address; it may hold a password and is not shown.
    #[error("`egress.proxy` is not an address such as http://proxy.example:3128")]
    Proxy(#[source] ::reqwest::Error),
    /// The file of authorities cannot be read.
    #[error("`egress.extra_ca_file` {path} cannot be read; give a readable PEM file")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no certificates.
    #[error("`egress.extra_ca_file` {0} holds no PEM certificates")]
    NoCertificates(PathBuf),
    /// The client could not be built.
    #[error("the HTTP client could not be set up")]
    Client(#[source] ::reqwest::Error),
    /// TLS could not be set up.
    #[error("TLS towards Salesforce could not be set up: {0}")]
    Tls(#[source] rustls::Error),
}

impl Reqwest {
    /// Reads the file of authorities and sets both clients up; contacts nobody.
    ///
    /// # Errors
    /// When the proxy's address or the file of authorities is of no use.
    pub fn new(egress: &Egress, limits: &Limits) -> Result<Self, EgressError> {
        Self::looking_up(egress, limits, names::system())
    }

    /// The same with a way of looking names up that is not the system's.
    ///
    /// # Errors
    /// The same.
    pub fn looking_up(
        egress: &Egress,
        limits: &Limits,
        lookup: Lookup,
    ) -> Result<Self, EgressError> {
        Ok(Self(Arc::new(RwLock::new(Clients::looking_up(egress, limits, lookup)?))))
    }

    /// Requests that begin from now on use these clients; those that run keep theirs.
    pub fn replace(&self, clients: Clients) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = clients;
    }

    fn clients(&self) -> Clients {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Clients {
    /// Reads the file of authorities and sets both clients up; contacts nobody.
    ///
    /// # Errors
    /// When the proxy's address or the file of authorities is of no use.
    pub fn new(egress: &Egress, limits: &Limits) -> Result<Self, EgressError> {
        Self::looking_up(egress, limits, names::system())
    }

    fn looking_up(egress: &Egress, limits: &Limits, lookup: Lookup) -> Result<Self, EgressError> {
        let pem = authorities(egress)?;
        let connect = Duration::from_secs(limits.connect_seconds as u64);
        let names = Names::new(lookup, egress.private_addresses);
        let prompt = builder(egress, connect, &pem)?.dns_resolver(Arc::new(names.clone()));
        let prompt = prompt.build().map_err(EgressError::Client)?;
        let settings = Settings {
            proxy: egress.proxy.as_ref().map(Secret::reveal),
            no_proxy: egress.no_proxy.join(","),
            authorities: CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect(),
            connect,
            idle: IDLE_CONNECTION,
            names,
        };
        let held = Held::new(settings).map_err(EgressError::Tls)?;
        Ok(Self { prompt, held })
    }
}

/// The file of authorities; empty when none is named.
fn authorities(egress: &Egress) -> Result<Vec<u8>, EgressError> {
    let Some(path) = &egress.extra_ca_file else { return Ok(Vec::new()) };
    let read = std::fs::read(path);
    read.map_err(|source| EgressError::CaFile { path: path.clone(), source })
}

fn builder(egress: &Egress, connect: Duration, pem: &[u8]) -> Result<ClientBuilder, EgressError> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE_CONNECTION);
    if let Some(proxy) = &egress.proxy {
        let spared = NoProxy::from_string(&egress.no_proxy.join(","));
        let proxy = Proxy::all(proxy.reveal()).map_err(EgressError::Proxy)?;
        builder = builder.proxy(proxy.no_proxy(spared));
    }
    if let Some(path) = &egress.extra_ca_file {
        let found = Certificate::from_pem_bundle(pem).unwrap_or_default();
        if found.is_empty() {
            return Err(EgressError::NoCertificates(path.clone()));
        }
        builder = builder.tls_certs_merge(found);
    }
    Ok(builder)
}

#[async_trait]
impl Transport for Reqwest {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let streams = request
            .headers()
            .get(header::ACCEPT)
            .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
        let held = streams || request.extensions().get::<LongLived>().is_some();
        let clients = self.clients();
        let asked = async {
            if held {
                let asked = clients.held.send(request).await;
                return asked
                    .map(|response| response.map(Body::new))
                    .map_err(|error| failure(&host, &error, error.is_connect(), true));
            }
            let request = ::reqwest::Request::try_from(request)
                .map_err(|error| failure(&host, &error, false, false))?;
            match clients.prompt.execute(request).await {
                Ok(response) => Ok(Response::from(response).map(Body::new)),
                Err(error) => Err(failure(&host, &error, error.is_connect(), !error.is_builder())),
            }
        };
        match tokio::time::timeout(within, asked).await {
            Ok(answered) => answered,
            Err(_) => {
                let cause = format!("{host} did not answer within {} s", within.as_secs());
                Err(TransportError { sent: true, cause })
            }
        }
    }
}

/// Host and causes; without the address, whose query may name somebody.
fn failure(host: &str, error: &dyn Error, connecting: bool, sent: bool) -> TransportError {
    let what = if connecting { "cannot connect to" } else { "request failed at" };
    let mut cause = format!("{what} {host}");
    let mut source = error.source();
    while let Some(inner) = source {
        cause.push_str(": ");
        cause.push_str(&inner.to_string());
        source = inner.source();
    }
    TransportError { sent: sent && !connecting, cause }
}
