//! What the process as a whole uses.

use std::time::{Duration, Instant};

use super::Thresholds;

/// Looked at so often.
const INTERVAL: Duration = Duration::from_secs(1);

/// The last look.
#[derive(Default)]
pub(super) struct Process {
    last: Option<(Instant, Duration)>,
}

/// What is over its limit: what is used, and the limit.
#[derive(Default)]
pub(super) struct Exceeded {
    pub(super) memory_bytes: Option<(u64, u64)>,
    pub(super) cpu_cores: Option<(f64, f64)>,
}

impl Process {
    pub(super) fn exceeded(&mut self, now: Instant, limits: &Thresholds) -> Exceeded {
        let mut exceeded = Exceeded::default();
        if limits.memory_bytes.is_none() && limits.cpu_cores.is_none() {
            return exceeded;
        }
        let passed = match &self.last {
            None => None,
            Some((last, _)) if now.saturating_duration_since(*last) < INTERVAL => return exceeded,
            Some((last, busy)) => Some((now.saturating_duration_since(*last), *busy)),
        };
        let busy = busy();
        if let (Some(limit), Some((time, before)), Some(busy)) = (limits.cpu_cores, passed, busy) {
            let cores = busy.saturating_sub(before).as_secs_f64() / time.as_secs_f64();
            exceeded.cpu_cores = (cores > limit).then_some((cores, limit));
        }
        if let (Some(limit), Some(used)) = (limits.memory_bytes, memory_bytes()) {
            exceeded.memory_bytes = (used > limit).then_some((used, limit));
        }
        self.last = Some((now, busy.unwrap_or_default()));
        exceeded
    }
}

/// The time that all threads of the process have run, on any core.
#[cfg(target_os = "linux")]
fn busy() -> Option<Duration> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the place is valid for the struct that the system writes there, and it is read only if it was.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    let time = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let micros = u64::try_from(time.tv_usec).unwrap_or_default();
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    Some(time(usage.ru_utime) + time(usage.ru_stime))
}

/// The memory that the process has in use, swapped out parts left out.
#[cfg(target_os = "linux")]
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(not(target_os = "linux"))]
fn busy() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn memory_bytes() -> Option<u64> {
    None
}
