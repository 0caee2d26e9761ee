//! One message a line.

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::{Deliver, Frame, Receive, Received};
use crate::json::Skim;
use crate::limits::Limits;
use crate::message::{parse_all, too_long};

/// How much of the reader's buffer is kept between lines, in bytes: one long line must not cost for ever.
const KEPT: usize = 64 << 10;

/// Reads lines.
pub struct LineReceiver<R> {
    reader: BufReader<R>,
    limits: Limits,
    line: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> LineReceiver<R> {
    /// Reads from `reader`.
    pub fn new(reader: R, limits: &Limits) -> Self {
        LineReceiver {
            reader: BufReader::with_capacity(KEPT, reader),
            limits: limits.clone(),
            line: Vec::new(),
            ended: false,
        }
    }

    /// Reads up to the end of the line. A line that is too long is read to its end, and only skimmed from there on;
    /// then its whole length is given.
    async fn read_line(&mut self) -> std::io::Result<Option<(Skim, usize)>> {
        self.line.clear();
        self.line.shrink_to(KEPT);
        let mut long: Option<(Skim, usize)> = None;
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                self.ended = true;
                return Ok(long);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            match &mut long {
                Some((skim, length)) => {
                    skim.feed(part);
                    *length += part.len();
                }
                None if self.line.len() + part.len() > self.limits.max_message_bytes => {
                    let mut skim = Skim::default();
                    skim.feed(&self.line);
                    skim.feed(part);
                    long = Some((skim, self.line.len() + part.len()));
                    self.line = Vec::new();
                }
                None => self.line.extend_from_slice(part),
            }
            let used = end.map_or(part.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(long);
            }
        }
    }
}

#[async_trait]
impl<R: AsyncRead + Send + Unpin + 'static> Receive for LineReceiver<R> {
    async fn receive(&mut self) -> Option<Received> {
        loop {
            if self.ended {
                return None;
            }
            let messages = match self.read_line().await {
                Err(error) => {
                    tracing::warn!(%error, "a side of the session cannot be read any more");
                    self.ended = true;
                    return None;
                }
                Ok(Some((skim, length))) => vec![Err(too_long(&skim, length, &self.limits))],
                Ok(None) if self.line.trim_ascii().is_empty() => continue,
                Ok(None) => parse_all(self.line.trim_ascii(), &self.limits),
            };
            let related = None;
            return Some(Received { messages, related });
        }
    }
}

/// Writes lines.
pub struct LineSender<W> {
    /// `None` when it was closed.
    writer: Option<W>,
}

impl<W: AsyncWrite + Unpin> LineSender<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        let writer = Some(writer);
        LineSender { writer }
    }
}

#[async_trait]
impl<W: AsyncWrite + Send + Unpin + 'static> Deliver for LineSender<W> {
    async fn deliver(&mut self, frame: Frame) -> std::io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        let mut line = frame.message.to_line();
        drop(frame);
        line.push('\n');
        writer.write_all(line.as_bytes()).await?;
        writer.flush().await
    }

    async fn close(&mut self) {
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        if let Err(error) = writer.shutdown().await {
            tracing::debug!(%error, "a side of the session was gone before it was closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn limits(max_message_bytes: usize) -> Limits {
        Limits {
            max_message_bytes,
            ..Limits::default()
        }
    }

    async fn all(input: &[u8], limits: &Limits) -> Vec<Received> {
        let mut lines = LineReceiver::new(std::io::Cursor::new(input.to_vec()), limits);
        let mut all = Vec::new();
        while let Some(received) = lines.receive().await {
            all.push(received);
        }
        assert!(lines.receive().await.is_none());
        all
    }

    #[tokio::test]
    async fn lines_are_messages_whatever_stands_between() {
        let input = b"\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}\r\n\n  \nServer running\n{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"ha";
        let all = all(input, &Limits::default()).await;
        assert!(
            matches!(&all[0].messages[0], Ok(Message::Request { call, .. }) if call.method == "a")
        );
        assert_eq!(all[1].messages[0].as_ref().unwrap_err().id, None);
        // What was cut off still says whose answer it was.
        let half = all[2].messages[0].as_ref().unwrap_err();
        assert_eq!((&half.id, half.is_response), (&Some(2.into()), true));
        assert_eq!(all.len(), 3);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_not_kept_and_named() {
        let long = "x".repeat(3 << 20);
        let input = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":[\"{long}\"],\"id\":9}}\n{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}}\n"
        );
        let all = all(input.as_bytes(), &limits(1 << 20)).await;
        let rejected = all[0].messages[0].as_ref().unwrap_err();
        assert_eq!(
            (&rejected.id, rejected.is_response),
            (&Some(9.into()), false)
        );
        assert!(
            rejected
                .reason
                .contains(&format!("{} bytes", (3 << 20) + 51)),
            "{}",
            rejected.reason
        );
        assert!(all[1].messages[0].is_ok());
    }
}
