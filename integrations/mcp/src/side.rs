//! The two sides of a session: how messages come in and go out.
//!
//! A session knows no transport. It reads from a [`Receive`] and writes to a [`Deliver`], and there is one of each
//! for the client and one for the server. A transport's contract:
//!
//! 1. **Frames.** [`Receive::receive`] gives one frame at a time, in the order in which they came, as
//!    [`parse_all`](crate::parse_all) reads them: checked messages, and for each that is none a
//!    [`Rejected`], so that whoever waits for it is answered. A transport never drops bytes
//!    without saying so.
//! 2. **Bounds.** It holds one frame at a time, at most
//!    [`max_message_bytes`](crate::Limits::max_message_bytes) long. While the session does not ask for the next one,
//!    it reads nothing: that is the back-pressure.
//! 3. **The end.** `None` is the end of the side, for whatever reason: it is given once, and nothing comes after it.
//!    The session then answers everything that was asked of this side.
//! 4. **Writing.** [`Deliver::deliver`] has written the message, flushed, when it returns. The session calls it from
//!    one task, one message after the other. An error means that the side is gone; it is not called again but for
//!    [`Deliver::close`].
//! 5. **Relation.** Where a transport knows that a message belongs to a request (in streamable HTTP what comes on
//!    the stream that answers a POST), it says so in [`Received::related`], and gets the same hint for what goes out
//!    in [`Frame::related`]: the id of the request *of the receiving side* that the message belongs to. Answers have
//!    their request's id and need no hint.
//! 6. **Closing.** [`Deliver::close`] ends the side in bounded time: it says goodbye as its transport does, and
//!    a side that the gateway has started is gone when it returns.
//!
//! One session is one client and one server. What accepts many clients makes a session, and a server side, for each.

#[cfg(feature = "http")]
pub mod http;
mod lines;
#[cfg(unix)]
mod process;

use async_trait::async_trait;

use crate::message::{Id, Message, Rejected};

pub use lines::{LineReceiver, LineSender};
#[cfg(unix)]
pub use process::{Grace, ServerProcess};

/// What came in one frame.
#[derive(Debug)]
pub struct Received {
    /// The messages, or why one is none.
    pub messages: Vec<Result<Message, Rejected>>,
    /// The request of the other side that they belong to, if the transport knows.
    pub related: Option<Id>,
}

/// A message that goes out.
#[derive(Debug)]
pub struct Frame {
    /// The message, as hooks have left it.
    pub message: Message,
    /// The request of the receiving side that it belongs to, if that is known.
    pub related: Option<Id>,
}

/// How messages of a side come in.
#[async_trait]
pub trait Receive: Send + 'static {
    /// The next frame; `None` when the side is gone.
    async fn receive(&mut self) -> Option<Received>;
}

/// How messages for a side go out.
#[async_trait]
pub trait Deliver: Send + 'static {
    /// Writes a message.
    ///
    /// # Errors
    /// The side is gone.
    async fn deliver(&mut self, frame: Frame) -> std::io::Result<()>;

    /// Ends the side.
    async fn close(&mut self);
}

/// A client or a server.
pub struct Side {
    /// What comes from it.
    pub receive: Box<dyn Receive>,
    /// What goes to it.
    pub deliver: Box<dyn Deliver>,
}

impl Side {
    /// A side from its two halves.
    pub fn new(receive: impl Receive, deliver: impl Deliver) -> Self {
        Side {
            receive: Box::new(receive),
            deliver: Box::new(deliver),
        }
    }

    /// A side that speaks in lines, as stdio has it.
    pub fn lines(
        reader: impl tokio::io::AsyncRead + Send + Unpin + 'static,
        writer: impl tokio::io::AsyncWrite + Send + Unpin + 'static,
        limits: &crate::Limits,
    ) -> Self {
        Side::new(LineReceiver::new(reader, limits), LineSender::new(writer))
    }

    /// The client that has started this program: it writes to our standard input and reads our standard output.
    pub fn stdio(limits: &crate::Limits) -> Self {
        Side::lines(tokio::io::stdin(), tokio::io::stdout(), limits)
    }
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Side").finish_non_exhaustive()
    }
}
