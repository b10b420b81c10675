//! Codes about values (`PC11x`, `PC14x`) and about mapping files (`PC15x`, `PC16x`).

use super::codes;
use crate::report::finding::{Code, Entry, Severity};

codes! {
PC110 "value-too-long" Error "A value is longer than its channel parameter"
    "MIAW refuses or loses what does not fit."
    "Shorten the value at its source, or keep the full text in the opening message.";
PC111 "value-left-out" Note "A detail without a value is left out"
    "Null, blank, empty lists and empty objects give no attribute."
    "Let the flow treat a missing attribute as empty.";
PC112 "field-too-small" Warning "A value is longer than the field it is meant for"
    "The attribute arrives, but the record update in the flow will fail."
    "Shorten the value in the flow before it is stored.";
PC113 "value-is-json" Warning "A list or an object became JSON text"
    "The flow receives text, not a collection."
    "Use join in a mapping rule, send a plain value, or parse the text in the flow.";
PC114 "control-characters" Warning "Control characters were removed from a value"
    "Only line feed and tab are kept."
    "Correct the sender if they carried meaning.";
PC116 "opening-message-cut" Error "The opening message reached its limit"
    "The rest of the over-long values is not sent."
    "Shorten the values at their source.";
PC117 "hidden-value-cut" Error "An over-long value is hidden from the agent"
    "It may not go into the opening message, so the rest of it is lost."
    "Shorten the value at its source.";
PC140 "template-unresolved" Warning "A value still holds a CognigyScript template"
    "In an export the value is known only at run time; in a real call it was not resolved and is sent as it is."
    "Check that the expression is evaluated before the handover.";
PC141 "template-unbalanced" Error "A CognigyScript template is not closed"
    "The expression is never evaluated; the visitor's agent would see the raw text."
    "Close the braces.";
PC142 "template-unknown-root" Warning "A CognigyScript template starts at an unknown root"
    "Only input, context and profile (and moment, lodash) exist; anything else gives an empty text."
    "Correct the spelling of the first word.";
PC150 "dropped-by-rule" Note "A mapping rule drops this detail"
    "It is not sent, as declared."
    "Nothing.";
PC151 "not-in-table" Warning "A value is missing from its rule's table"
    "The rule's default or the value itself is used."
    "Add the value to the table.";
PC152 "required-missing" Error "A required value is missing"
    "The rule says required, and neither the detail nor a default gives a value."
    "Send the value or give the rule a default.";
PC153 "unmapped-dropped" Warning "A detail without a rule is dropped"
    "unmapped = \"drop\" sends only what has a rule."
    "Add a rule if the flow needs it.";
PC154 "unmapped-refused" Error "A detail has no rule"
    "unmapped = \"error\" wants a rule for every detail; this one is not sent."
    "Add a rule, with to or with drop.";
PC155 "default-used" Note "A rule's default was used"
    "The detail had no value."
    "Nothing.";
PC156 "language-set" Note "A rule sets the conversation's language"
    "The value is consumed by MIAW and reaches no flow."
    "Nothing.";
PC157 "template-failed" Error "A rule's template gave no value"
    "It read something that is not there, or passed a limit; the rule's default is sent, or nothing."
    "Guard the template with {% if details['…'] is defined %}, use the filter default, or give the rule a default.";
PC158 "mapping-for-other-buttons" Warning "The mapping file is not for this chat's button"
    "[match] buttons does not name the button, so the built-in rules alone hold, drops and constants included."
    "Add the button to [match] buttons, or remove [match].";
PC160 "rule-never-used" Warning "A mapping rule matched no detail"
    "No sample of this run has the field the rule names."
    "Check the rule's spelling, or add a sample that has the field.";
PC161 "rules-share-key" Warning "Several rules write one key"
    "When both match with different values, the later one gets a numbered key."
    "Give each rule its own key.";
PC162 "acceptance-expired" Error "An accepted loss is past its date"
    "The acceptance no longer holds."
    "Fix the finding, or accept it again with a new date.";
PC163 "acceptance-unused" Note "An acceptance matched no finding"
    "It may be left over, or its path or code may be misspelled."
    "Remove it or correct it.";
}
