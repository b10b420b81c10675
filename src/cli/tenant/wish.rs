//! The verbs that change something, as the bodies the API takes.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

/// The largest report that is read for its evidence.
const REPORT_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// New chats follow a stage: legacy, shadow, ramp n %, miaw, complete
    Stage(Stage),
    /// Lifts a stage: new chats follow the file's steps again
    Follow(Scoped),
    /// New chats go to legacy again
    Rollback(Scoped),
    /// No moves from now on, and no later step of the file begins
    Freeze(Plain),
    /// Moves again
    Unfreeze(Plain),
    /// Legacy starts no chats in a window, to show what its end will be like
    Brownout(Window),
    /// Ends the running window and drops planned ones
    EndBrownout(Plain),
    /// Vouches that legacy still answers until an instant
    Acknowledge(Until),
    /// Nobody vouches for legacy any more
    Withdraw(Plain),
    /// Records the result of a dry run, from its JSON report
    Evidence(Evidence),
    /// The sighting of the removal was wrong: the clock had been set forward
    UndoPastRemoval(Plain),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The tenant's id
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// Why; the change list keeps it
    #[arg(long)]
    why: String,
    /// The number of the last change you have seen; what the API says now unless given
    #[arg(long, value_name = "NUMBER")]
    expected: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Plain {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct Stage {
    #[command(flatten)]
    common: Common,
    /// legacy, shadow, "ramp 10 %", miaw or complete
    #[arg(value_name = "STAGE", num_args = 1..=3, required = true)]
    stage: Vec<String>,
    /// Only chats of this button
    #[arg(long, value_name = "ID")]
    button: Option<String>,
    /// Without a fresh dry run; --why is the written reason
    #[arg(long)]
    without_evidence: bool,
    /// Vouches that legacy still answers until then
    #[arg(long, value_name = "INSTANT")]
    acknowledged_until: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Scoped {
    #[command(flatten)]
    common: Common,
    /// Only chats of this button
    #[arg(long, value_name = "ID")]
    button: Option<String>,
    /// With `follow`: without a fresh dry run; --why is the written reason
    #[arg(long)]
    without_evidence: bool,
    /// With `rollback`: vouches that legacy still answers until then
    #[arg(long, value_name = "INSTANT")]
    acknowledged_until: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Window {
    #[command(flatten)]
    common: Common,
    /// Its first instant
    #[arg(long, value_name = "INSTANT")]
    from: String,
    /// The first instant after it
    #[arg(long, value_name = "INSTANT")]
    until: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Until {
    #[command(flatten)]
    common: Common,
    /// The statement holds before this instant
    #[arg(long, value_name = "INSTANT")]
    until: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Evidence {
    #[command(flatten)]
    common: Common,
    /// What `dry-run --json` wrote for this tenant
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
}

/// What is asked of the API.
pub(super) struct Wish {
    pub(super) tenant: String,
    pub(super) why: String,
    pub(super) expected: Option<u64>,
    pub(super) action: Value,
}

impl Verb {
    /// What to ask for, or what is wrong with the arguments.
    pub(super) fn wish(&self) -> Result<Wish, String> {
        let (common, action) = match self {
            Self::Stage(stage) => (&stage.common, stage.action()),
            Self::Follow(scoped) => {
                if scoped.acknowledged_until.is_some() {
                    return Err("`follow` takes no --acknowledged-until".to_owned());
                }
                (&scoped.common, scoped.action("follow"))
            }
            Self::Rollback(scoped) => {
                if scoped.without_evidence {
                    return Err("a roll-back needs no evidence".to_owned());
                }
                (&scoped.common, scoped.action("rollBack"))
            }
            Self::Freeze(plain) => (&plain.common, json!({ "kind": "freeze" })),
            Self::Unfreeze(plain) => (&plain.common, json!({ "kind": "unfreeze" })),
            Self::Brownout(window) => {
                let (from, until) = (&window.from, &window.until);
                (&window.common, json!({ "kind": "brownout", "from": from, "until": until }))
            }
            Self::EndBrownout(plain) => (&plain.common, json!({ "kind": "endBrownout" })),
            Self::Acknowledge(until) => {
                (&until.common, json!({ "kind": "acknowledge", "until": until.until }))
            }
            Self::Withdraw(plain) => (&plain.common, json!({ "kind": "withdrawAcknowledgement" })),
            Self::Evidence(evidence) => {
                (&evidence.common, report(&evidence.report, &evidence.common.tenant)?)
            }
            Self::UndoPastRemoval(plain) => (&plain.common, json!({ "kind": "undoPastRemoval" })),
        };
        Ok(Wish {
            tenant: common.tenant.clone(),
            why: common.why.clone(),
            expected: common.expected,
            action,
        })
    }
}

impl Stage {
    fn action(&self) -> Value {
        let stage = self.stage.join(" ");
        let mut action = json!({ "kind": "stage", "stage": stage });
        put(&mut action, "button", self.button.as_ref());
        put(&mut action, "acknowledgedUntil", self.acknowledged_until.as_ref());
        if self.without_evidence {
            action["withoutEvidence"] = true.into();
        }
        action
    }
}

impl Scoped {
    fn action(&self, kind: &str) -> Value {
        let mut action = json!({ "kind": kind });
        put(&mut action, "button", self.button.as_ref());
        put(&mut action, "acknowledgedUntil", self.acknowledged_until.as_ref());
        if self.without_evidence {
            action["withoutEvidence"] = true.into();
        }
        action
    }
}

fn put(action: &mut Value, name: &str, value: Option<&String>) {
    if let Some(value) = value {
        action[name] = value.as_str().into();
    }
}

/// The evidence in a report: its hash, its instant, how many errors it found.
fn report(path: &Path, tenant: &str) -> Result<Value, String> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?.len();
    if size > REPORT_BYTES_MAX {
        return Err(format!("{shown} has {size} bytes, at most {REPORT_BYTES_MAX} are read"));
    }
    let text = std::fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    let report: Value = serde_json::from_slice(&text)
        .map_err(|_| format!("{shown} is not JSON; `dry-run --json --out FILE` writes it"))?;
    evidence(&report, tenant).ok_or_else(|| {
        format!(
            "{shown} is no report about `{tenant}`; `dry-run --json --tenant {tenant}` makes one"
        )
    })
}

fn evidence(report: &Value, tenant: &str) -> Option<Value> {
    let tenants = report.get("tenants")?.as_array()?;
    let about = tenants.iter().any(|one| one["id"] == tenant);
    let hash = report.get("evidence_hash")?.as_str()?;
    let made_at = report.get("as_of")?.as_str()?;
    let errors = report.get("summary")?.get("errors")?.as_u64()?;
    let looked = report.get("evidence").and_then(Value::as_array);
    let mappings = looked.into_iter().flatten().filter(|looked| looked["kind"] == "mapping");
    let mappings: Vec<&Value> = mappings.filter_map(|looked| looked.get("sha256")).collect();
    about.then(|| {
        let mut action = json!({
            "kind": "evidence", "hash": hash, "madeAt": made_at, "errors": errors,
        });
        if !mappings.is_empty() {
            action["mappings"] = json!(mappings);
        }
        action
    })
}
