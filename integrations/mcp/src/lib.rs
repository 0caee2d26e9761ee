//! A gateway that puts hooks between MCP clients and MCP servers.
//!
//! A [`Gateway`] passes the messages of a session between two [`Side`]s. Every request of either party is a call at
//! the point `mcp.request`, every notification one at `mcp.notification`; a call of a tool is one at `tool.execute`
//! besides, and each tool of a list, and each that is called, one at `tool.discover`, as those of a program's own
//! tools are. Hooks may refuse, change, answer, keep, repeat and watch all of them; what nobody says something
//! about goes on as it came.
//!
//! | point | component | arguments |
//! |---|---|---|
//! | `mcp.request` | the method | `method`, `from` (`client` or `server`), `server` (its name), `params` |
//! | `mcp.notification` | the method | `method`, `from`, `server`, `params` |
//! | `tool.execute` | the tool | `tool`, `server`, `params` (the tool's arguments), `annotations` |
//! | `tool.discover` | the tool | `name`, `server`, `definition` (null if the server did not list it) |
//!
//! ```
//! use hooks_mcp::{Gateway, GatewayOptions, Limits, Side};
//! use hooks_runtime::{Vote, hooks};
//! use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, duplex, split};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let _guard = hooks().guard("no-shell", "tool.execute", |cx| {
//!     Ok(Vote::cancel_if(cx.component() == Some("shell"), "no shell here"))
//! })?;
//! let ((client, to_client), (server, to_server)) = (duplex(4096), duplex(4096));
//! let side = |stream| {
//!     let (reader, writer) = split(stream);
//!     Side::lines(reader, writer, &Limits::default())
//! };
//! let (client_side, server_side) = (side(to_client), side(to_server));
//! tokio::spawn(async move { Gateway::new(GatewayOptions::default()).run(client_side, server_side).await });
//!
//! let (reader, mut writer) = split(client);
//! let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"shell"}}"#;
//! writer.write_all(call).await?;
//! writer.write_all(b"\n").await?;
//! let answer = BufReader::new(reader).lines().next_line().await?.expect("an answer");
//! assert!(answer.contains("no shell here") && answer.contains(r#""isError":true"#));
//! # drop(server);
//! # Ok(())
//! # }
//! ```

mod elicit;
mod gateway;
mod json;
mod limits;
mod message;
mod methods;
pub mod pins;
mod refused;
mod reply;
#[cfg(feature = "serve")]
pub mod serve;
mod session;
pub mod side;

pub use elicit::ElicitationApprover;
pub use gateway::{Ended, Gateway, GatewayOptions};
pub use json::{JsonError, JsonText};
pub use limits::Limits;
pub use message::*;
pub use methods::Party;
pub use pins::Pins;
pub use refused::{BAD_ANSWER, BUSY, CallError, GONE, REFUSED, TIMED_OUT};
pub use reply::Reply;
pub use side::{Deliver, Frame, Receive, Received, Side};
