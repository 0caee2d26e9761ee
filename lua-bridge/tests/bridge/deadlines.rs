//! Calls that end at about their deadline, in many states at once.

use std::time::{Duration, Instant};

use hooks_lua::LuaEngine;

use crate::kit::{Ran, order, run_with};

const LIMIT: Duration = Duration::from_millis(24);
/// States that spin at the same time.
const STATES: u32 = 6;

/// A call that spins for longer than its limit ends long before this, on a machine that has other things to do, too:
/// the watchdog is a thread like any other, and waits for its turn. That it needs no more than a quarter of the limit
/// where it gets one is not for a test to measure.
const STOPPED_BY: Duration = Duration::from_secs(5);

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
fn one_round(ran: &Ran, micros: u32) -> bool {
    let asked = ask(ran, micros);
    match asked.refusal {
        Some(refusal) => {
            assert!(refusal.contains("ran longer"), "{refusal}");
            assert!(asked.took >= LIMIT, "stopped after {:?}", asked.took);
            assert!(asked.took < STOPPED_BY, "stopped after {:?}", asked.took);
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
                        if one_round(&ran, limit * (24 + part) / 30) {
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
    assert!(stopped > 0 && ended > 0, "{stopped} stopped, {ended} ended");
}

#[test]
fn a_limit_is_kept_after_the_watchdog_has_slept() {
    for _ in 0..3 {
        let asked = ask(&spinning(), u32::MAX);
        assert!(asked.refusal.is_some());
        let took = asked.took;
        assert!(took >= LIMIT && took < STOPPED_BY, "{took:?}");
    }
}
