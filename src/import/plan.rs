//! Which mapping files a tenant gets: one for all chats, and one for each group of buttons whose
//! pre-chat differs from that of others.
//!
//! Promised: every file loads, no two claim the same button, and the file for all chats knows every
//! field that was found anywhere, for clients that name no button.

use std::collections::{BTreeMap, BTreeSet};

use super::buttons::{Button, SOURCE_BUTTON};
use super::fact::{Document, Facts, Place};
use super::id;
use super::mapping_file::{self, Attribute};
use super::problem::Problem;
use crate::mapping::limits::MAX_MAPPING_FILES;
use crate::mapping::{self, Mapping};
use crate::metadata::Channel;
use crate::report::finding::Severity;

/// One mapping file.
pub(super) struct Plan {
    /// Its path under the folder that is written.
    pub(super) path: String,
    /// The buttons it is for; all others when there are none here.
    pub(super) buttons: Vec<String>,
    pub(super) attributes: Vec<Attribute>,
    /// What stands in its first line.
    head: String,
}

impl Plan {
    pub(super) fn text(&self) -> String {
        mapping_file::compose(&self.head, &self.buttons, &self.attributes)
    }
}

/// The files, the one for all chats first; none when no pre-chat was found and one button serves.
pub(super) fn make(
    tenant: &str,
    facts: &mut Facts,
    channel: Option<&Channel>,
    table: &mut [Button],
) -> Vec<Plan> {
    resolve(facts, table);
    let mut problems = channel.map(mapping_file::illegal).unwrap_or_default();
    let mut common = mapping_file::attributes(facts.documents.iter(), channel, &mut problems);
    let several = source_button(table);
    let extra = several.filter(|_| !common.iter().any(|a| a.key == SOURCE_BUTTON));
    let extra = extra.map(|place| mapping_file::source_button(channel, place));
    common.extend(extra.clone());
    let mut plans = Vec::new();
    if !common.is_empty() {
        let head = format!("Pre-chat of {tenant}");
        let path = format!("mappings/{tenant}.toml");
        plans.push(Plan { path, buttons: Vec::new(), attributes: common, head });
    }
    let groups = groups(facts, channel, &mut problems);
    if groups.len() > 1 {
        for (attributes, buttons) in groups {
            if plans.len() >= MAX_MAPPING_FILES {
                let message = format!(
                    "button {} gets no mapping file of its own: {MAX_MAPPING_FILES} are the most",
                    buttons.join(", ")
                );
                problems.push(Problem::about(Severity::Warning, "", message));
                continue;
            }
            let attributes = attributes.into_iter().chain(extra.clone()).collect();
            plans.push(of_buttons(tenant, attributes, buttons, table, &plans));
        }
    }
    for button in table.iter_mut() {
        let own = |p: &&Plan| button.id.as_ref().is_some_and(|id| p.buttons.contains(id));
        let plan = plans.iter().find(own).or(plans.first());
        button.mapping = plan.map(|plan| plan.path.clone());
    }
    facts.problems.extend(problems);
    plans
}

/// Ids as the button table has them; a button known by its developer name gets its id.
fn resolve(facts: &mut Facts, table: &[Button]) {
    for document in &mut facts.documents {
        let mut ids: BTreeSet<String> =
            document.buttons.iter().filter_map(|id| id::salesforce(id, "573").ok()).collect();
        if let Some(name) = &document.component {
            let button = table.iter().find(|b| b.developer_name.as_ref() == Some(name));
            ids.extend(button.and_then(|b| b.id.clone()));
        }
        document.buttons = ids.into_iter().collect();
    }
}

/// Where the second button is named, if there is one.
fn source_button(table: &[Button]) -> Option<&Place> {
    let mut with_id = table.iter().filter(|button| button.id.is_some());
    with_id.nth(1)?.places.first()
}

/// Buttons with pre-chat of their own, together when it comes to the same attributes.
fn groups(
    facts: &Facts,
    channel: Option<&Channel>,
    problems: &mut Vec<Problem>,
) -> Vec<(Vec<Attribute>, Vec<String>)> {
    let own: BTreeSet<&String> = facts.documents.iter().flat_map(|d| &d.buttons).collect();
    let mut groups: BTreeMap<BTreeSet<(String, String)>, usize> = BTreeMap::new();
    let mut list: Vec<(Vec<Attribute>, Vec<String>)> = Vec::new();
    for button in own {
        // What belongs to no button may come from any of them.
        let of = |d: &&Document| d.buttons.is_empty() || d.buttons.contains(button);
        let documents = facts.documents.iter().filter(of);
        let attributes = mapping_file::attributes(documents, channel, problems);
        let meaning = attributes.iter().map(Attribute::meaning).collect();
        let at = *groups.entry(meaning).or_insert(list.len());
        if at == list.len() {
            list.push((attributes, Vec::new()));
        }
        list[at].1.push(button.clone());
    }
    list
}

fn of_buttons(
    tenant: &str,
    attributes: Vec<Attribute>,
    buttons: Vec<String>,
    table: &[Button],
    before: &[Plan],
) -> Plan {
    let titles: Vec<&str> = buttons
        .iter()
        .filter_map(|id| table.iter().find(|b| b.id.as_ref() == Some(id)))
        .map(Button::title)
        .collect();
    let first = buttons.first().map(String::as_str).unwrap_or_default();
    let names = [titles.first().copied().and_then(id::tenant), id::tenant(first)];
    let paths = names.into_iter().flatten().map(|name| format!("mappings/{tenant}-{name}.toml"));
    let path = paths.into_iter().find(|path| before.iter().all(|plan| plan.path != *path));
    let path = path.unwrap_or_else(|| format!("mappings/{tenant}-{}.toml", before.len()));
    let head = format!("Pre-chat of {tenant}, {}", titles.join(", "));
    Plan { path, buttons, attributes, head }
}

/// The attributes of all files, each key once.
pub(super) fn union(plans: &[Plan]) -> Vec<Attribute> {
    let mut all: Vec<Attribute> = Vec::new();
    for attribute in plans.iter().flat_map(|plan| &plan.attributes) {
        if !all.iter().any(|known| known.key == attribute.key) {
            all.push(attribute.clone());
        }
    }
    all
}

/// The composed files as `serve` will read them; one that does not load must never be written.
pub(super) fn loaded(plans: &[Plan], facts: &mut Facts) -> Mapping {
    let mut files = Vec::new();
    for plan in plans {
        match mapping::load::load(&plan.path, &plan.text()) {
            Ok(mapping) => files.push(mapping),
            Err(problems) => facts.problems.extend(problems.into_iter().map(|problem| {
                let place = Place { file: plan.path.clone(), line: problem.line };
                let message = format!("the composed mapping does not load: {}", problem.message);
                Problem::at(Severity::Error, &place, message)
            })),
        }
    }
    Mapping::together(files).unwrap_or_else(|(one, other, why)| {
        let message = format!("composed mappings {one} and {other}: {why}");
        facts.problems.push(Problem::about(Severity::Error, "", message));
        Mapping::default()
    })
}
