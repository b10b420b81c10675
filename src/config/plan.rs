//! `[tenant.plan]`: the declared move, read and held against what the tenant has.
//!
//! Promised: a plan that was read can be carried out with what the tenant configures.

use std::time::Duration;

use super::section::Section;
use super::source::{At, nearest};
use super::values::{self, DURATION, INSTANT};
use crate::router::plan::{Acknowledgement, Plan, Stage, Step, Zone};
use crate::time::Wall;

const STAGE: &str = "`legacy`, `ramp 10 %` (0 to 100) or `miaw`";
/// Nobody plans further ahead of a removal than this; a longer margin is a typing error.
const LONGEST_MARGIN: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads the section; what is absent keeps its default.
pub(super) fn read(section: Section<'_>, has_legacy: bool) -> Plan {
    let d = Plan::default();
    let found = section.cx.found;
    let zone = section.read("zone", d.zone, "an IANA name, e.g. \"Europe/Berlin\"", |name| {
        values::zone_rules(name)?;
        Zone::named(name).ok_or_else(|| format!("`{name}` is not a known zone"))
    });
    let removal = section.read("removal", d.removal, INSTANT, values::instant);
    let margin = section.read("margin", d.margin, DURATION, |text| {
        values::duration(text, Duration::ZERO, LONGEST_MARGIN)
    });
    let (steps, places): (Vec<Step>, Vec<At>) =
        section.sections("step").into_iter().filter_map(step).unzip();
    let vouched = section.section("acknowledgement").map(|s| (s.at(), acknowledgement(s)));
    let (vouched_at, acknowledgement) = vouched.unzip();
    let acknowledgement = acknowledgement.flatten();
    section.finish();
    let plan = Plan { removal, margin, zone, steps, acknowledgement, has_legacy, ..d };
    for (pair, at) in plan.steps.windows(2).zip(places.iter().skip(1)) {
        if let [before, step] = pair
            && step.at <= before.at
        {
            let message = format!("{} does not come after the step before, {}", step.at, before.at);
            found.problem(at.says(message).expected("steps in the order of their instants"));
        }
    }
    for (step, at) in plan.steps.iter().zip(&places) {
        if !step.stage.uses_legacy() {
            continue;
        }
        if !has_legacy {
            let message = format!("`{}` needs the legacy service, which is not named", step.stage);
            found.problem(at.says(message).expected("a section [tenant.legacy]"));
        } else if let Some(why) = ignored(&plan, step) {
            found.note(at.says(why).help("see `acknowledgement` in docs/configuration.md"));
        }
    }
    if let (Some(at), Some(vouched)) = (vouched_at, &plan.acknowledgement) {
        acknowledgement_notes(&plan, vouched, |message| found.note(at.says(message)));
    }
    plan
}

fn step(section: Section<'_>) -> Option<(Step, At)> {
    let at = section.required("at", INSTANT);
    let stage = section.required("stage", STAGE);
    let found = section.cx.found;
    section.finish();
    let (at, stage) = (at?, stage?);
    let instant = values::instant(&at.value);
    let parsed = Stage::parse(&stage.value);
    if let Err(message) = &instant {
        found.problem(at.at.says(message.clone()).expected(INSTANT));
    }
    if parsed.is_err() {
        let word = stage.value.split_whitespace().next().unwrap_or_default();
        let mut problem = stage.at.says(format!("`{}` is not a stage", stage.value));
        problem = problem.expected(STAGE);
        if let Some(near) = nearest(word, ["legacy", "ramp", "miaw"].into_iter())
            && near != word
        {
            problem = problem.help(format!("did you mean `{near}`?"));
        }
        found.problem(problem);
    }
    Some((Step { at: instant.ok()?, stage: parsed.ok()? }, at.at))
}

fn acknowledgement(section: Section<'_>) -> Option<Acknowledgement> {
    let until: Option<Wall> = match section.required("until", INSTANT) {
        Some(text) => match values::instant(&text.value) {
            Ok(until) => Some(until),
            Err(message) => {
                section.cx.found.problem(text.at.says(message).expected(INSTANT));
                None
            }
        },
        None => None,
    };
    let by = section.required("by", "who vouches that legacy still answers");
    let reason = section.required("reason", "why legacy still answers after its removal");
    section.finish();
    Some(Acknowledgement { until: until?, by: by?.value, reason: reason?.value })
}

/// Why a step that wants legacy will not get it, if so.
fn ignored(plan: &Plan, step: &Step) -> Option<String> {
    let vouched = plan.acknowledgement.as_ref().is_some_and(|a| step.at < a.until);
    if step.at < plan.last_call() || vouched {
        return None;
    }
    let (from, removal) = (plan.last_call(), plan.removal);
    Some(format!(
        "`{}` has no effect: from {from} (the margin before the removal at {removal}) legacy starts \
         no chats unless that is acknowledged",
        step.stage
    ))
}

fn acknowledgement_notes(plan: &Plan, vouched: &Acknowledgement, say: impl Fn(String)) {
    if vouched.until <= plan.last_call() {
        say(format!("has no effect: it ends before the margin begins at {}", plan.last_call()));
    } else if !plan.steps.iter().any(|step| step.stage.uses_legacy()) {
        say("has no effect without a step that says `legacy` or `ramp`".to_owned());
    } else {
        say(format!("legacy gets new chats after its removal, until {}", vouched.until));
    }
}
