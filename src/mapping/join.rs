//! Joins details with declared entity fields (rules R3 and R4).

use std::collections::BTreeMap;

use super::notes::{Notes, quoted};
use super::prechat::{Entity, Prechat, Target};
use crate::report::codes::prechat::{PC012, PC013, PC018, PC020};

/// Gives every detail its targets in declared spelling and reports what does not join.
pub(super) fn join(prechat: &mut Prechat, notes: &mut Notes) {
    declared_once(&prechat.entities, notes);
    let entities = std::mem::take(&mut prechat.entities);
    let labels = labels(&entities);
    let squashed: BTreeMap<String, &str> = labels.keys().map(|l| (squash(l), *l)).collect();
    for detail in &mut prechat.details {
        for (i, target) in detail.targets.iter_mut().enumerate() {
            respell(target, &entities, &format!("{}.entityMaps[{i}]", detail.path), notes);
        }
        let Some(label) = detail.label.as_deref() else { continue };
        match labels.get(label) {
            Some(joined) => {
                for target in joined {
                    if !detail.targets.iter().any(|t| t.is(&target.entity, &target.field)) {
                        detail.targets.push(target.clone());
                    }
                }
            }
            None => {
                let near = squashed.get(&squash(label)).filter(|near| !squash(near).is_empty());
                if let Some(near) = near {
                    let message = format!("{} is not {}", quoted(label), quoted(near));
                    notes.add(PC013.at(format!("{}.label", detail.path), message));
                }
            }
        }
    }
    never_fed(&entities, prechat, notes);
    prechat.entities = entities;
}

fn labels(entities: &[Entity]) -> BTreeMap<&str, Vec<Target>> {
    let mut labels: BTreeMap<&str, Vec<Target>> = BTreeMap::new();
    for entity in entities {
        for field in &entity.fields {
            let Some(label) = field.label.as_deref() else { continue };
            let target = Target { entity: entity.name.clone(), field: field.field.clone() };
            labels.entry(label).or_default().push(target);
        }
    }
    labels
}

fn declared_once(entities: &[Entity], notes: &mut Notes) {
    for (i, entity) in entities.iter().enumerate() {
        if entities[..i].iter().any(|e| e.name.eq_ignore_ascii_case(&entity.name)) {
            let message = format!("{} is declared before", quoted(&entity.name));
            notes.add(PC020.at(format!("{}.entityName", entity.path), message));
        }
    }
}

/// The declaration's spelling wins (R3).
fn respell(target: &mut Target, entities: &[Entity], path: &str, notes: &mut Notes) {
    let given = target.entity.clone();
    let mut named = entities.iter().filter(|e| e.name.eq_ignore_ascii_case(&given));
    let Some(first) = named.clone().next() else { return };
    if !named.clone().any(|e| e.name == target.entity) {
        let message = format!("{} is declared as {}", quoted(&target.entity), quoted(&first.name));
        notes.add(PC012.at(format!("{path}.entityName"), message));
        target.entity.clone_from(&first.name);
    }
    let field = named
        .find_map(|e| e.fields.iter().find(|f| f.field.eq_ignore_ascii_case(&target.field)))
        .filter(|f| f.field != target.field);
    if let Some(field) = field {
        let message = format!("{} is declared as {}", quoted(&target.field), quoted(&field.field));
        notes.add(PC012.at(format!("{path}.fieldName"), message));
        target.field.clone_from(&field.field);
    }
}

fn never_fed(entities: &[Entity], prechat: &Prechat, notes: &mut Notes) {
    for entity in entities {
        for field in &entity.fields {
            let targets = prechat.details.iter().flat_map(|d| &d.targets);
            if !targets.into_iter().any(|t| t.is(&entity.name, &field.field)) {
                let name = format!("{}.{}", entity.name, field.field);
                notes.add(
                    PC018.at(field.path.clone(), format!("no detail feeds {}", quoted(&name))),
                );
            }
        }
    }
}

/// Letters and digits in lower case: what is left when case, blanks and punctuation do not count.
fn squash(label: &str) -> String {
    label.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
