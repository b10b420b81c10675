//! Plans and changes as the API writes them: instants as text, words instead of types.
//!
//! Promised: what is written can be read back where both make sense (`ActionDoc`); unknown members
//! of what is read are mistakes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::values;
use crate::router::budget::BudgetRule;
use crate::router::change::{Action, Change, Effective, Evidence};
use crate::router::decide::Decision;
use crate::router::effective::{InForce, Said, Window};
use crate::router::plan::{Acknowledgement, Plan, Stage, Step};
use crate::time::Wall;

/// An instant as text; offsets and zones are read, UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Instant(pub(super) Wall);

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.0.to_string()
    }
}

impl TryFrom<String> for Instant {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        values::instant(&text).map(Self)
    }
}

/// What a change decides, as the API writes and reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind",
    deny_unknown_fields
)]
pub(super) enum ActionDoc {
    Stage {
        stage: Stage,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        button: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_evidence: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acknowledged_until: Option<Instant>,
    },
    Follow {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        button: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_evidence: bool,
    },
    RollBack {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        button: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acknowledged_until: Option<Instant>,
    },
    Freeze {},
    Unfreeze {},
    Brownout {
        from: Instant,
        until: Instant,
    },
    EndBrownout {},
    Acknowledge {
        until: Instant,
    },
    WithdrawAcknowledgement {},
    Evidence {
        hash: String,
        made_at: Instant,
        errors: u64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mappings: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<String>,
    },
    PastRemoval {
        seen: Instant,
    },
    UndoPastRemoval {},
    Unknown {},
}

impl From<ActionDoc> for Action {
    fn from(doc: ActionDoc) -> Self {
        let wall = |instant: Option<Instant>| instant.map(|instant| instant.0);
        match doc {
            ActionDoc::Stage { stage, button, without_evidence, acknowledged_until } => {
                let acknowledged_until = wall(acknowledged_until);
                Self::Stage { stage, button, without_evidence, acknowledged_until }
            }
            ActionDoc::Follow { button, without_evidence } => {
                Self::Follow { button, without_evidence }
            }
            ActionDoc::RollBack { button, acknowledged_until } => {
                Self::RollBack { button, acknowledged_until: wall(acknowledged_until) }
            }
            ActionDoc::Freeze {} => Self::Freeze,
            ActionDoc::Unfreeze {} => Self::Unfreeze,
            ActionDoc::Brownout { from, until } => Self::Brownout { from: from.0, until: until.0 },
            ActionDoc::EndBrownout {} => Self::EndBrownout,
            ActionDoc::Acknowledge { until } => Self::Acknowledge { until: until.0 },
            ActionDoc::WithdrawAcknowledgement {} => Self::WithdrawAcknowledgement,
            ActionDoc::Evidence { hash, made_at, errors, mappings, report } => {
                Self::Evidence(Evidence { hash, made_at: made_at.0, errors, mappings, report })
            }
            ActionDoc::PastRemoval { seen } => Self::PastRemoval { seen: seen.0 },
            ActionDoc::UndoPastRemoval {} => Self::UndoPastRemoval,
            ActionDoc::Unknown {} => Self::Unknown,
        }
    }
}

impl From<&Action> for ActionDoc {
    fn from(action: &Action) -> Self {
        match action {
            Action::Stage { stage, button, without_evidence, acknowledged_until } => Self::Stage {
                stage: *stage,
                button: button.clone(),
                without_evidence: *without_evidence,
                acknowledged_until: acknowledged_until.map(Instant),
            },
            Action::Follow { button, without_evidence } => {
                Self::Follow { button: button.clone(), without_evidence: *without_evidence }
            }
            Action::RollBack { button, acknowledged_until } => Self::RollBack {
                button: button.clone(),
                acknowledged_until: acknowledged_until.map(Instant),
            },
            Action::Freeze => Self::Freeze {},
            Action::Unfreeze => Self::Unfreeze {},
            Action::Brownout { from, until } => {
                Self::Brownout { from: Instant(*from), until: Instant(*until) }
            }
            Action::EndBrownout => Self::EndBrownout {},
            Action::Acknowledge { until } => Self::Acknowledge { until: Instant(*until) },
            Action::WithdrawAcknowledgement => Self::WithdrawAcknowledgement {},
            Action::Evidence(evidence) => {
                let Evidence { hash, made_at, errors, mappings, report } = evidence.clone();
                Self::Evidence { hash, made_at: Instant(made_at), errors, mappings, report }
            }
            Action::PastRemoval { seen } => Self::PastRemoval { seen: Instant(*seen) },
            Action::UndoPastRemoval => Self::UndoPastRemoval {},
            Action::Unknown => Self::Unknown {},
        }
    }
}

/// A change of the list.
pub(super) fn change(change: &Change) -> Value {
    json!({
        "number": change.number,
        "at": change.at.to_string(),
        "tenant": change.tenant,
        "who": change.who,
        "why": change.why,
        "filePlan": change.file_plan,
        "action": ActionDoc::from(&change.action),
    })
}

/// A decision and its rule.
pub(super) fn decision(decision: &Decision) -> Value {
    json!({
        "route": decision.route.code(),
        "because": decision.because.code(),
        "sentence": decision.because.to_string(),
    })
}

/// What the files declare.
pub(super) fn file(plan: &Plan) -> Value {
    let buttons: Vec<Value> = plan
        .buttons
        .iter()
        .map(|own| json!({ "button": own.button, "steps": steps(&own.steps) }))
        .collect();
    let brownouts: Vec<Value> = plan
        .brownouts
        .iter()
        .map(|window| json!({ "from": window.from.to_string(), "until": window.until.to_string() }))
        .collect();
    json!({
        "fingerprint": plan.fingerprint(),
        "removal": plan.removal.to_string(),
        "lastCall": plan.last_call().to_string(),
        "zone": plan.zone.name(),
        "hasLegacy": plan.has_legacy,
        "steps": steps(&plan.steps),
        "buttons": buttons,
        "brownouts": brownouts,
        "acknowledgement": plan.acknowledgement.as_ref().map(acknowledgement),
        "evidenceRequired": plan.evidence.required,
        "evidenceMaxAgeSeconds": plan.evidence.max_age.as_secs(),
        "budget": plan.budget.as_ref().map(budget),
    })
}

fn budget(rule: &BudgetRule) -> Value {
    json!({
        "windowSeconds": rule.window.as_secs(),
        "maxShare": rule.max_share,
        "minChats": rule.min_chats,
        "acceptWithinSeconds": rule.accept_within.as_secs(),
        "missingAfterSeconds": rule.missing_after.as_secs(),
        "missingChats": rule.missing_chats,
    })
}

fn steps(steps: &[Step]) -> Vec<Value> {
    let one = |step: &Step| json!({ "at": step.at.to_string(), "stage": step.stage.to_string() });
    steps.iter().map(one).collect()
}

fn acknowledgement(vouched: &Acknowledgement) -> Value {
    json!({
        "until": vouched.until.to_string(),
        "by": vouched.by,
        "reason": vouched.reason,
    })
}

/// What stands by changes, beside what the files declare.
pub(super) fn standing(effective: &Effective) -> Value {
    let buttons: Vec<Value> = effective
        .buttons
        .iter()
        .map(|(button, standing)| {
            let mut one = in_force(standing);
            one["button"] = button.as_str().into();
            one
        })
        .collect();
    let frozen = effective
        .frozen
        .map(|frozen| json!({ "at": frozen.at.to_string(), "number": frozen.number }));
    let evidence = effective.evidence.as_ref().map(evidence);
    let drift = effective.drift.as_ref().map(
        |drift| json!({ "number": drift.number, "recorded": drift.recorded, "file": drift.file }),
    );
    json!({
        "tenant": effective.standing.as_ref().map(in_force),
        "buttons": buttons,
        "frozen": frozen,
        "acknowledgement": effective.acknowledgement.as_ref().map(acknowledgement),
        "brownouts": effective.brownouts.iter().map(window).collect::<Vec<_>>(),
        "evidence": evidence,
        "drift": drift,
        "panic": effective.panic.map(|panic| panic.word()),
    })
}

/// The report that a move relies on.
pub(super) fn evidence(evidence: &Evidence) -> Value {
    json!({
        "hash": evidence.hash,
        "madeAt": evidence.made_at.to_string(),
        "errors": evidence.errors,
        "report": evidence.report,
    })
}

/// What is in force, since when, and who said so.
pub(super) fn in_force(in_force: &InForce) -> Value {
    let said = match in_force.said {
        Said::Step => "step",
        Said::ButtonStep => "buttonStep",
        Said::Change { .. } => "change",
        Said::RollBack { .. } => "rollBack",
    };
    json!({
        "stage": in_force.stage.to_string(),
        "since": in_force.at.to_string(),
        "said": said,
        "number": in_force.number(),
        "frozenBy": in_force.frozen,
    })
}

fn window(window: &Window) -> Value {
    json!({
        "from": window.from.to_string(),
        "until": window.until.to_string(),
        "number": window.number,
    })
}
