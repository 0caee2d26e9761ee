//! Sessions of the gateway between real pipes: the tests are the client and the server, line by line.

mod approval;
mod decisions;
mod faults;
mod kit;
mod letters;
mod order;
mod protocol;
mod rooms;
mod transparent;
mod within;
