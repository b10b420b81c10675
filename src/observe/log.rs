//! The log: one line per thing worth knowing, on standard error.
//!
//! Promised: no message text, name, e-mail, token or key is ever passed to it; a chat is named by
//! its id. `LIVEAGENT_BRIDGE_LOG` sets the level and the modules (`info`, `debug`,
//! `liveagent_bridge::adapter=debug` …).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The environment variable that sets the level.
pub const VARIABLE: &str = "LIVEAGENT_BRIDGE_LOG";

/// Starts logging; `json` for machines. A second call changes nothing.
pub fn start(json: bool) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    // Only a test that starts it twice can fail here, and it loses nothing.
    let _ = if json { log.json().try_init() } else { log.compact().try_init() };
}
