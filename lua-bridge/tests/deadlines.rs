//! Calls that end at about their deadline, in many states at once. A program of its own: beside the threads of other
//! tests the watchdog would wait for its turn, and so would what measures how long that takes.

#[allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "it has more than these tests need"
)]
#[path = "bridge/kit.rs"]
mod kit;

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hooks_lua::LuaEngine;

use kit::{Ran, order, run_with};

const LIMIT: Duration = Duration::from_millis(24);
/// States that spin at the same time.
const STATES: u32 = 6;

/// How late the system lets threads run that wanted to wait for as long as the watchdog does.
///
/// The watchdog is a thread like any other: beside threads that spin on all cores it waits for its turn, and so
/// does the thread that it stops. What that costs is no delay of the watchdog's own, and is measured beside it.
struct Scheduling {
    worst: Arc<Mutex<Duration>>,
    _end: Sender<()>,
}

impl Scheduling {
    fn measured() -> Self {
        let worst = Arc::new(Mutex::new(Duration::ZERO));
        let (end, ended) = channel();
        let told = worst.clone();
        std::thread::spawn(move || {
            let turn = LIMIT / 8;
            let mut begun = Instant::now();
            while ended.recv_timeout(turn) == Err(RecvTimeoutError::Timeout) {
                let late = begun.elapsed().saturating_sub(turn);
                let mut worst = told.lock().unwrap();
                *worst = late.max(*worst);
                begun = Instant::now();
            }
        });
        Scheduling { worst, _end: end }
    }

    /// What may come on top of twice the limit: the watchdog waits for its turn when it first sees the call and when
    /// it stops it, and the call's thread in between and at its end.
    fn slack(&self) -> Duration {
        Duration::from_millis(20) + 4 * *self.worst.lock().unwrap()
    }
}

/// Spins for as many microseconds as the count of the order says, by the same clock as the watchdog's.
const SPIN: &str = "
    local clock = os.clock
    Hook.register('shop.buy', function(ctx)
        local stop = clock() + ctx.args.order.count / 1000000
        while clock() < stop do end
    end, {role = 'guard'})";

struct Asked {
    took: Duration,
    refusal: Option<String>,
}

fn spinning() -> Ran {
    let engine = LuaEngine::builder().hook_time_limit(LIMIT);
    run_with(engine, SPIN).ok()
}

fn ask(ran: &Ran, micros: u32) -> Asked {
    let mut spin = order("tea");
    spin.count = micros;
    let begun = Instant::now();
    let refusal = ran.buy(spin).err().map(|error| error.to_string());
    Asked {
        took: begun.elapsed(),
        refusal,
    }
}

/// Spins for `micros`, and says whether the state is still of use.
fn one_round(ran: &Ran, micros: u32, scheduling: &Scheduling) -> bool {
    let asked = ask(ran, micros);
    match asked.refusal {
        Some(refusal) => {
            assert!(refusal.contains("ran longer"), "{refusal}");
            assert!(asked.took >= LIMIT, "stopped after {:?}", asked.took);
            let slack = scheduling.slack();
            assert!(
                asked.took < 2 * LIMIT + slack,
                "stopped only after {:?}, with {slack:?} for the system",
                asked.took
            );
            false
        }
        None => {
            // What was on its way against that call must not meet this one.
            let next = ask(ran, 0);
            // Unless the system itself kept it from running that long.
            if let Some(refusal) = next.refusal {
                assert!(next.took >= LIMIT, "a short call: {refusal}");
                return false;
            }
            true
        }
    }
}

#[test]
fn calls_that_end_at_about_their_deadline_are_stopped_only_if_they_pass_it() {
    let limit = LIMIT.as_micros() as u32;
    let scheduling = &Scheduling::measured();
    let (mut stopped, mut ended) = (0, 0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..STATES)
            .map(|thread| {
                scope.spawn(move || {
                    let (mut stopped, mut ended) = (0, 0);
                    let mut ran = spinning();
                    for round in 0..24_u32 {
                        // From 0.8 to 1.6 times the limit, every state in another order.
                        let part = (round * 7 + thread * 3) % 24;
                        if one_round(&ran, limit * (24 + part) / 30, scheduling) {
                            ended += 1;
                        } else {
                            stopped += 1;
                            ran = spinning();
                        }
                    }
                    (stopped, ended)
                })
            })
            .collect();
        for thread in threads {
            let counts = thread.join().unwrap();
            stopped += counts.0;
            ended += counts.1;
        }
    });
    assert!(
        stopped >= 16 && ended >= 8,
        "{stopped} stopped, {ended} ended"
    );
}

#[test]
fn a_limit_is_kept_after_the_watchdog_has_slept() {
    let scheduling = Scheduling::measured();
    for _ in 0..3 {
        let asked = ask(&spinning(), u32::MAX);
        assert!(asked.refusal.is_some());
        assert!(
            asked.took >= LIMIT && asked.took < 2 * LIMIT + scheduling.slack(),
            "{:?}",
            asked.took
        );
    }
}
