//! The address of the server, or of several servers of which one takes writes.
//!
//! Promised: what was read can be tried; an error says what is wrong and never shows the address,
//! which holds a password. The names are those of PostgreSQL's own clients, in one point stricter:
//! `sslmode=require` verifies certificate and host name, as `verify-full` does, which may be
//! written too. Not here: whether anybody answers there.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use super::pool::chain;

/// The longest wait for a server to take a connection, per address of its name.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long what was sent may stay unacknowledged before a connection counts as lost.
const ACKNOWLEDGE_WAIT: Duration = Duration::from_secs(10);
/// The most servers that an address names.
const SERVERS_MAX: usize = 8;
/// What `sslmode` may be.
const MODES: [&str; 4] = ["disable", "prefer", "require", "verify-full"];

/// One server of the address.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// As it was written: host and port.
    pub(super) name: String,
    /// The host alone, to which its certificate must belong.
    pub(super) host: String,
    pub(super) config: Config,
}

/// Looks whether an address can be used, without connecting to it.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub fn look_at(url: &str) -> Result<(), String> {
    read(url).map(drop)
}

/// Every server of an address, in the order written; at least one.
pub(super) fn read(url: &str) -> Result<Vec<Server>, String> {
    let all = verified(url)?.parse::<Config>().map_err(|error| chain(&error))?;
    if all.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
        return Err("`target_session_attrs=read-only` names servers that take no writes; say \
                    `read-write`, or nothing, which means the same here"
            .to_owned());
    }
    let count = all.get_hosts().len().max(all.get_hostaddrs().len());
    let (hosts, addresses) = (all.get_hosts().len(), all.get_hostaddrs().len());
    let ports = all.get_ports().len();
    if count == 0 {
        return Err("it names no host".to_owned());
    }
    if count > SERVERS_MAX {
        return Err(format!("it names {count} hosts, at most {SERVERS_MAX} are tried"));
    }
    if hosts > 0 && addresses > 0 && hosts != addresses || ports > 1 && ports != count {
        return Err("hosts, `hostaddr` and ports are not as many".to_owned());
    }
    Ok((0..count).map(|n| server(&all, n)).collect())
}

/// The address with `sslmode=verify-full` in the words of our driver.
fn verified(url: &str) -> Result<String, &'static str> {
    let Some((address, query)) = url.rsplit_once('?') else { return Ok(url.to_owned()) };
    let mut pairs = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "verify-full")) => pairs.push("sslmode=require"),
            Some(("sslmode", mode)) if !MODES.contains(&mode) => {
                return Err("`sslmode` is `disable`, `prefer` or `require`, which verifies \
                            certificate and host name; `verify-full` means the same");
            }
            Some(("sslrootcert", _)) => {
                return Err("`sslrootcert` is not known here: name the authority's file in \
                            `[egress] extra_ca_file`");
            }
            _ => pairs.push(pair),
        }
    }
    Ok(format!("{address}?{}", pairs.join("&")))
}

/// The n-th server alone, with everything that the address says of all.
fn server(all: &Config, n: usize) -> Server {
    let mut config = Config::new();
    let ports = all.get_ports();
    let port = ports.get(n).or_else(|| ports.first()).copied().unwrap_or(5_432);
    config.port(port);
    let mut host = String::new();
    match all.get_hosts().get(n) {
        Some(Host::Tcp(name)) => {
            host.clone_from(name);
            config.host(name);
        }
        #[cfg(unix)]
        Some(Host::Unix(path)) => {
            host = path.display().to_string();
            config.host_path(path);
        }
        None => {}
    }
    if let Some(address) = all.get_hostaddrs().get(n) {
        if host.is_empty() {
            host = address.to_string();
        }
        config.hostaddr(*address);
    }
    all.get_user().map(|user| config.user(user));
    all.get_password().map(|password| config.password(password));
    all.get_dbname().map(|name| config.dbname(name));
    all.get_options().map(|options| config.options(options));
    config.application_name(all.get_application_name().unwrap_or("liveagent-bridge"));
    config.ssl_mode(all.get_ssl_mode()).ssl_negotiation(all.get_ssl_negotiation());
    config.channel_binding(all.get_channel_binding());
    config.keepalives(all.get_keepalives()).keepalives_idle(all.get_keepalives_idle());
    all.get_keepalives_interval().map(|every| config.keepalives_interval(every));
    all.get_keepalives_retries().map(|times| config.keepalives_retries(times));
    config.connect_timeout(CONNECT_WAIT).tcp_user_timeout(ACKNOWLEDGE_WAIT);
    // A server that takes no writes is of no use, even if it is the only one.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    Server { name: format!("{host}:{port}"), host, config }
}

#[cfg(test)]
mod tests {
    use super::{read, verified};

    fn names(url: &str) -> Vec<String> {
        read(url).unwrap().into_iter().map(|server| server.name).collect()
    }

    #[test]
    fn every_host_is_a_server_of_its_own() {
        assert_eq!(names("postgres://u:p@a/db"), ["a:5432"]);
        assert_eq!(names("postgres://u:p@a:1,b:2/db?sslmode=require"), ["a:1", "b:2"]);
        assert_eq!(
            names("postgres://u@a,b/db?target_session_attrs=read-write"),
            ["a:5432", "b:5432"]
        );
        assert_eq!(names("postgres:///db?user=u&host=/run/postgresql"), ["/run/postgresql:5432"]);
        assert_eq!(
            names("postgres://u@/db?hostaddr=127.0.0.1,127.0.0.2"),
            ["127.0.0.1:5432", "127.0.0.2:5432"]
        );
        let both = read("postgres://u:p@a,b/db?options=-c%20x%3D1&connect_timeout=1").unwrap();
        for server in both {
            assert_eq!(server.config.get_hosts().len(), 1);
            assert_eq!(server.config.get_password(), Some(&b"p"[..]));
            assert_eq!(server.config.get_options(), Some("-c x=1"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_address() {
        let nine = format!("postgres://u:secret@{}/db", ["h"; 9].join(","));
        for (url, says) in [
            ("postgres://u:secret@a/db?sslmode=verify-ca", "`sslmode` is `disable`"),
            ("postgres://u:secret@a/db?sslmode=allow", "`verify-full` means the same"),
            ("postgres://u:secret@a/db?sslrootcert=/ca.pem", "`[egress] extra_ca_file`"),
            ("postgres://u:secret@a/db?target_session_attrs=read-only", "take no writes"),
            ("postgres://u:secret@a:x/db", "port"),
            ("postgres://u:secret@a,b/db?hostaddr=127.0.0.1", "not as many"),
            ("postgres:///db?user=secret", "names no host"),
            (&nine, "names 9 hosts, at most 8"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn verify_full_is_require() {
        let both = "postgres://u:sslmode=verify-full@a/db?a=b&sslmode=verify-full";
        let wanted = "postgres://u:sslmode=verify-full@a/db?a=b&sslmode=require";
        assert_eq!(verified(both), Ok(wanted.to_owned()));
        assert_eq!(verified("postgres://u@a/db"), Ok("postgres://u@a/db".to_owned()));
    }
}
