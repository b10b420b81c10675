//! The part of a tenant's report that needs more than mapping and documents: channel, captured
//! chats, calendar, forecast, the agent's view.
//!
//! Promised: captured pre-chats are translated by the same calls as live ones, with placeholder
//! values, once per distinct shape and button.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::agent_view::{self, Lossiness, Seen};
use super::channel;
use super::codes::platform::{CH202, CH205, CH206, TR150};
use super::codes::prechat::{PC036, PC037, PC038};
use super::codes::values::{PC110, PC153, PC154};
use super::dry_run::{Sample, Tenant};
use super::finding::{Code, Finding};
use super::forecast::{self, ButtonCalendar, Day, Straddle};
use super::platform;
use super::shadow::{self, Shadowed};
use super::sources::{Setup, Sources};
use super::traffic::{self, Figures, Named, Traffic};
use crate::mapping;
use crate::mapping::limits::{MAX_OPENING_PART_LEN, MESSAGES_PER_MINUTE};
use crate::mapping::translation::Field;
use crate::metadata::Channel;
use crate::time::Wall;

/// The document that findings about captured chats belong to.
const CAPTURED: &str = "captured chats";
/// The document that findings about shadow counts belong to.
const SHADOW: &str = "shadow counts";
/// Codes that names alone can show; the others would speak of placeholder values.
const BY_NAMES: [Code; 8] = [CH202, CH205, CH206, PC036, PC037, PC038, PC153, PC154];

/// What the further sources tell about a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outlook {
    /// The file of the channel the attributes were compared with.
    pub channel: Option<String>,
    /// The router's answers, T−30 to T+7.
    pub calendar: Vec<Day>,
    /// The same for each button whose chats go elsewhere; all others share the tenant's.
    pub button_calendars: Vec<ButtonCalendar>,
    /// Chats and the removal.
    pub straddle: Option<Straddle>,
    /// Captured chats.
    pub captured: Option<Captured>,
    /// What live traffic showed, in counts.
    pub shadow: Option<Shadowed>,
    /// What the agent sees, before and after.
    pub agent_view: Vec<Seen>,
    /// How much is lost.
    pub lossiness: Lossiness,
}

impl Outlook {
    /// Whose calendar it is, in one line.
    #[must_use]
    pub fn shared_calendar(&self) -> String {
        if self.button_calendars.is_empty() {
            return "All buttons share this calendar.".to_owned();
        }
        let own: Vec<&str> = self.button_calendars.iter().map(|c| c.button.as_str()).collect();
        format!("All buttons share this calendar, except {}.", own.join(", "))
    }
}

/// Captured chats in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Captured {
    /// How many.
    pub chats: usize,
    /// The first start.
    pub from: String,
    /// The last start.
    pub to: String,
    /// Days from the last start to the report's instant; negative when that is earlier.
    pub age_days: i64,
    /// Distinct pre-chats, by button.
    pub shapes: usize,
    /// Chats whose pre-chat was one too many to translate.
    pub not_translated: usize,
    /// In seconds.
    pub durations: Figures,
    /// Chats by button; the empty name stands for none.
    pub buttons: BTreeMap<String, usize>,
    /// Every detail that was seen.
    pub fields: Vec<CapturedField>,
}

/// A captured detail in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CapturedField {
    /// The label, or what stands for it.
    pub source: String,
    /// The attribute key.
    pub key: Option<String>,
    /// Lengths in UTF-16 units.
    pub lengths: Figures,
    /// The limit they are held against; absent when nothing is sent.
    pub limit: Option<usize>,
    /// How many were longer.
    pub over: usize,
}

/// A finding and the document it belongs to.
type Found = Vec<(Option<String>, Finding)>;

/// What a tenant's translated shapes came to.
#[derive(Default)]
struct Shapes {
    places: BTreeMap<Named, Field>,
    samples: Vec<Sample>,
    findings: Vec<Finding>,
}

/// Builds the outlook and completes the findings and the rules in use.
pub(super) fn build(
    tenant: &Tenant,
    sources: &Sources,
    as_of: Wall,
    samples: &[Sample],
    found: &mut Found,
    rules_used: &mut BTreeSet<usize>,
) -> Outlook {
    let setup = sources.setups.get(&tenant.id);
    let traffic = sources.traffic.get(&tenant.id);
    let shapes = traffic.map(|t| shapes(tenant, t, rules_used)).unwrap_or_default();
    let captured = || Some(CAPTURED.to_owned());
    found.extend(shapes.findings.iter().map(|f| (captured(), f.clone())));
    let channel = setup.and_then(|setup| sources.metadata.channel_of(&setup.deployment));
    if let Some(channel) = channel {
        against(channel, tenant, samples, &shapes, found);
    }
    if let Some(traffic) = traffic {
        let own = tenant.button_id.as_str();
        let buttons = platform::buttons(own, &tenant.mapping, traffic);
        found.extend(buttons.into_iter().map(|f| (captured(), f)));
        found.extend(too_long(traffic, &shapes, channel).into_iter().map(|f| (captured(), f)));
    }
    let own = sources.found.iter().filter(|(id, _)| *id == tenant.id);
    found.extend(own.map(|(_, finding)| (captured(), finding.clone())));
    let mut straddle = None;
    if let Some(setup) = setup {
        let has_buttons = sources.metadata.legacy().next().is_some();
        let general = platform::differences(channel, has_buttons);
        found.extend(general.into_iter().map(|f| (None, f)));
        let capacity = platform::capacity(&sources.metadata);
        found.extend(capacity.into_iter().map(|f| (None, f)));
        found.extend(forecast::zone(&setup.plan).map(|f| (None, f)));
        straddle = ahead(setup, sources, traffic, found);
    }
    let shown = traffic.and_then(|traffic| figures(traffic, &shapes, channel, as_of));
    let shadow = shadowed(&tenant.id, setup, sources, as_of, found);
    let plan = setup.map(|setup| &setup.plan);
    let seen = if samples.is_empty() { &shapes.samples } else { samples };
    let (agent_view, lossiness) = agent_view::view(&tenant.mapping, seen);
    Outlook {
        channel: channel.map(|channel| channel.file().to_owned()),
        calendar: plan.map(|p| forecast::calendar(p, None, as_of)).unwrap_or_default(),
        button_calendars: plan.map(|p| forecast::button_calendars(p, as_of)).unwrap_or_default(),
        straddle,
        captured: shown,
        shadow,
        agent_view,
        lossiness,
    }
}

/// Shadow counts, and what they show beyond everything that was found before.
fn shadowed(
    id: &str,
    setup: Option<&Setup>,
    sources: &Sources,
    as_of: Wall,
    found: &mut Found,
) -> Option<Shadowed> {
    let mapping = setup.and_then(|setup| setup.mapping_sha256.as_deref());
    let sum = shadow::sum(sources.shadow.get(id)?, mapping, as_of)?;
    let mut known: BTreeSet<&str> = found.iter().map(|(_, f)| f.code.entry().id).collect();
    // Live translation knows no channel; its metadata, where given, has answered these.
    known.extend([CH202, CH205, CH206].map(|code| code.entry().id));
    let new = shadow::findings(&sum, &known);
    found.extend(new.into_iter().map(|f| (Some(SHADOW.to_owned()), f)));
    Some(sum)
}

/// Token life and the removal.
fn ahead(
    setup: &Setup,
    sources: &Sources,
    traffic: Option<&Traffic>,
    found: &mut Found,
) -> Option<Straddle> {
    found.push((None, forecast::token(setup, sources, traffic)));
    let (life, _) = forecast::token_life(setup, sources);
    let max_chat_s = life.saturating_sub(setup.token_grace_s);
    let (straddle, findings) = forecast::straddle(setup, traffic?, max_chat_s)?;
    found.extend(findings.into_iter().map(|f| (None, f)));
    Some(straddle)
}

/// Translates every captured shape.
fn shapes(tenant: &Tenant, traffic: &Traffic, rules_used: &mut BTreeSet<usize>) -> Shapes {
    let mut shapes = Shapes::default();
    let mut seen = BTreeSet::new();
    for (button, shape) in traffic.documents() {
        let button = if button.is_empty() { &tenant.button_id } else { &button };
        let text = traffic::document(&shape);
        let deployment = &tenant.deployment_id;
        let translated = mapping::translate(&tenant.mapping, &text, button, deployment);
        let Ok(translation) = translated else { continue };
        rules_used.extend(&translation.rules_used);
        for finding in translation.findings {
            let known = BY_NAMES.contains(&finding.code);
            if known && seen.insert((finding.code, finding.message.clone())) {
                shapes.findings.push(Finding { path: under(&finding.path), ..finding });
            }
        }
        for field in &translation.fields {
            if let Some(named) = detail(&field.path).and_then(|i| shape.get(i)) {
                shapes.places.entry(named.clone()).or_insert_with(|| field.clone());
            }
        }
        shapes.samples.push(Sample {
            document: CAPTURED.to_owned(),
            routing_attributes: BTreeMap::new(),
            opening_message: None,
            language: None,
            fields: translation.fields,
        });
    }
    shapes
}

/// `prechatDetails[3]` is 3.
fn detail(path: &str) -> Option<usize> {
    let rest = path.strip_prefix("prechatDetails[")?;
    rest.split(']').next()?.parse().ok()
}

fn under(path: &str) -> String {
    format!("captured.{path}")
}

/// Compares documents and captured shapes with the channel.
fn against(
    channel: &Channel,
    tenant: &Tenant,
    samples: &[Sample],
    shapes: &Shapes,
    found: &mut Found,
) {
    // The channel's file answers what was only asked before.
    found.retain(|(_, f)| ![CH202, CH205, CH206].contains(&f.code));
    found.extend(channel::state(channel).into_iter().map(|f| (None, f)));
    let mut keys = BTreeSet::new();
    for sample in samples {
        let compared = channel::compare(channel, &tenant.mapping, &sample.fields);
        found.extend(compared.into_iter().map(|f| (Some(sample.document.clone()), f)));
        keys.extend(sample.fields.iter().filter_map(|f| f.key.clone()));
    }
    let mut seen = BTreeSet::new();
    for sample in &shapes.samples {
        for finding in channel::compare(channel, &tenant.mapping, &sample.fields) {
            let new = seen.insert((finding.code, finding.message.clone()));
            if finding.code != PC110 && new {
                let path = under(&finding.path);
                found.push((Some(CAPTURED.to_owned()), Finding { path, ..finding }));
            }
        }
        keys.extend(sample.fields.iter().filter_map(|f| f.key.clone()));
    }
    if !keys.is_empty() {
        found.extend(channel::unfed(channel, &keys).into_iter().map(|f| (None, f)));
    }
}

fn limit(field: &Field, channel: Option<&Channel>) -> usize {
    let key = field.key.as_deref();
    let max = key.and_then(|key| channel?.parameter(key)?.max_len);
    max.map_or(field.limit, |max| max.min(field.limit))
}

fn longer(lengths: &[u64], limit: usize) -> usize {
    lengths.iter().filter(|length| usize::try_from(**length).is_ok_and(|l| l > limit)).count()
}

/// Captured values that do not fit their parameter (`PC110`), or a minute (`TR150`).
fn too_long(traffic: &Traffic, shapes: &Shapes, channel: Option<&Channel>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (named, field) in &shapes.places {
        let Some(key) = &field.key else { continue };
        let lengths = traffic.lengths(named);
        let limit = limit(field, channel);
        let over = longer(lengths, limit);
        if over == 0 {
            continue;
        }
        let f = Figures::of(lengths.to_vec());
        let message = format!(
            "`{key}`: {over} of {} captured values are longer than {limit} UTF-16 units (p50 {}, \
             p95 {}, p99 {}, longest {})",
            f.count, f.p50, f.p95, f.p99, f.max
        );
        findings.push(PC110.at(format!("captured.{}", field.source), message));
        let minute = MAX_OPENING_PART_LEN * MESSAGES_PER_MINUTE;
        let slow = longer(lengths, minute);
        if slow > 0 {
            let message = format!(
                "`{key}`: {slow} of {} captured values need more than {MESSAGES_PER_MINUTE} \
                 messages, which is what MIAW takes in a minute",
                f.count
            );
            findings.push(TR150.at(format!("captured.{}", field.source), message));
        }
    }
    findings
}

fn figures(
    traffic: &Traffic,
    shapes: &Shapes,
    channel: Option<&Channel>,
    as_of: Wall,
) -> Option<Captured> {
    const DAY: i64 = 24 * 60 * 60 * 1_000;
    let (from, to) = traffic.span()?;
    let field = |named: &Named| {
        let place = shapes.places.get(named);
        let lengths = traffic.lengths(named);
        let limit = place.filter(|f| f.key.is_some()).map(|f| limit(f, channel));
        CapturedField {
            source: named.label.clone(),
            key: place.and_then(|f| f.key.clone()),
            lengths: Figures::of(lengths.to_vec()),
            limit,
            over: limit.map(|limit| longer(lengths, limit)).unwrap_or_default(),
        }
    };
    Some(Captured {
        chats: traffic.chats(),
        from: from.to_string(),
        to: to.to_string(),
        age_days: as_of.millis_since(to).div_euclid(DAY),
        shapes: shapes.samples.len(),
        not_translated: traffic.shapes_left_out,
        durations: traffic.durations(),
        buttons: traffic.buttons.clone(),
        fields: traffic.named().map(field).collect(),
    })
}
