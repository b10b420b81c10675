//! The console's files: what is served, how heavy, under which policy. What it does in a browser is
//! tested in tests/browser.

use std::collections::BTreeSet;

use liveagent_bridge::admin::console::FILES;
use liveagent_bridge::config::{Config, DEFAULT_LISTEN, Egress, Limits, StoreConfig};

use crate::admin::{Api, quiet_bridge};
use crate::stage::{Got, tenant};

/// What the whole console may weigh, in bytes.
const WEIGHT_MAX: usize = 200_000;

/// A small installation.
pub(crate) fn config() -> Config {
    Config {
        listen: DEFAULT_LISTEN,
        admin: None,
        store: StoreConfig::Memory,
        tenants: vec![tenant("acme")],
        limits: Limits::default(),
        egress: Egress::default(),
        panic_file: None,
        tls: None,
    }
}

async fn api() -> Api {
    Api::new(quiet_bridge(config()).await)
}

async fn get(api: &Api, path: &str) -> Got {
    api.raw("GET", path).await
}

#[tokio::test]
async fn every_file_is_served_with_its_type_and_a_strict_policy() {
    let api = api().await;
    for (name, kind, text) in &FILES {
        let path = format!("/console/{name}");
        let got = get(&api, &path).await;
        assert_eq!(got.status, 200, "{path}");
        assert_eq!(got.text, *text, "{path}");
        let wanted = match name.rsplit_once('.').map_or("html", |(_, end)| end) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            "json" => "application/json",
            other => panic!("{path}: no type for {other}"),
        };
        assert_eq!((*kind, &got.headers["content-type"]), (wanted, &wanted.parse().unwrap()));
        let policy = got.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(got.headers[name], value, "{path}");
        }
    }
}

#[tokio::test]
async fn the_root_leads_to_the_console_and_nothing_else_is_there() {
    let api = api().await;
    for path in ["/", "/console"] {
        let got = get(&api, path).await;
        assert_eq!(
            (got.status.as_u16(), &got.headers["location"]),
            (307, &"/console/".parse().unwrap())
        );
    }
    for path in [
        "/console/nothing.js",
        "/console/../Cargo.toml",
        "/console/%2e%2e/a",
        "/console/index.html",
    ] {
        assert_eq!(get(&api, path).await.status, 404, "{path}");
    }
    assert_eq!(api.raw("POST", "/console/").await.status, 404);
    assert_eq!(api.raw("HEAD", "/console/").await.status, 200);
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let api = api().await.without_console();
    for path in ["/", "/console", "/console/", "/console/main.js"] {
        assert_eq!(get(&api, path).await.status, 404, "{path}");
    }
    api.get("/admin/v1/status").await;
}

#[test]
fn all_of_it_is_light() {
    let weight: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
    assert!(weight < WEIGHT_MAX, "{weight} bytes");
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_every_file_that_is_named_is_there() {
    let known: BTreeSet<&str> = FILES.iter().map(|(name, _, _)| *name).collect();
    for (name, kind, text) in &FILES {
        let own = text.replace("http://www.w3.org/", "");
        let sample = name.starts_with("samples/");
        assert!(sample || !own.contains("http:") && !own.contains("https:"), "{name}");
        let named: Vec<&str> = match *kind {
            "text/javascript; charset=utf-8" => text.split("from './").skip(1).collect(),
            "text/html; charset=utf-8" => text
                .split("src=\"")
                .skip(1)
                .chain(text.split("<link rel=\"icon\" href=\"").skip(1))
                .chain(text.split("<link rel=\"stylesheet\" href=\"").skip(1))
                .collect(),
            _ => Vec::new(),
        };
        for rest in named {
            let file = rest.split(['\'', '"']).next().unwrap();
            assert!(known.contains(file), "{name} names {file}");
        }
    }
}

#[test]
fn names_become_text_and_no_script_or_style_stands_in_the_page() {
    for (name, kind, text) in &FILES {
        for never in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text.contains(never), "{name} has {never}");
        }
        if kind.starts_with("text/html") {
            assert!(!text.contains("<style") && !text.contains("style=") && !text.contains(" on"));
            let scripts = text.matches("<script").count();
            assert_eq!(scripts, text.matches("></script>").count(), "an inline script");
        }
    }
}

#[test]
fn the_token_is_kept_in_the_tab_only() {
    for (name, _, text) in &FILES {
        assert!(!text.contains("document.cookie"), "{name}");
        assert!(*name == "theme.js" || !text.contains("localStorage"), "{name}");
    }
}

#[test]
fn every_address_that_is_asked_is_in_the_document() {
    let routes: Vec<&str> =
        liveagent_bridge::admin::routes::ROUTES.iter().map(|route| route.path).collect();
    for (name, _, text) in FILES.iter().filter(|(name, _, _)| name.ends_with(".js")) {
        for rest in text.split("/admin/v1/").skip(1) {
            let path = rest.split(['\'', '`', '?', '"']).next().unwrap();
            let path: Vec<&str> = path
                .split('/')
                .map(|part| if part.starts_with("${") { "{}" } else { part })
                .collect();
            let fits = |route: &&str| {
                let route: Vec<&str> = route.trim_start_matches("/admin/v1/").split('/').collect();
                let same = |(a, b): (&&str, &&str)| a == b || *b == "{}" && a.starts_with('{');
                route.len() == path.len() && route.iter().zip(&path).all(same)
            };
            assert!(routes.iter().any(fits), "{name}: {path:?}");
        }
    }
}
