//! Translates legacy pre-chat details into routing attributes.
