//! The admin listener of a real process, from its token to its stop.

use std::io::Write as _;

use crate::program::{Program, run};
use crate::site::Site;
use crate::visitor::http;

const SECRET: &str = "a secret of forty bytes, for tests only!";
const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n[[admin.key]]\nalgorithm = \"HS256\"\n\
    secret = { env = \"ADMIN_SECRET\" }\n";

#[tokio::test]
async fn a_process_with_an_admin_listener_is_watched_and_steered() {
    let site = Site::new("none").await;
    let mut config = std::fs::OpenOptions::new().append(true).open(site.config()).unwrap();
    config.write_all(ADMIN.as_bytes()).unwrap();
    let config = site.config();
    let config = config.to_str().unwrap();
    let secret = [("ADMIN_SECRET", SECRET)];
    let mut bridge = Program::start(&["serve", "--config", config], &secret, &site.log());
    let admin = bridge.line("admin").await;
    bridge.line("listening").await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = http().get(format!("{admin}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    let answer = http().get(format!("{admin}/admin/v1/tenants")).send().await.unwrap();
    assert_eq!(answer.status(), 401);

    let args = ["admin", "token", "--config", config, "--role", "operate", "--subject", "pat"];
    let made = run(&args, &secret).await;
    assert_eq!(made.code, Some(0), "{}", made.log);
    let env = [("BRIDGE_ADMIN_URL", &*admin), ("BRIDGE_ADMIN_TOKEN", made.out.trim())];
    let frozen = run(&["tenant", "freeze", "example", "--why", "a rest"], &env).await;
    assert_eq!(frozen.code, Some(0), "{}", frozen.log);
    let history = run(&["tenant", "history", "example"], &env).await;
    assert!(history.out.contains("freeze") && history.out.contains("pat"), "{}", history.out);

    bridge.terminate();
    let ended = bridge.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains(SECRET) && !ended.log.contains(made.out.trim()));
}
