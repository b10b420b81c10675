//! `[tenant.plan]`: the declared move, read and held against what the tenant has.
//!
//! Promised: a plan that was read can be carried out with what the tenant configures.

mod budget;

use std::time::Duration;

use super::section::Section;
use super::source::{At, Found, nearest};
use super::values::{self, DURATION, INSTANT};
use crate::router::plan::{
    Acknowledgement, Brownout, ButtonPlan, Deprecation, EvidenceRule, Plan, Stage, Step, Zone, id15,
};
use crate::router::propose::BROWNOUT_MAX;
use crate::time::Wall;

const STAGE: &str = "`legacy`, `shadow`, `ramp 10 %` (0 to 100), `miaw` or `complete`";
const STAGES: [&str; 5] = ["legacy", "shadow", "ramp", "miaw", "complete"];
const BUTTON: &str = "15 or 18 characters that begin with 573";
/// A dry run that is older than this shows nothing.
const OLDEST_EVIDENCE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
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
    let buttons = section.sections("button").into_iter().filter_map(button);
    let (buttons, button_places): (Vec<ButtonPlan>, Vec<(At, Vec<At>)>) = buttons.unzip();
    let brownouts =
        section.sections("brownout").into_iter().filter_map(|s| brownout(s, has_legacy));
    let brownouts = brownouts.collect();
    let evidence = section.section("evidence").map(evidence).unwrap_or_default();
    let budget = section.section("budget").map(|s| budget::read(s, has_legacy));
    let deprecation = section.section("deprecation").and_then(|s| deprecation(s, removal));
    section.finish();
    let plan = Plan {
        removal,
        margin,
        zone,
        steps,
        acknowledgement,
        has_legacy,
        buttons,
        brownouts,
        evidence,
        budget,
        deprecation,
    };
    steps_notes(&plan, &plan.steps, &places, found);
    for (i, (own, (at, places))) in plan.buttons.iter().zip(&button_places).enumerate() {
        steps_notes(&plan, &own.steps, places, found);
        if plan.buttons.iter().take(i).any(|other| other.button == own.button) {
            let message = format!("button `{}` has two lists of steps", own.button);
            found.problem(at.says(message).expected("one [[tenant.plan.button]] for each button"));
        }
    }
    if let (Some(at), Some(vouched)) = (vouched_at, &plan.acknowledgement) {
        acknowledgement_notes(&plan, vouched, |message| found.note(at.says(message)));
    }
    plan
}

/// What only shows when the steps are seen together, and with the rest of the plan.
fn steps_notes(plan: &Plan, steps: &[Step], places: &[At], found: &Found) {
    for (pair, at) in steps.windows(2).zip(places.iter().skip(1)) {
        if let [before, step] = pair
            && step.at <= before.at
        {
            let message = format!("{} does not come after the step before, {}", step.at, before.at);
            found.problem(at.says(message).expected("steps in the order of their instants"));
        }
    }
    for (i, (step, at)) in steps.iter().zip(places).enumerate() {
        let before = i.checked_sub(1).and_then(|i| steps.get(i)).map(|before| before.stage);
        if step.stage == Stage::Complete && step.at < plan.removal && before != Some(Stage::Miaw) {
            let message = "`complete` comes before the removal, and not after `miaw`";
            found.problem(at.says(message).expected("a step `miaw` before it"));
        }
        if !step.stage.uses_legacy() {
            continue;
        }
        if !plan.has_legacy {
            let message = format!("`{}` needs the legacy service, which is not named", step.stage);
            found.problem(at.says(message).expected("a section [tenant.legacy]"));
        } else if let Some(why) = ignored(plan, step) {
            found.note(at.says(why).help("see `acknowledgement` in docs/configuration.md"));
        }
    }
}

/// A button's own steps, and where it and they were written.
fn button(section: Section<'_>) -> Option<(ButtonPlan, (At, Vec<At>))> {
    let at = section.at();
    let id = section.required("id", BUTTON);
    let (steps, places): (Vec<Step>, Vec<At>) =
        section.sections("step").into_iter().filter_map(step).unzip();
    let found = section.cx.found;
    section.finish();
    let id = id?;
    if let Err(message) = values::salesforce_id(&id.value, "573") {
        found.problem(id.at.says(message).code("CF002").expected(BUTTON));
        return None;
    }
    if steps.is_empty() {
        let message = format!("button `{}` has no step", id.value);
        found.problem(at.says(message).expected("at least one [[tenant.plan.button.step]]"));
    }
    let button = id15(&id.value).to_owned();
    Some((ButtonPlan { button, steps }, (at, places)))
}

fn brownout(section: Section<'_>, has_legacy: bool) -> Option<Brownout> {
    let at = section.at();
    let found = section.cx.found;
    let instant = |key| {
        let text = section.required(key, INSTANT)?;
        let read = values::instant(&text.value);
        read.map_err(|message| found.problem(text.at.says(message).expected(INSTANT))).ok()
    };
    let (from, until) = (instant("from"), instant("until"));
    section.finish();
    let window = Brownout { from: from?, until: until? };
    let millis = u64::try_from(window.until.millis_since(window.from)).unwrap_or_default();
    if millis == 0 || Duration::from_millis(millis) > BROWNOUT_MAX {
        let hours = BROWNOUT_MAX.as_secs() / 3_600;
        let message = format!("{} to {} is no window", window.from, window.until);
        found.problem(
            at.says(message).expected(format!("`until` after `from`, by {hours} h at most")),
        );
        return None;
    }
    if !has_legacy {
        found.note(at.says("has no effect without a section [tenant.legacy]"));
    }
    Some(window)
}

fn evidence(section: Section<'_>) -> EvidenceRule {
    let d = EvidenceRule::default();
    let required = section.read("required", d.required, values::SWITCH, values::switch);
    let max_age = section.read("max_age", d.max_age, DURATION, |text| {
        values::duration(text, Duration::from_secs(60), OLDEST_EVIDENCE)
    });
    // It need not be there yet: whoever moves makes it first.
    let report = section.text("report").map(|text| section.cx.source.folder().join(text.value));
    section.finish();
    EvidenceRule { required, max_age, report }
}

fn deprecation(section: Section<'_>, removal: Wall) -> Option<Deprecation> {
    let since = section.required("since", INSTANT);
    let since = since.and_then(|text| {
        let read = values::instant(&text.value);
        let say = |message| section.cx.found.problem(text.at.says(message).expected(INSTANT));
        read.map_err(say).ok()
    });
    let sunset = section.read("sunset", removal, INSTANT, values::instant);
    let link = section.optional("link", "an address, e.g. \"https://acme.example/chat\"", |text| {
        let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.map(String::from).ok_or_else(|| format!("`{text}` is not the address of a page"))
    });
    section.finish();
    Some(Deprecation { since: since?, sunset, link })
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
        if let Some(near) = nearest(word, STAGES.into_iter())
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
