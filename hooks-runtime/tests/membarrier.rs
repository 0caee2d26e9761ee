//! A program that forbids itself the system call `membarrier` after its first hooked calls, as a server does that
//! sets up its filter of system calls late: hooks that are removed stay in memory, and nothing else changes.
//!
//! A filter cannot be taken off again, so it is a process of its own that gets one.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    feature = "enabled",
    not(feature = "shuttle")
))]

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hooks_runtime::{HookGuard, hooked, hooks};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

const THREADS: usize = 3;
const ROUNDS: usize = 400;

#[hooked(point = "membarrier.site", observe)]
fn site(n: u64) -> u64 {
    n
}

/// What a hook holds; it is other memory when it has been dropped.
struct Held {
    words: Box<[AtomicU64; 64]>,
    state: Arc<State>,
}

/// What is known of a hook from outside.
#[derive(Default)]
struct State {
    asked: AtomicBool,
    dropped: AtomicBool,
}

const WHOLE: u64 = 0x5ea1_ed0f_5ea1_ed0f;

impl Held {
    fn new(state: &Arc<State>) -> Self {
        Held {
            words: Box::new([const { AtomicU64::new(WHOLE) }; 64]),
            state: state.clone(),
        }
    }

    fn ask(&self) {
        let whole = |word: &AtomicU64| word.load(Ordering::Relaxed) == WHOLE;
        assert!(self.words.iter().all(whole), "a hook was freed early");
        self.state.asked.store(true, Ordering::Release);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for word in &*self.words {
            word.store(0, Ordering::Relaxed);
        }
        self.state.dropped.store(true, Ordering::Release);
    }
}

/// A hook on the site that fails if it is asked after it was dropped.
fn register(failed: &Arc<AtomicUsize>) -> (HookGuard, Arc<State>) {
    let state = Arc::new(State::default());
    let (held, failed) = (Held::new(&state), failed.clone());
    let guard = hooks().intercept("comes-and-goes", "membarrier.site", move |_| {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| held.ask())).is_err() {
            failed.fetch_add(1, Ordering::Relaxed);
        }
    });
    (guard.expect("it is registered"), state)
}

/// Counts what is told of `membarrier`.
#[derive(Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }
    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0.contains("membarrier") {
            self.0.lock().unwrap().push(message.0);
        }
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// From here on the system refuses `membarrier` to this thread and to those that it starts.
fn forbid_membarrier() {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("a code of the filter has 16 bits"),
        jt,
        jf,
        k,
    };
    let refused = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).expect("it is positive");
    let number = u32::try_from(libc::SYS_membarrier).expect("it is small");
    let mut steps = [
        // The number of the system call is the first word that a filter sees.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, refused),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: 4,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: `filter` and its steps live until the calls are over, which copy them.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) == 0
    };
    assert!(set, "no filter: {}", std::io::Error::last_os_error());
    // SAFETY: the call takes integers and touches no memory of ours.
    let answer = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    assert_eq!(answer, -1, "the filter lets it pass");
}

/// What the process does that gets the filter.
fn removes_hooks_without_membarrier() {
    let told = Told::default();
    let messages = told.0.clone();
    tracing::subscriber::set_global_default(told).expect("there is no other");
    let failed = Arc::new(AtomicUsize::new(0));

    // While it is allowed: a hook that is removed is gone at once. The second call notes the set that the first
    // one has made.
    let (guard, state) = register(&failed);
    assert_eq!([site(1), site(2)], [1, 2]);
    drop(guard);
    assert!(
        state.dropped.load(Ordering::Acquire),
        "this system has no `membarrier`, which the test is about"
    );

    forbid_membarrier();
    let over = AtomicBool::new(false);
    let calls = AtomicUsize::new(0);
    let states: Vec<_> = std::thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(site(3), 3);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let states = (0..ROUNDS).map(|_| {
            let (guard, state) = register(&failed);
            let before = calls.load(Ordering::Relaxed);
            while calls.load(Ordering::Relaxed) < before + THREADS {
                std::thread::yield_now();
            }
            drop(guard);
            state
        });
        let states = states.collect();
        over.store(true, Ordering::Relaxed);
        states
    });

    assert_eq!(failed.load(Ordering::Relaxed), 0, "hooks were freed early");
    let asked = |state: &&Arc<State>| state.asked.load(Ordering::Acquire);
    let asked: Vec<_> = states.iter().filter(asked).collect();
    assert!(asked.len() > ROUNDS / 2, "{} were asked", asked.len());
    let dropped = |state: &&&Arc<State>| state.dropped.load(Ordering::Acquire);
    assert_eq!(
        asked.iter().filter(dropped).count(),
        0,
        "nobody could know whether a call was using them"
    );
    // None is asked any more: they are out of the set, if not out of memory.
    asked
        .iter()
        .for_each(|state| state.asked.store(false, Ordering::Release));
    assert_eq!(site(4), 4);
    assert!(
        !asked
            .iter()
            .any(|state| state.asked.load(Ordering::Acquire))
    );

    let messages = messages.lock().unwrap();
    assert_eq!(messages.len(), 1, "it is told once");
    assert!(messages[0].contains("stay in memory"), "{}", messages[0]);
}

#[test]
fn hooks_stay_in_memory_when_membarrier_is_refused_after_it_was_allowed() {
    const INSIDE: &str = "HOOKPOINT_TEST_WITHOUT_MEMBARRIER";
    if std::env::var_os(INSIDE).is_some() {
        return removes_hooks_without_membarrier();
    }
    let this = std::env::current_exe().expect("the test is a program");
    let name = "hooks_stay_in_memory_when_membarrier_is_refused_after_it_was_allowed";
    let output = Command::new(this)
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("the test starts once more");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}:\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
