//! Blocking work that stops when nobody waits for it any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ToolError;

/// Tells blocking work whether its caller has gone.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Whether the work should stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Raises the flag when the waiting future is dropped.
struct CancelGuard(CancelFlag);

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` on tokio's blocking threads. Dropping the future raises the [`CancelFlag`] that `work` was given:
/// it should look at it at least every few milliseconds and return early.
///
/// # Errors
/// Those of `work`, and [`ToolError::Failed`] if the tokio runtime shuts down before the work starts.
///
/// # Panics
/// When `work` panics, with the same payload; and outside a tokio runtime.
pub async fn run_blocking<T, F>(tool: &str, work: F) -> Result<T, ToolError>
where
    T: Send + 'static,
    F: FnOnce(&CancelFlag) -> Result<T, ToolError> + Send + 'static,
{
    let flag = CancelFlag::default();
    let _guard = CancelGuard(flag.clone());
    match tokio::task::spawn_blocking(move || work(&flag)).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => std::panic::resume_unwind(payload),
            Err(_) => Err(ToolError::failed(
                tool,
                "the tokio runtime shut down before the work was done",
            )),
        },
    }
}

/// A reader that stops at a size limit and when its flag is raised.
#[derive(Debug)]
pub(crate) struct BoundedReader<R> {
    inner: R,
    left: u64,
    flag: CancelFlag,
}

impl<R: io::Read> BoundedReader<R> {
    /// Reads at most `limit` bytes of `inner`; one more is the error [`io::ErrorKind::FileTooLarge`].
    pub(crate) fn new(inner: R, limit: u64, flag: CancelFlag) -> Self {
        BoundedReader {
            inner,
            left: limit,
            flag,
        }
    }
}

impl<R: io::Read> io::Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.flag.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::mpsc;

    #[tokio::test]
    async fn dropping_the_future_stops_the_work() {
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (stopped, has_stopped) = mpsc::channel();
        let mut future = Box::pin(run_blocking("t", move |flag| {
            started.send(()).expect("the test waits");
            while !flag.is_cancelled() {
                std::thread::yield_now();
            }
            stopped.send(()).expect("the test waits");
            Ok(())
        }));
        tokio::select! {
            biased;
            result = &mut future => panic!("ended before it was cancelled: {result:?}"),
            started = has_started => started.expect("the work starts"),
        }
        drop(future);
        has_stopped.recv().expect("the work ends");
    }

    #[tokio::test]
    async fn a_panic_is_handed_on() {
        let work = tokio::spawn(run_blocking::<(), _>("t", |_| panic!("in the work")));
        let panic = work.await.expect_err("it panics").into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"in the work"));
    }

    #[test]
    fn a_bounded_reader_gives_the_limit_and_not_a_byte_more() {
        let mut text = String::new();
        BoundedReader::new(&b"1234"[..], 4, CancelFlag::default())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "1234");
        let error = BoundedReader::new(&b"1234"[..], 3, CancelFlag::default())
            .read_to_string(&mut text)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
