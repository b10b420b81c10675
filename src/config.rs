//! The configuration file, its tenants and its limits.
