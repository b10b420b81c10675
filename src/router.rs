//! Which backend a new chat gets: a pure function of the tenant's plan, the calendar and a draw.
//!
//! Promised: the same plan, changes, instant, latch and draw give the same answer on every node and
//! at every time; every answer names the rule that gave it. Not here: the clock, where changes are
//! stored, chats in progress (a chat never changes its backend).

pub mod plan;
pub mod stage;

pub mod change;
pub mod effective;
pub mod panic;
pub mod propose;

pub mod budget;
pub mod calendar;
pub mod decide;
pub mod hours;
pub mod outcomes;
