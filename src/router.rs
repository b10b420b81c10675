//! Decides, from declared dates and the calendar, which backend a new chat gets.
