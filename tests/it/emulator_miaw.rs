//! The emulated MIAW, called as a tower service.
