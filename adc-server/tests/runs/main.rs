//! The run engine, driven by an agent made of a map: every step of the protocol, without sockets and without LDAP.

mod batches;
mod behind;
mod configuration;
mod containers;
mod delta;
mod forgotten;
mod guards;
mod hidden_ids;
mod identities;
mod imports;
mod left_out;
mod opening;
mod overlooked;
mod polled;
mod providers;
mod rules_edited;
mod unidentified;
mod unique;
mod unlocked;
mod upgrades;
mod world;
