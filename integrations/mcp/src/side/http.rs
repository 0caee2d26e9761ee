//! Streamable HTTP, as the revisions 2025-03-26, 2025-06-18 and 2025-11-25 of the protocol have it
//! (<https://modelcontextprotocol.io/specification/2025-11-25/basic/transports>).
//!
//! - [`HttpServer`] is a server that is reached at a URL: the server side of sessions.
//! - [`HttpListener`] accepts clients: a session, and a server side, for each.
//!
//! Messages stay the text that they are on every transport; what HTTP adds (sessions, streams, event ids) ends at
//! the side that speaks it.

mod gather;
mod headers;
mod listen;
mod remote;
mod sse;

pub use headers::{BadHeader, Headers};
pub use listen::{HttpListener, HttpListenerOptions};
pub use remote::{BadUrl, HttpServer, HttpServerOptions};

/// The session that a message is of.
const SESSION: &str = "mcp-session-id";
/// The revision of the protocol that was agreed on.
const VERSION: &str = "mcp-protocol-version";
/// The last event that was read before a stream broke off.
const LAST_EVENT: &str = "last-event-id";

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// The revision that has batches.
const WITH_BATCHES: &str = "2025-03-26";
/// The revisions of this transport.
const VERSIONS: [&str; 3] = [WITH_BATCHES, "2025-06-18", "2025-11-25"];

/// Whether a type of media is the wanted one, whatever its parameters.
fn is_type(value: Option<&hyper::header::HeaderValue>, wanted: &str) -> bool {
    let Some(Ok(value)) = value.map(|value| value.to_str()) else {
        return false;
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(wanted)
}
