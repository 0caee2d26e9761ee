//! What events, their ways, the bus and its connection with hooks promise, in one program.

mod bounds;
mod churn;
mod closing;
mod cloud_event;
mod groups;
mod handlers;
mod historic;
mod hooks;
mod kit;
mod overflow;
mod queue;
mod requests;
mod routing;
mod subscriptions;
mod system;
