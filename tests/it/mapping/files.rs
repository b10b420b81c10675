//! Mapping files: TOML and JSON, their rules, and the errors people get.
