//! The backends behind the facade: the real Live Agent service and MIAW.
