//! The published pre-chat form against the keys that the mapping file writes.

use super::token::Minted;
use super::{Findings, Told};
use crate::config::Tenant;
use crate::mapping::keys::LANGUAGE;
use crate::wire::miaw::rest::FormField;

/// Compares; without a mapping file there is nothing to compare, keys come from labels.
pub(super) fn compare(tenant: &Tenant, token: &Minted, found: &mut Findings) {
    let fields: Vec<&FormField> =
        token.config.forms.iter().flat_map(|form| &form.form_fields).collect();
    found.saw("form fields", fields.len().to_string());
    let Some(file) = tenant.mapping.as_ref().filter(|_| !fields.is_empty()) else { return };
    let mapping = &file.mapping;
    let rules = mapping.rules.iter().filter(|rule| !rule.drop);
    let longest = mapping.defaults.max_value_len;
    let ruled =
        rules.filter_map(|rule| Some((rule.to.as_deref()?, rule.max_len.unwrap_or(longest))));
    let constant = mapping.constants.iter().map(|one| (one.to.as_str(), one.value.len()));
    for (key, length) in ruled.chain(constant).filter(|(key, _)| *key != LANGUAGE) {
        let told = |code, message: String, help: String| {
            let expected = "a key of the published form, in the same spelling";
            Told { key: "mapping", code: Some(code), message, expected, help }
        };
        if let Some(field) = fields.iter().find(|field| field.name == key) {
            let most = field.max_length.and_then(|most| usize::try_from(most).ok());
            if let Some(most) = most.filter(|most| length > *most) {
                let message =
                    format!("`{key}` may have {length} characters, the form takes {most}");
                found.note(told("PC110", message, format!("set `max_len = {most}` in its rule")));
            }
        } else if let Some(near) = fields.iter().find(|f| f.name.eq_ignore_ascii_case(key)) {
            let message = format!("`{key}` is not in the form, but `{}` is", near.name);
            found.problem(told("CH201", message, format!("write `{}`", near.name)));
        } else {
            let message = format!("`{key}` is not in the published form");
            let help = "fine if it is a parameter of the channel without a field; else add it";
            found.note(told("CH202", message, help.to_owned()));
        }
    }
}
