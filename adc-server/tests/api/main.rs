//! The administrators' side over HTTP: a server in this process, spoken to as scripts speak to it.

mod credentials;
mod hosted;
mod link;
mod lists;
mod problems;
mod reports;
mod roles;
mod schedules;
mod scheduling;
mod scheduling_at_random;
mod synchronizations;
mod users;
mod world;
