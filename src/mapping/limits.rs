//! Every limit of reading and translating pre-chat, with its unit in its name.

/// The largest pre-chat document that is read.
pub const MAX_DOCUMENT_BYTES: usize = 2 * 1024 * 1024;
/// The most mapping files of one tenant.
pub const MAX_MAPPING_FILES: usize = 100;
/// The largest mapping file that is read.
pub const MAX_MAPPING_BYTES: usize = 1024 * 1024;
/// The deepest nesting of lists and objects that is read.
pub const MAX_JSON_DEPTH: usize = 32;
/// The most values (members and elements at all depths) one document may hold.
pub const MAX_JSON_VALUES: usize = 50_000;
/// The most details that are translated; further ones are reported and left out.
pub const MAX_DETAILS: usize = 1_000;
/// The most entities that are read.
pub const MAX_ENTITIES: usize = 100;
/// The most fields of one entity, targets of one detail, or transcript fields of one detail.
pub const MAX_MEMBERS: usize = 100;
/// The most attributes one chat may get.
pub const MAX_ATTRIBUTES: usize = 500;
/// The longest text kept of one value before any other rule looks at it.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// The longest opening message.
pub const MAX_OPENING_MESSAGE_BYTES: usize = 128 * 1024;
/// The longest part of an opening message, in UTF-16 units; Cognigy splits transcripts there too.
pub const MAX_OPENING_PART_LEN: usize = 3_000;
/// MIAW takes this many messages a minute in one conversation.
pub const MESSAGES_PER_MINUTE: usize = 22;
/// The longest template of a rule.
pub const MAX_TEMPLATE_BYTES: usize = 4 * 1024;
/// Instructions one template may execute.
pub const TEMPLATE_FUEL: u64 = 20_000;
/// The most findings kept of one document; a last one says that there were more.
pub const MAX_FINDINGS: usize = 5_000;
/// The longest label, entity or field name that is quoted in a finding, in characters.
pub const MAX_QUOTED_CHARS: usize = 80;
/// The most problems reported of one mapping file.
pub const MAX_PROBLEMS: usize = 100;
/// MIAW's length of a custom parameter unless declared otherwise, in UTF-16 units.
pub const DEFAULT_VALUE_LEN: usize = 255;
/// The longest generated key, in characters.
pub const DEFAULT_KEY_LEN: usize = 40;
