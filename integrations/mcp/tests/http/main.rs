//! Streamable HTTP at either side of the gateway, on real sockets.

mod bodies;
#[cfg(unix)]
mod both;
mod kit;
mod listen;
mod load;
mod related;
mod remote;
mod slow;
mod tls;
