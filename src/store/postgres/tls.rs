//! TLS to the server, by the certificates that the system trusts and those of a file.
//!
//! Promised: `sslmode=require` in the address means a verified certificate and host name; `prefer`,
//! the default, uses TLS where the server offers it and verifies it then, and never goes on without
//! TLS because of what it found; a certificate that is refused is refused with the reason and what
//! to do. Not here: channel binding and client certificates.

use std::error::Error;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::CertificateError::{
    BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
    NotValidYetContext, UnknownIssuer,
};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};

use super::open::OpenError;
use super::pool::chain;

/// Makes connectors for hosts.
#[derive(Clone)]
pub(super) struct Connector {
    config: Arc<ClientConfig>,
}

impl Connector {
    /// Trusts the system's authorities and those of a PEM file.
    pub(super) fn new(extra_ca_file: Option<&Path>) -> Result<Self, OpenError> {
        let cannot = |error: rustls::Error| OpenError::Tls(error.to_string());
        let authorities = extra_ca_file.map_or(Ok(Vec::new()), authorities)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(authorities, provider.clone());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(cannot)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.map_err(cannot)?))
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let cannot = |error: &dyn std::fmt::Display| {
        let path = path.display();
        OpenError::Tls(format!("`egress.extra_ca_file` {path} cannot be read: {error}"))
    };
    let pem = std::fs::read(path).map_err(|error| cannot(&error))?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| cannot(&format!("{error:?}")))
}

/// What kept TLS from being used, in words that say what to do; `None` for any other error.
pub(super) fn explain(error: &tokio_postgres::Error, host: &str) -> Option<String> {
    let text = chain(error);
    if text.contains("server does not support TLS") {
        return Some(format!(
            "{host} does not speak TLS, which `sslmode=require` demands; set `ssl = on` there"
        ));
    }
    let theirs = error.source()?.downcast_ref::<io::Error>()?;
    let rustls::Error::InvalidCertificate(why) = theirs.get_ref()?.downcast_ref()? else {
        return Some(format!("TLS with {host} failed: {text}"));
    };
    let whose = format!("the certificate of {host}");
    Some(match why {
        UnknownIssuer | BadSignature => format!(
            "{whose} is of no authority that is trusted here; name the authority's PEM file in \
             `[egress] extra_ca_file`"
        ),
        NotValidForName => format!("{whose} is for another name; {RENAME}"),
        NotValidForNameContext { presented, .. } => {
            format!("{whose} is for another name, {}; {RENAME}", presented.join(", "))
        }
        Expired | ExpiredContext { .. } => format!("{whose} has expired; give it a new one"),
        NotValidYet | NotValidYetContext { .. } => {
            format!("{whose} is not valid yet; look at the clocks")
        }
        why if format!("{why:?}").contains("CaUsedAsEndEntity") => format!(
            "{whose} is that of an authority; give the server one that the authority issued"
        ),
        why => format!("{whose} is refused: {why:?}"),
    })
}

const RENAME: &str = "use a name that it is for in `[store] url`, or give the server one for this";

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Encrypted;
    type TlsConnect = ToHost;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<ToHost, Self::Error> {
        // Asked for before it is known whether TLS is used: a socket file has no name.
        let host = ServerName::try_from(host.to_owned());
        Ok(ToHost { connector: self.config.clone().into(), host })
    }
}

/// Connects to one host.
pub(super) struct ToHost {
    connector: tokio_rustls::TlsConnector,
    host: Result<ServerName<'static>, InvalidDnsNameError>,
}

impl TlsConnect<Socket> for ToHost {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let host = self.host.map_err(io::Error::other)?;
            let stream = self.connector.connect(host, socket).await?;
            Ok(Encrypted(Box::new(stream)))
        })
    }
}

/// A connection under TLS.
pub(super) struct Encrypted(Box<tokio_rustls::client::TlsStream<Socket>>);

impl tokio_postgres::tls::TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
