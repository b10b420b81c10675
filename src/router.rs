//! Which backend a new chat gets: a pure function of the tenant's plan, the calendar and a draw.
//!
//! Promised: the same plan, instant, latch and draw give the same answer on every node and at every
//! time; every answer names the rule that gave it. Not here: the clock, the change list, chats in
//! progress (a chat never changes its backend).

pub mod plan;

pub mod calendar;
pub mod decide;
pub mod hours;
pub mod outcomes;
