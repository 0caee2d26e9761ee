//! What hooks do at the points of agents.

mod fixture;
mod model;
mod run;
mod sites;
mod transition;
