//! The legacy Live Agent REST API as callers know it.
