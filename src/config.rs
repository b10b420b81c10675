//! What the operator declares: one TOML file, optionally one more file per tenant.
//!
//! Promised: strict (an unknown key is a problem), every problem at once with file, line and key,
//! every default in `docs/configuration.md` and in the `Default` of the section's type. Nothing is
//! contacted and no clock is read.

pub mod admin;
pub mod availability;
pub mod behaviour;
pub mod capture;
pub mod cluster;
pub mod difference;
pub mod egress;
pub mod identity;
pub mod limits;
pub mod problem;
pub mod secrets;
pub mod shadow;
pub mod tenant;
pub mod tls;

mod base_url;
mod load;
pub mod mapping;
mod plan;
mod section;
mod source;
pub(crate) mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use admin::AdminConfig;
pub use availability::AvailabilityConfig;
pub(crate) use base_url::is_salesforce;
pub use behaviour::{Behaviour, Delivery, FILE_TYPES, Overlap, Sequence};
pub use capture::CaptureConfig;
pub use cluster::ClusterConfig;
pub use difference::{Difference, Written};
pub use egress::Egress;
pub use identity::Identity;
pub use limits::Limits;
pub use load::{Loaded, load, load_str, load_with};
pub use problem::{Note, Problem, Problems};
pub use secrets::Secret;
pub use shadow::ShadowConfig;
pub use source::Env;
pub use tenant::{Legacy, Miaw, Tenant};

use crate::serve::TlsFiles;

/// Where the bridge listens unless the file says otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// The database's file unless the configuration says otherwise.
pub const DEFAULT_STORE_PATH: &str = "bridge.sqlite";

/// A whole configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The address of the facade.
    pub listen: SocketAddr,
    /// The admin API's own listener; `None`: there is none.
    pub admin: Option<AdminConfig>,
    /// Where chats are kept.
    pub store: StoreConfig,
    /// At least one; ids and hosts are unique.
    pub tenants: Vec<Tenant>,
    /// Every bound of the process.
    pub limits: Limits,
    /// How Salesforce is reached.
    pub egress: Egress,
    /// The panic file: it need not be there.
    pub panic_file: Option<PathBuf>,
    /// The certificate of the facade's listener; `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
}

impl Config {
    /// The tenant of this id.
    #[must_use]
    pub fn tenant(&self, id: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == id)
    }

    /// The tenant of a `Host` header (port and letter case do not matter), or the only one.
    #[must_use]
    pub fn tenant_for_host(&self, host: &str) -> Option<&Tenant> {
        let name = host_name(host);
        let named = self.tenants.iter().find(|t| t.hosts.contains(&name));
        match self.tenants.as_slice() {
            [only] => named.or(Some(only)),
            _ => named,
        }
    }
}

impl Tenant {
    /// Whether a `Host` header names this tenant.
    #[must_use]
    pub fn is_at(&self, host: &str) -> bool {
        self.hosts.contains(&host_name(host))
    }
}

/// The name in a `Host` header: lower case, without port and without a final dot.
fn host_name(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Where chats are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// In this process only: gone with it. For demos and tests.
    Memory,
    /// An SQLite database.
    Sqlite {
        /// Its file; relative paths in a file count from that file's folder.
        path: PathBuf,
        /// The keys that seal what is stored; without one the store keeps `<path>.keys`.
        key_ring: Option<Secret>,
    },
    /// A PostgreSQL database.
    Postgres {
        /// `postgres://user:password@host/database`.
        url: Secret,
        /// Authorities that are trusted besides the system's: `[egress] extra_ca_file`.
        extra_ca_file: Option<PathBuf>,
        /// The keys that seal what is stored, the same on every node.
        key_ring: Secret,
        /// `[cluster]`: this bridge is one of several; `None`: it has the database alone.
        cluster: Option<ClusterConfig>,
    },
}
