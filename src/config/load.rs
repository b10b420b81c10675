//! From files to a checked configuration.
//!
//! Promised: everything that can be said about the files is said at once; between tenants: unique
//! ids and hosts, and one cutover per org.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::problem::{Note, Problem, Problems};
use super::secrets::Secret;
use super::section::{Cx, Section};
use super::source::{At, Env, Found, Source};
use super::tenant::{self, Origin, Tenant};
use super::values::{self, LISTEN};
use super::{
    Config, DEFAULT_LISTEN, DEFAULT_STORE_PATH, Limits, StoreConfig, Written, egress, tls,
};
use crate::store::postgres;
use crate::store::seal::KeyRing;

/// The most tenants one configuration may name.
const MOST_TENANTS: usize = 10_000;
const SERVER: &str =
    "postgres://user:password@host:5432/database, several hosts with a comma between them";
const TENANTS: &str = "one folder and *.toml, e.g. \"tenants/*.toml\"";

/// A configuration and what is worth knowing about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Corrections and remarks; they stop nothing.
    pub notes: Vec<Note>,
    /// What was written, for the difference to another reading.
    pub written: Written,
}

/// Reads a file, the tenant files it names and the process's environment.
///
/// # Errors
/// Every problem at once.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    load_with(path, &|name| std::env::var(name).ok())
}

/// Like [`load`], with an environment of the caller's choice.
///
/// # Errors
/// Every problem at once.
pub fn load_with(path: &Path, env: Env<'_>) -> Result<Loaded, Problems> {
    let source = Source::read(path).map_err(|problem| Problems(vec![*problem]))?;
    load_source(&source, env)
}

/// Like [`load`], from a text; `base_dir` is the folder that relative paths count from.
///
/// # Errors
/// Every problem at once.
pub fn load_str(text: &str, base_dir: &Path, env: Env<'_>) -> Result<Loaded, Problems> {
    let path = base_dir.join("bridge.toml");
    load_source(&Source { path, text: text.to_owned() }, env)
}

fn load_source(main: &Source, env: Env<'_>) -> Result<Loaded, Problems> {
    let found = Found::default();
    let config = read_all(main, env, &found);
    found.wrote_bridge();
    let Found { problems, notes, written, .. } = found;
    match (config, problems.into_inner()) {
        (Some(config), problems) if problems.is_empty() => {
            Ok(Loaded { config, notes: notes.into_inner(), written: written.into_inner() })
        }
        (_, problems) => Err(Problems(problems)),
    }
}

fn read_all(main: &Source, env: Env<'_>, found: &Found) -> Option<Config> {
    let cx = Cx { source: main, env, found };
    let table = parse(cx)?;
    let root = Section::new(cx, "", &table, 0..0);
    let listen = listen(&root);
    let mut store = in_cluster(&root, store(&root));
    let limits = root.section("limits").map(Limits::read).unwrap_or_default();
    let egress = root.section("egress").map(egress::read).unwrap_or_default();
    if let StoreConfig::Postgres { extra_ca_file, .. } = &mut store {
        extra_ca_file.clone_from(&egress.extra_ca_file);
    }
    let tls = root.section("tls").and_then(tls::read);
    let admin = root.section("admin").and_then(super::admin::read);
    let written = root.sections("tenant");
    let mut any = !written.is_empty();
    let mut tenants: Vec<(Tenant, Origin)> = written.into_iter().filter_map(tenant::read).collect();
    if let Some(pattern) = root.text("tenants") {
        let files = tenant_files(main.folder(), &pattern.value).unwrap_or_else(|message| {
            found.problem(pattern.at.says(message).expected(TENANTS));
            any = true;
            Vec::new()
        });
        any |= !files.is_empty();
        tenants.extend(files.iter().filter_map(|path| tenant_file(path, env, found)));
    }
    let panic_file = root.text("panic_file").map(|text| main.folder().join(text.value));
    root.finish();
    if !any {
        let at = At { key: "tenant".to_owned(), place: main.place(&(0..0)) };
        let problem = at.says("there is no tenant").expected("at least one section [[tenant]]");
        found.problem(problem.help("copy one from bridge.example.toml"));
    }
    between_tenants(&tenants, found);
    let tenants = tenants.into_iter().map(|(tenant, _)| tenant).collect();
    Some(Config { listen, admin, store, tenants, limits, egress, panic_file, tls })
}

/// The table of a file; every mistake in its form is a problem.
fn parse<'a>(cx: Cx<'a>) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(&cx.source.text);
    if errors.is_empty() {
        return Some(table.into_inner());
    }
    for error in errors {
        let at = cx.at("", &error.span().unwrap_or(0..0));
        cx.found.problem(at.says(format!("is not TOML: {}", error.message())));
    }
    None
}

fn tenant_file(path: &Path, env: Env<'_>, found: &Found) -> Option<(Tenant, Origin)> {
    let source = Source::read(path).map_err(|problem| found.problem(*problem)).ok()?;
    let cx = Cx { source: &source, env, found };
    let table = parse(cx)?;
    tenant::read(Section::new(cx, "", &table, 0..0))
}

/// The files of `folder/*.toml`, by name.
fn tenant_files(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let Some((head, tail)) = name.split_once('*').filter(|_| !folder.contains('*')) else {
        return Err(format!("`{pattern}` has no `*` in its last part alone"));
    };
    let folder = base.join(folder);
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| format!("`{}` cannot be read: {error}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("`{pattern}` cannot be listed: {error}"))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let fits = name.len() >= head.len() + tail.len()
            && name.starts_with(head)
            && name.ends_with(tail)
            && !name.starts_with('.');
        if fits && path.is_file() {
            files.push(path);
        }
        if files.len() > MOST_TENANTS {
            return Err(format!("`{pattern}` names more than {MOST_TENANTS} files"));
        }
    }
    if files.is_empty() {
        return Err(format!("`{pattern}` names no file in `{}`", folder.display()));
    }
    files.sort();
    Ok(files)
}

fn listen(root: &Section<'_>) -> SocketAddr {
    let Some(section) = root.section_if_table("listen") else {
        return root.read("listen", DEFAULT_LISTEN, LISTEN, values::listen);
    };
    let host = section.read("host", DEFAULT_LISTEN.ip(), "an IP address", |text| {
        text.parse().map_err(|_| format!("`{text}` is not an IP address"))
    });
    let port = section.read("port", DEFAULT_LISTEN.port(), "a port, 0 to 65535", |text| {
        text.parse().map_err(|_| format!("`{text}` is not a port"))
    });
    section.finish();
    SocketAddr::new(host, port)
}

/// `[store]` with `path` or `url`, or `store = "…"` with either, and then `key_ring` beside it.
fn store(root: &Section<'_>) -> StoreConfig {
    let path = |text: &str| root.cx.source.folder().join(text);
    let (written, key_ring) = match root.section_if_table("store") {
        Some(section) => {
            let file = section.text("path").map(|text| (Secret::new(text.value), text.at));
            let url = section.secret("url");
            let key_ring = key_ring(&section);
            if let (Some(_), Some((_, at))) = (&file, &url) {
                let problem = at.says("`path` and `url` exclude each other");
                root.cx.found.problem(problem.expected("one of them"));
            }
            section.finish();
            (url.or(file), key_ring)
        }
        None => (root.secret("store"), key_ring(root)),
    };
    let Some((written, at)) = written else {
        return StoreConfig::Sqlite { path: path(DEFAULT_STORE_PATH), key_ring };
    };
    let text = written.reveal();
    if text == "memory" {
        return StoreConfig::Memory;
    }
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return StoreConfig::Sqlite { path: path(text), key_ring };
    }
    let Some(key_ring) = key_ring else {
        let problem = at.says("PostgreSQL needs a key ring that all nodes share");
        let help = "make one with `liveagent-bridge store key-ring > bridge.keys`";
        let expected = "key_ring = { file = \"bridge.keys\" } or { env = \"KEY_RING\" }";
        root.cx.found.problem(problem.expected(expected).help(help));
        return StoreConfig::Memory;
    };
    if let Err(what) = postgres::look_at(written.reveal()) {
        let problem = at.says(format!("is not the address of a PostgreSQL database: {what}"));
        root.cx.found.problem(problem.expected(SERVER));
        return StoreConfig::Memory;
    }
    StoreConfig::Postgres { url: written, extra_ca_file: None, key_ring, cluster: None }
}

/// `[cluster]`, which only a store can have that nodes share.
fn in_cluster(root: &Section<'_>, mut store: StoreConfig) -> StoreConfig {
    let Some(section) = root.section("cluster") else { return store };
    let at = section.at();
    let read = super::cluster::read(section);
    if let StoreConfig::Postgres { cluster, .. } = &mut store {
        *cluster = read;
    } else if root.cx.found.problems.borrow().is_empty() {
        let problem =
            at.says("the nodes of a cluster share one store, and this store is not shared");
        let expected = "store = \"postgres://…\" with a key_ring, the same on every node";
        root.cx.found.problem(problem.expected(expected).help("or remove the section"));
    }
    store
}

fn key_ring(section: &Section<'_>) -> Option<Secret> {
    let (secret, at) = section.secret("key_ring")?;
    // The error names lines and key names of the ring, never a key.
    if let Err(error) = KeyRing::from_secret(secret.reveal()) {
        let problem = at.says(format!("is not a key ring: {error}"));
        let expected = "{ file = \"…\" } or { env = \"…\" } with the text of a key ring";
        section.cx.found.problem(problem.expected(expected));
        return None;
    }
    Some(secret)
}

/// What only shows when all tenants are seen together.
fn between_tenants(tenants: &[(Tenant, Origin)], found: &Found) {
    let hosts: RefCell<Vec<(&str, &str)>> = RefCell::default();
    for (i, (tenant, origin)) in tenants.iter().enumerate() {
        let earlier = tenants.get(..i).unwrap_or_default();
        if let Some((_, first)) = earlier.iter().find(|(t, _)| t.id == tenant.id) {
            let message = format!("`{}` is the id of two tenants", tenant.id);
            found.problem(also(&origin.id, message, &first.id).expected("an id of its own"));
        }
        for (host, at) in tenant.hosts.iter().zip(&origin.hosts) {
            let mut hosts = hosts.borrow_mut();
            if let Some((_, owner)) = hosts.iter().find(|(h, _)| h == host) {
                let message = format!("`{host}` is named by tenant `{owner}` already");
                found.problem(at.says(message).expected("each host once"));
            }
            hosts.push((host, &tenant.id));
        }
        let org = |t: &Tenant| t.miaw.organization_id.clone();
        let same_org = earlier.iter().find(|(t, _)| org(t) == org(tenant));
        if let Some((other, _)) = same_org.filter(|(t, _)| !same_cutover(t, tenant)) {
            let message = format!(
                "tenants `{}` and `{}` share the org {} but not the cutover",
                other.id,
                tenant.id,
                org(tenant)
            );
            let problem = origin.plan.says(message).code("CF003");
            found.problem(
                problem
                    .expected("one cutover per org: its rate limits and routing are shared")
                    .help(format!(
                        "give both the same removal, margin and steps as `{}`",
                        other.id
                    )),
            );
        }
        if let Some(legacy) = &tenant.legacy
            && values::id15(&legacy.organization_id) != tenant.miaw.organization_id
        {
            let message = "the legacy half and the MIAW half name different orgs";
            found.note(origin.id.says(message).code("CF002"));
        }
    }
}

fn same_cutover(a: &Tenant, b: &Tenant) -> bool {
    let (a, b) = (&a.plan, &b.plan);
    (a.removal, a.margin, &a.steps) == (b.removal, b.margin, &b.steps)
}

fn also(at: &At, message: String, first: &At) -> Problem {
    let (file, line) = (first.place.file.display(), first.place.line);
    at.says(message).help(format!("the other one is at {file}:{line}"))
}
