//! Holds the build budget of the design: a cold build must stay within minutes on two cores. Time
//! is not measured here, the things that spend it are: packages, crypto providers and profiles.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

/// Names in `Cargo.lock`, other platforms' and tests' included. It stood at 248 when the cap was
/// set; the room is for the drivers that the design still plans, not for convenience crates.
const MAX_LOCKED_PACKAGES: usize = 320;

/// Packages really compiled into the program on this platform: 172 when the cap was set. Each costs
/// about a second of the cold build on two cores.
const MAX_BUILT_PACKAGES: usize = 220;

fn manifest(name: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{name} is not TOML: {error}"))
}

/// The `name version` of each package that cargo builds for the program itself.
fn built() -> BTreeSet<String> {
    let arguments = "tree --locked --offline --edges normal,build --prefix none --no-dedupe";
    let output = Command::new(env!("CARGO"))
        .args(arguments.split(' '))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    text.lines().map(name).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_number_of_packages_is_capped() {
    let lock = manifest("Cargo.lock");
    let locked = lock["package"].as_array().unwrap().len();
    let advice = "see docs/dependencies.md for what a dependency must be worth, then drop one";
    assert!(
        locked <= MAX_LOCKED_PACKAGES,
        "Cargo.lock names {locked} packages, at most {MAX_LOCKED_PACKAGES}: {advice}"
    );
    let built = built().len();
    assert!(
        built <= MAX_BUILT_PACKAGES,
        "the program is built from {built} packages, at most {MAX_BUILT_PACKAGES}: {advice}"
    );
}

/// `ring` may stand in `Cargo.lock`, where optional dependencies of others are listed; what counts
/// is that it is never built.
#[test]
fn one_crypto_provider_is_built() {
    let built = built();
    let has = |name: &str| built.iter().any(|package| package.split(' ').next() == Some(name));
    assert!(has("aws-lc-rs"), "aws-lc-rs is the crypto provider and must be in the tree");
    for other in ["ring", "openssl", "openssl-sys", "native-tls", "rustls-graviola"] {
        let advice = "find who brings it with `cargo tree -i` and turn that feature off";
        assert!(!has(other), "{other} is built beside aws-lc-rs: {advice}");
    }
}

#[test]
fn the_profiles_are_those_of_the_design() {
    let cargo = manifest("Cargo.toml");
    let profiles = cargo["profile"].as_table().unwrap();
    let setting = |profile: &str, key: &str| profiles[profile].get(key).cloned();
    let text = |value: &str| Some(Value::from(value));

    let line_tables = text("line-tables-only");
    assert_eq!(setting("dev", "debug"), line_tables, "full debug information slows every build");
    let lto = setting("release", "lto");
    assert!(
        lto.is_none() || lto == Some(Value::from(false)) || lto == text("off"),
        "the release build has LTO {lto:?}; only `dist` may, release must build in six minutes"
    );
    assert_eq!(setting("dist", "inherits"), text("release"));
    assert_eq!(setting("dist", "lto"), text("thin"), "`dist` is for benches and packages");
}
