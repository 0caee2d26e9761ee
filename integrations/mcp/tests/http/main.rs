//! Streamable HTTP at either side of the gateway, on real sockets.

mod kit;
mod listen;
mod load;
mod remote;
