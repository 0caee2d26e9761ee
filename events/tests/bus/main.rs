//! What events, their ways, the bus and its connection with hooks promise, in one program.

mod churn;
mod cloud_event;
mod handlers;
mod historic;
mod hooks;
mod overflow;
mod queue;
mod routing;
mod subscriptions;
mod system;
