//! Codes about reading a pre-chat document and about what legacy did with it beyond carrying
//! values: `PC0xx` reading and keys, `PC10x` records, `PC12x` transcript fields, `CP1xx` Copilot.

use super::codes;
use crate::report::finding::{Code, Entry, Severity};

codes! {
PC001 "prechat-unreadable" Error "The pre-chat document cannot be read"
    "Nothing of this document can be translated."
    "Correct the document at the line and column named and run again.";
PC002 "prechat-empty" Note "The document holds no pre-chat details"
    "The chat starts without routing attributes, which is valid."
    "Nothing, if the client really sends none.";
PC003 "prechat-limit" Error "A limit of the reader was reached"
    "What lies beyond the limit is not translated."
    "Send fewer or smaller pre-chat details.";
PC010 "spelling-variant" Note "A variant spelling was read as the canonical one"
    "Several spellings of the same member exist in the wild; the canonical one is used here."
    "Nothing; use the canonical spelling when the sender is edited next.";
PC011 "boolean-as-text" Note "A boolean was written as text"
    "It is read as the boolean it names."
    "Nothing; send true or false without quotes when the sender is edited next.";
PC012 "entity-spelling" Warning "A name differs from its declaration in upper and lower case"
    "The declaration's spelling is used. Attribute keys are case-sensitive."
    "Use one spelling in prechatEntities and prechatDetails.";
PC013 "label-near-miss" Warning "Two labels differ only in case, blanks or punctuation"
    "Legacy joined on the exact label, so this field was never filled; it is not joined here either."
    "Make the labels equal if they are meant to be one field, or map the label with a rule.";
PC014 "unknown-member" Warning "A member is not part of the pre-chat format"
    "It is ignored, as legacy ignored it."
    "Remove it or correct its spelling.";
PC015 "spellings-disagree" Error "Both spellings of one member are present and differ"
    "Both lists are used; which one legacy used is not known."
    "Keep one of the two spellings.";
PC016 "unexpected-type" Warning "A member has another JSON type than documented"
    "It is read as far as its meaning is clear, else ignored."
    "Send the documented type.";
PC017 "label-missing" Note "A detail has no label"
    "It is placed by its entity field or transcript field instead."
    "Give the detail a label.";
PC018 "field-never-fed" Warning "A declared entity field is fed by no detail"
    "Legacy left it empty too; a flow that expects it will find nothing."
    "Remove the field or add the detail.";
PC019 "entity-without-fields" Warning "An entity declares no fields"
    "Legacy neither found nor created anything with it."
    "Remove the entity or declare its fields.";
PC020 "entity-declared-twice" Warning "An entity is declared more than once"
    "Details that point to it are ambiguous; the first declaration's spelling is used."
    "Declare each entity once, or map the fields by rules.";
PC021 "required-field-empty" Warning "A field that record creation needs has no value"
    "A Create Records element in the flow will fail without it."
    "Send the value, or give the flow a default.";
PC022 "surrogate-replaced" Warning "A text held half of a surrogate pair"
    "The broken half is replaced by U+FFFD."
    "Correct the sender's text encoding.";
PC030 "nothing-to-place" Error "A detail names neither label nor field"
    "Its value has nowhere to go and is left out."
    "Give the detail a label or an entity field.";
PC031 "reserved-key" Warning "The key language is reserved"
    "MIAW consumes it as the conversation's language, so the value got the key x_language."
    "Add a rule with to = \"language\" if it is the chat's language, else rename the field.";
PC032 "key-collision" Error "Two different values claim one key"
    "The later one got a numbered key that no channel parameter expects."
    "Give one of them its own key by a mapping rule.";
PC033 "key-collapsed" Note "Two details give the same key and the same value"
    "They become one attribute."
    "Nothing.";
PC034 "further-target" Warning "One detail feeds several entity fields"
    "It becomes one attribute; the further fields must be filled from it in the flow."
    "Assign the attribute to each further field in the Omni-Channel flow.";
PC035 "standard-key-lost" Warning "Two entities claim one standard parameter"
    "Contact goes before Lead before Case; the other got a key of its own."
    "Create a custom parameter for the other one, or drop it by a rule.";
PC036 "key-shortened" Warning "A generated key was too long"
    "It was cut and ends in a hash."
    "Choose a short key by a mapping rule.";
PC037 "key-from-hash" Warning "A label holds no letter or digit a key can be made of"
    "The key is made of a hash and nobody can guess it."
    "Choose a key by a mapping rule.";
PC038 "label-is-template" Error "A label holds a CognigyScript template"
    "The key would change with every chat, so no channel parameter can be declared for it."
    "Use a fixed label.";
PC039 "name-split" Note "The visitor's name was split into first and last name"
    "No detail gave a first or last name, so visitorName was split at its last blank."
    "Send first and last name as details if the split is wrong for your visitors.";
PC101 "record-lookup-lost" Warning "Records are no longer found or created from pre-chat"
    "Legacy found or created the record by itself. MIAW carries text to a flow and does nothing more."
    "Find and create the record in the Omni-Channel flow.";
PC102 "record-link-lost" Warning "Records are no longer linked to the chat"
    "Legacy wrote record ids to the transcript and to other records; MIAW leaves the links empty."
    "Set the lookup on MessagingSession in the Omni-Channel flow with Update Records.";
PC103 "link-target-undeclared" Warning "A link points to an entity that is not declared"
    "Legacy needed an earlier record of that kind; here nothing says where it comes from."
    "Decide in the flow which record is meant.";
PC104 "save-to-transcript-is-entity" Note "saveToTranscript names an entity, not a transcript field"
    "The REST reference expects a transcript field name such as ContactId."
    "Check on a legacy transcript which lookup was filled, and fill its successor in the flow.";
PC105 "screen-pop-lost" Note "The record no longer opens by itself in the agent's console"
    "showOnCreate has no successor on the wire."
    "Set up the messaging session page or a console screen pop in the flow.";
PC106 "prechat-panel-lost" Note "Agents no longer see the pre-chat panel"
    "Legacy showed these values beside the chat; MIAW shows none unless they are on the page."
    "Store the values on MessagingSession and place the fields on its record page.";
PC120 "transcript-field-lost" Warning "A custom transcript field is no longer filled"
    "LiveChatTranscript has no part in MIAW; its custom fields stay empty."
    "Create the field on MessagingSession and assign it in the Omni-Channel flow.";
PC121 "transcript-body" Warning "A detail was written into the transcript's Body"
    "Body is the text of the chat itself and has no successor field."
    "Store the value in a field of MessagingSession or send it as the first message.";
PC122 "transcript-field-name" Warning "A transcript field is not a legal API name"
    "Salesforce ignores fields that do not exist."
    "Correct the name.";
PC130 "attributes-once" Note "Routing attributes belong to one session"
    "A returning visitor's next messaging session starts without them unless they are sent again."
    "Set the pre-chat display frequency to every session if the flow needs them each time.";
CP101 "copilot-field-moved" Warning "The Copilot field moves to MessagingSession"
    "The component on the transcript page reads LiveChatTranscript and finds nothing on a messaging session."
    "Create the URL field Copilot__c and the parameter Copilot_URL (flow variable copilotUrl), update the session before Route Work, change the component's field, place it on the messaging session page, publish.";
CP102 "copilot-url-length" Warning "The Copilot URL may be longer than its parameter"
    "The parameter takes 255 characters; a cut URL does not open."
    "Shorten the user id or the Copilot domain.";
}
