//! TLS of a listener: one certificate, exchanged while connections live.
//!
//! Promised: TLS 1.2 and 1.3, HTTP/1.1 alone by ALPN; a handshake that begins after a certificate
//! was exchanged gets the new one, connections that live are not touched; files that are no good
//! leave the old certificate in force and say why. Not promised: client certificates, several
//! certificates by name, a look at expiry, which clients take.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// How often the files are looked at for a new certificate.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The largest file that is read; chains are a few kilobytes.
const FILE_BYTES: u64 = 1 << 20;
const HTTP_1_1: &[u8] = b"http/1.1";

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate, followed by those that lead to an authority.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS#8, PKCS#1 or SEC1), without a password.
    pub key: PathBuf,
}

/// Which of the two files is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The certificate.
    Certificate,
    /// The key.
    Key,
}

/// Why a certificate cannot be used. The text names files and causes, never contents.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TlsError {
    /// The file that is wrong.
    pub which: Which,
    /// What is wrong with it.
    pub message: String,
    /// What it should be.
    pub expected: &'static str,
}

/// What a look at the files came to.
#[derive(Debug)]
pub enum Looked {
    /// They are the ones in force, or the ones that were refused before.
    Same,
    /// Another certificate is in force.
    Renewed,
    /// They are new and no good; the old certificate stays in force.
    Kept(TlsError),
}

/// The TLS of a listener. Clones share the certificate.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    acceptor: TlsAcceptor,
    in_force: Arc<InForce>,
    source: Mutex<Source>,
}

struct Source {
    files: TlsFiles,
    /// What the files looked like when they were read last.
    seen: Option<[Stamp; 2]>,
}

/// When it was written, how long it is, and which file it is: enough to tell that a file was
/// written or exchanged.
type Stamp = (Option<SystemTime>, u64, u64);

/// The certificate that the next handshake gets.
struct InForce(Mutex<Arc<CertifiedKey>>);

impl InForce {
    fn get(&self) -> MutexGuard<'_, Arc<CertifiedKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InForce")
    }
}

impl ResolvesServerCert for InForce {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().clone())
    }
}

impl Tls {
    /// Reads both files. Blocks for a moment.
    ///
    /// # Errors
    /// Says which file is of no use, and why.
    pub fn new(files: TlsFiles) -> Result<Self, TlsError> {
        let Pair { source, key } = Pair::read(files)?;
        let in_force = Arc::new(InForce(Mutex::new(Arc::new(key))));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(|error| TlsError {
            which: Which::Certificate,
            message: format!("TLS cannot be set up: {error}"),
            expected: "TLS 1.2 and 1.3 in this build",
        })?;
        let mut config = config.with_no_client_auth().with_cert_resolver(in_force.clone());
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let source = Mutex::new(source);
        Ok(Self(Arc::new(Shared { acceptor, in_force, source })))
    }

    /// Looks at the files and takes a new certificate into use. Blocks for a moment.
    pub fn look(&self) -> Looked {
        let mut source = self.source();
        let seen = stamps(&source.files);
        if seen.is_some() && seen == source.seen {
            return Looked::Same;
        }
        let before = std::mem::replace(&mut source.seen, seen);
        match read(&source.files) {
            Ok(pair) => self.put(pair),
            // Files that are missing have no stamp: said once, not at every look.
            Err(_) if seen.is_none() && before.is_none() => Looked::Same,
            Err(error) => Looked::Kept(error),
        }
    }

    /// The next handshake gets this certificate, and its files are looked at from now on.
    pub fn replace(&self, pair: Pair) {
        let mut source = self.source();
        *source = pair.source;
        self.put(pair.key);
    }

    /// Looks at the files every [`LOOK_EVERY`] and tells the log what came of it.
    pub async fn keep_fresh(self, clock: Clock, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = clock.until(clock.now().mono.plus(LOOK_EVERY)) => {}
                () = shutdown.cancelled() => return,
            }
            let tls = self.clone();
            let files = self.source().files.clone();
            let path = files.certificate.display();
            match tokio::task::spawn_blocking(move || tls.look()).await {
                Ok(Looked::Same) | Err(_) => {}
                Ok(Looked::Renewed) => tracing::info!("a new certificate is in use: {path}"),
                Ok(Looked::Kept(error)) => {
                    let expected = error.expected;
                    tracing::error!(
                        "the new certificate is not used, the old one stays: {error}; \
                         expected: {expected}"
                    );
                }
            }
        }
    }

    /// The handshake of one connection.
    pub(super) async fn handshake<T>(&self, stream: T) -> std::io::Result<TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.acceptor.accept(stream).await
    }

    fn put(&self, pair: CertifiedKey) -> Looked {
        let mut in_force = self.0.in_force.get();
        if in_force.cert == pair.cert {
            return Looked::Same;
        }
        *in_force = Arc::new(pair);
        Looked::Renewed
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.0.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.source().files).finish_non_exhaustive()
    }
}

/// A certificate and its key, read and found to fit.
pub struct Pair {
    source: Source,
    key: CertifiedKey,
}

impl Pair {
    /// Reads both files. Blocks for a moment.
    ///
    /// # Errors
    /// Says which file is of no use, and why.
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        // Before they are read: what is written meanwhile is seen by the next look.
        let seen = stamps(&files);
        let key = read(&files)?;
        Ok(Self { source: Source { files, seen }, key })
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("files", &self.source.files).finish_non_exhaustive()
    }
}

fn stamps(files: &TlsFiles) -> Option<[Stamp; 2]> {
    let stamp = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok(), meta.len(), meta.ino()))
    };
    Some([stamp(&files.certificate)?, stamp(&files.key)?])
}

/// Reads both files and holds them against each other.
fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    const CHAIN: &str = "a PEM file: the certificate, then those that lead to an authority";
    const KEY: &str = "a PEM file with the private key of the certificate, without a password";
    let wrong = |which, expected| move |message: String| TlsError { which, message, expected };
    let no_chain = wrong(Which::Certificate, CHAIN);
    let no_key = wrong(Which::Key, KEY);
    let path = files.certificate.display();
    let text = contents(&files.certificate).map_err(no_chain)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|e| no_chain(format!("`{path}` is not whole: {}", pem_error(&e))))?;
    if chain.is_empty() {
        return Err(no_chain(format!("`{path}` holds no certificate")));
    }
    let key_path = files.key.display();
    let text = contents(&files.key).map_err(no_key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let sealed = text.windows(b"ENCRYPTED".len()).any(|part| part == b"ENCRYPTED");
        no_key(match (sealed, error) {
            (true, _) => format!("`{key_path}` is sealed with a password"),
            (_, pem::Error::NoItemsFound) => format!("`{key_path}` holds no private key"),
            (_, error) => format!("`{key_path}` is not whole: {}", pem_error(&error)),
        })
    })?;
    let provider = aws_lc_rs::default_provider();
    let signer = provider.key_provider.load_private_key(key).map_err(|_| {
        no_key(format!("`{key_path}` holds a private key of a kind that TLS does not use"))
    })?;
    let pair = CertifiedKey::new(chain, signer);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(pair)
        }
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(no_key(format!("`{key_path}` is not the key of the first certificate in `{path}`")))
        }
        Err(_) => Err(no_chain(format!("the first certificate in `{path}` cannot be read"))),
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let cannot = |error| format!("`{shown}` cannot be read: {error}");
    if std::fs::metadata(path).map_err(cannot)?.len() > FILE_BYTES {
        return Err(format!("`{shown}` is larger than {FILE_BYTES} bytes"));
    }
    std::fs::read(path).map_err(cannot)
}

/// The library's own words would quote the file.
fn pem_error(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section does not begin as it should",
        pem::Error::Base64Decode(_) => "it is not base64",
        _ => "it cannot be read",
    }
}
