//! What the monitor measures, under a clock that a test moves.

mod hook_time;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::monitor::Thresholds;
use hookpoint::{
    Clock, DecisionRecord, GuardContext, HookContext, HookRefusal, HookRegistry, HookScope, Signal,
    Sink, Vote, hooked,
};

const MS: Duration = Duration::from_millis(1);

#[hooked(point = "monitor.work")]
fn work(clock: &Clock, takes: Duration) -> Result<(), HookRefusal> {
    clock.advance(takes);
    Ok(())
}

#[hooked(point = "monitor.later", retry)]
async fn later(clock: Clock, takes: Duration) -> Result<u32, HookRefusal> {
    clock.advance(takes);
    tokio::task::yield_now().await;
    clock.advance(takes);
    Ok(1)
}

/// An isolated registry whose clock stands still, with the monitor on every call.
fn monitored() -> (HookRegistry, Clock, HookScope) {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    registry
        .monitor()
        .start(Thresholds::default().sample_every(1));
    let scope = HookScope::isolated(&registry);
    (registry, clock, scope)
}

fn takes(clock: &Clock, time: Duration) -> impl Fn(&mut HookContext<'_>) + Send + Sync + 'static {
    let clock = clock.clone();
    move |_| clock.advance(time)
}

/// Within the width of a bucket.
fn about(ns: u64, expected: Duration) -> bool {
    let expected = expected.as_nanos() as u64;
    (expected..=expected + expected / 4).contains(&ns)
}

#[test]
fn known_delays_are_measured_exactly() {
    let (registry, clock, scope) = monitored();
    let _entered = scope.enter();
    let hook = registry.on("slow").point("monitor.work").pre().post();
    let _slow = hook.intercept(takes(&clock, 2 * MS));
    let guarding = clock.clone();
    let _guard = registry.guard("guard", "monitor.*", move |_: &GuardContext<'_>| {
        guarding.advance(MS);
        Ok(Vote::Pass)
    });
    for _ in 0..400 {
        work(&clock, 15 * MS).unwrap();
    }
    let measured = registry.monitor().snapshot();
    let [point] = &measured.points[..] else {
        panic!("{measured:?}");
    };
    assert_eq!(point.point, "monitor.work");
    // 2 + 1 + 15 + 2 ms, of which hooks took 5.
    assert!((point.overhead - 0.25).abs() < 1e-9, "{point:?}");
    assert!(about(point.calls.p50_ns, 20 * MS) && about(point.calls.p99_ns, 20 * MS));
    assert!(about(point.hooks.p50_ns, 5 * MS), "{point:?}");
    let times: Vec<_> = measured
        .hooks
        .iter()
        .map(|h| (&*h.hook, h.time.p50_ns))
        .collect();
    let [("guard", guard), ("slow", slow)] = times[..] else {
        panic!("{times:?}");
    };
    assert!(about(guard, MS) && about(slow, 2 * MS), "{times:?}");
    let asked: Vec<_> = measured.hooks.iter().map(|h| h.time.count).collect();
    assert_eq!(asked[1], 2 * asked[0], "before and after the body");
    assert_eq!(
        point.calls.count + asked[0],
        400,
        "each call tells one or the other"
    );
}

#[tokio::test]
async fn waiting_and_bodies_that_did_not_run_are_left_out() {
    let (registry, clock, scope) = monitored();
    let refuses = registry.guard("refuses", "monitor.work", |cx| {
        Ok(Vote::cancel_if(
            !cx.arg::<Duration>("takes")?.is_zero(),
            "no",
        ))
    });
    let retry = registry
        .on("retry")
        .point("monitor.later")
        .post()
        .may_retry();
    let _retry = retry.intercept(|cx| match cx.attempt() {
        1 => hookpoint::HookResult::retry(Duration::from_secs(60), 2),
        _ => hookpoint::HookResult::Continue,
    });
    let _slow = registry.intercept("slow", "monitor.later", takes(&clock, 2 * MS));
    let moving = clock.clone();
    scope
        .wrap(async {
            for _ in 0..100 {
                assert!(work(&clock, MS).is_err());
                let call = later(clock.clone(), 2 * MS);
                let time = async {
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                    moving.advance(Duration::from_secs(60));
                };
                let (done, ()) = tokio::join!(call, time);
                assert_eq!(done.unwrap(), 1);
            }
        })
        .await;
    drop(refuses);
    let measured = registry.monitor().snapshot();
    let [point] = &measured.points[..] else {
        panic!("{measured:?}");
    };
    // Two attempts of 4 ms, and one question of 2 ms; not the minute between.
    assert_eq!(point.point, "monitor.later");
    assert!(about(point.calls.p99_ns, 10 * MS), "{point:?}");
    assert!((point.overhead - 0.2).abs() < 1e-9, "{point:?}");
}

#[derive(Default)]
struct Signals(Mutex<Vec<(String, f64, Duration)>>);

impl Sink for Signals {
    fn wants(&self) -> hookpoint::Wants {
        hookpoint::Wants::signals_only()
    }
    fn record(&self, _: &DecisionRecord) {}
    fn signal(&self, signal: &Signal<'_>) {
        if let Signal::Threshold {
            point,
            overhead,
            hook_time_per_second,
        } = signal
        {
            let told = ((*point).to_owned(), *overhead, *hook_time_per_second);
            self.0.lock().unwrap().push(told);
        }
    }
}

#[test]
fn a_point_that_takes_more_than_its_share_is_told_once_a_second() {
    let (registry, clock, scope) = monitored();
    let _entered = scope.enter();
    let signals = Arc::new(Signals::default());
    registry.add_sink(signals.clone());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let _watch = registry.intercept("watch", "performance.threshold", move |cx| {
        let told = (cx.arg_json("point")?, cx.arg_json("overhead")?);
        seen.lock().unwrap().push(told);
        Ok(())
    });
    let cheap = registry.intercept("cheap", "monitor.work", takes(&clock, MS));
    // 1 of 100 ms is within bounds.
    for _ in 0..100 {
        work(&clock, 99 * MS).unwrap();
    }
    assert!(signals.0.lock().unwrap().is_empty());
    drop(cheap);
    let _dear = registry.intercept("dear", "monitor.work", takes(&clock, 10 * MS));
    for _ in 0..100 {
        work(&clock, 90 * MS).unwrap();
    }
    let told = signals.0.lock().unwrap();
    let (point, overhead, per_second) = told.last().expect("it was told");
    assert_eq!(point, "monitor.work");
    assert!(
        (overhead - 0.1).abs() < 1e-9 && *per_second >= 50 * MS,
        "{told:?}"
    );
    // 10 seconds have passed, of which the first window holds some of the cheap calls.
    assert!((6..=10).contains(&told.len()), "{}", told.len());
    assert_eq!(asked.lock().unwrap().len(), told.len());
}

#[test]
fn the_process_is_watched_too() {
    let (registry, clock, scope) = monitored();
    let _entered = scope.enter();
    let thresholds = Thresholds::default()
        .sample_every(1)
        .memory_bytes(1)
        .cpu_cores(0.0);
    registry.monitor().start(thresholds);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut watching = Vec::new();
    for point in ["performance.memory", "performance.cpu"] {
        let seen = asked.clone();
        watching.push(registry.intercept(point, point, move |cx| {
            seen.lock().unwrap().push(cx.point_name());
        }));
    }
    let _hook = registry.intercept("hook", "monitor.work", |_| ());
    for _ in 0..50 {
        work(&clock, 500 * MS).unwrap();
        std::hint::black_box((0..20_000).map(|n: u64| n * n).sum::<u64>());
    }
    let asked = asked.lock().unwrap();
    assert!(asked.contains(&"performance.memory"), "{asked:?}");
    assert!(asked.contains(&"performance.cpu"), "{asked:?}");
}

#[test]
fn one_call_in_so_many_is_measured_whatever_the_pattern_of_calls() {
    #[hooked(point = "monitor.odd")]
    fn odd() -> Result<(), HookRefusal> {
        Ok(())
    }
    #[hooked(point = "monitor.even")]
    fn even() -> Result<(), HookRefusal> {
        Ok(())
    }
    let (registry, _, scope) = monitored();
    let _entered = scope.enter();
    registry
        .monitor()
        .start(Thresholds::default().sample_every(64));
    let _hook = registry.intercept("hook", "monitor.*", |_| ());
    for _ in 0..32_000 {
        odd().unwrap();
        even().unwrap();
    }
    let measured = registry.monitor().snapshot();
    for point in &measured.points {
        // One in 64, of which three in four are about the point: 375 of each, give or take.
        assert!((250..500).contains(&point.calls.count), "{point:?}");
    }
    assert_eq!(measured.points.len(), 2);
    registry.monitor().stop();
    let before = registry.monitor().snapshot();
    for _ in 0..1000 {
        odd().unwrap();
    }
    assert_eq!(registry.monitor().snapshot(), before);
}

#[test]
fn another_rate_takes_effect_at_once() {
    let (registry, clock, scope) = monitored();
    let _entered = scope.enter();
    let _hook = registry.intercept("hook", "monitor.work", |_| ());
    let measured_at = |rate| {
        let counted = || {
            let measured = registry.monitor().snapshot();
            measured.points.first().map_or(0, |point| point.calls.count)
        };
        let rated = Thresholds::default().sample_every(rate);
        registry.monitor().start(rated);
        let before = counted();
        (0..10_000).for_each(|_| work(&clock, MS).unwrap());
        counted() - before
    };
    assert!(measured_at(1_000_000_000) < 10);
    // One in two, of which three in four are about the point: 3750, give or take.
    let measured = measured_at(2);
    assert!((3_300..4_200).contains(&measured), "{measured} of 10000");
}

#[test]
fn sections_are_measured_until_their_guard_goes() {
    let (registry, clock, _scope) = monitored();
    let monitor = registry.monitor();
    for _ in 0..3 {
        let guard = monitor.measure("load");
        clock.advance(4 * MS);
        assert_eq!(guard.elapsed(), 4 * MS);
    }
    let [section] = &monitor.snapshot().sections[..] else {
        panic!("one section");
    };
    assert_eq!((section.name, section.time.count), ("load", 3));
    assert_eq!(section.time.max_ns, 4_000_000);
}

#[test]
fn the_time_of_one_hook_is_not_that_of_another() {
    let clock = Clock::fake();
    let registry = HookRegistry::with_clock(clock.clone());
    let scope = HookScope::isolated(&registry);
    let _entered = scope.enter();
    let limited = |id: &str| {
        let hook = registry.on(id).point("monitor.work").pre();
        hook.timeout(10 * MS).intercept(|_| ())
    };
    let _first = limited("a").unwrap();
    let _slow = registry.intercept("b", "monitor.work", takes(&clock, 60 * MS));
    let _last = limited("c").unwrap();
    work(&clock, MS).unwrap();
}
