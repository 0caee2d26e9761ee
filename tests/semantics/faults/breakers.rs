//! Breakers under random schedules, against a model of what their documentation says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookpoint::breaker::{BreakerPolicy, BreakerState};
use hookpoint::test::{TestRegistry, registry};
use hookpoint::{GuardContext, HookError, HookRefusal, HookResult, OnFailure, Vote, hooked};
use proptest::prelude::*;

use super::LIMIT;
use super::calls::drive;
use crate::sites::quiet;

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(20);
const THRESHOLD: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(8);

fn policy() -> BreakerPolicy {
    BreakerPolicy::default()
        .failures(THRESHOLD as u32)
        .within(WINDOW)
        .open_for(SECOND)
        .max_open(LONGEST)
}

#[hooked(point = "schedule.sync")]
fn site(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

#[hooked(point = "schedule.async")]
async fn later(number: u32) -> Result<u32, HookRefusal> {
    Ok(number)
}

/// What the hook does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Answer,
    Refuse,
    Error,
    Panic,
    Impossible,
    WrongReplacement,
    MissingArgument,
    /// It answers, later than its timeout.
    Late,
}

impl Does {
    fn answer(
        self,
        kit_clock: &hookpoint::Clock,
        cx: &GuardContext<'_>,
    ) -> Result<HookResult, HookError> {
        Ok(match self {
            Does::Answer => HookResult::Continue,
            Does::Refuse => HookResult::cancel("healthy, and against it"),
            Does::Error => return Err("injected error".into()),
            Does::Panic => panic!("injected panic"),
            Does::Impossible => HookResult::redirect("nowhere"),
            Does::WrongReplacement => HookResult::replace("no number"),
            Does::MissingArgument => {
                cx.arg::<u32>("no_such_argument")?;
                HookResult::Continue
            }
            Does::Late => {
                kit_clock.advance(2 * LIMIT);
                HookResult::Continue
            }
        })
    }

    /// Whether it is a failure that a breaker counts.
    fn counts(self, on_failure: OnFailure) -> bool {
        match self {
            Does::Answer | Does::Refuse | Does::MissingArgument => false,
            Does::Late => on_failure == OnFailure::Open,
            Does::Error | Does::Panic | Does::Impossible | Does::WrongReplacement => true,
        }
    }

    fn is_an_answer(self) -> bool {
        matches!(self, Does::Answer | Does::Refuse)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(Duration),
    Call(Does),
}

fn step() -> impl Strategy<Value = Step> {
    let does = prop_oneof![
        3 => Just(Does::Answer),
        1 => Just(Does::Refuse),
        3 => Just(Does::Error),
        1 => Just(Does::Panic),
        1 => Just(Does::Impossible),
        1 => Just(Does::WrongReplacement),
        1 => Just(Does::MissingArgument),
        1 => Just(Does::Late),
    ];
    prop_oneof![
        1 => (0_u64..3_000).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        1 => (0_u64..20).prop_map(|s| Step::Wait(Duration::from_secs(s))),
        4 => does.prop_map(Step::Call),
    ]
}

/// A breaker as its documentation describes it.
#[derive(Default)]
struct Model {
    now: Duration,
    failures: VecDeque<Duration>,
    /// Until when nobody asks, if it is not closed; and how often it opened in a row.
    open: Option<(Duration, u32)>,
}

impl Model {
    fn asks(&self) -> bool {
        self.open.is_none_or(|(until, _)| self.now >= until)
    }

    fn opens(&mut self, times: u32) {
        let time = LONGEST.min(SECOND * 2_u32.pow(times.min(10)));
        self.open = Some((self.now + time, times + 1));
        self.failures.clear();
    }

    /// The hook was asked, and did that.
    fn asked(&mut self, does: Does, on_failure: OnFailure) {
        if does == Does::Late {
            self.now += 2 * LIMIT;
        }
        let counts = does.counts(on_failure);
        match self.open {
            Some((_, times)) if counts => self.opens(times),
            // "If it answers, the breaker closes"; what is neither leaves it to the next call.
            Some(_) if does.is_an_answer() => {
                *self = Model {
                    now: self.now,
                    ..Model::default()
                }
            }
            Some(_) => {}
            None if counts => {
                self.failures.push_back(self.now);
                let now = self.now;
                self.failures.retain(|at| now - *at <= WINDOW);
                if self.failures.len() >= THRESHOLD {
                    self.opens(0);
                }
            }
            None => {}
        }
    }

    fn passes(&self, does: Option<Does>, on_failure: OnFailure) -> bool {
        match does {
            Some(Does::Answer) => true,
            Some(Does::Refuse) => false,
            Some(_) | None => on_failure == OnFailure::Open,
        }
    }
}

/// A registry with one hook, which does what it is told, and counts.
struct Fixture {
    kit: TestRegistry,
    does: Arc<Mutex<Does>>,
    asked: Arc<AtomicUsize>,
}

impl Fixture {
    fn new(on_failure: OnFailure, asynchronous: bool, recorded: bool) -> Fixture {
        quiet();
        let kit = registry();
        if !recorded {
            kit.stop_recording();
        }
        let (does, asked) = (Arc::new(Mutex::new(Does::Answer)), Arc::default());
        let state = (
            does.clone(),
            Arc::<AtomicUsize>::clone(&asked),
            kit.clock().clone(),
        );
        let answers =
            |(does, asked, clock): &(Arc<Mutex<Does>>, Arc<AtomicUsize>, hookpoint::Clock),
             cx: &GuardContext<'_>| {
                asked.fetch_add(1, Ordering::SeqCst);
                let does = *does.lock().unwrap();
                does.answer(clock, cx)
            };
        let hook = kit.on("shaky").point("schedule.*").breaker(policy());
        let hook = hook.on_failure(on_failure).timeout(LIMIT);
        let hook = if asynchronous {
            hook.intercept_async_with(state, move |state, cx| {
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    answers(&state, cx)
                })
            })
        } else {
            hook.intercept(move |cx| answers(&state, cx))
        };
        hook.unwrap().forget();
        Fixture { kit, does, asked }
    }

    fn call(&self, does: Does, asynchronous: bool) -> bool {
        *self.does.lock().unwrap() = does;
        let _entered = self.kit.enter();
        let got = if asynchronous {
            drive(later(7), self.kit.clock())
        } else {
            site(7)
        };
        got.map(|number| assert_eq!(number, 7)).is_ok()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn state(&self) -> BreakerState {
        self.kit.list()[0].breaker.unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// It opens at the threshold, refuses or is passed over meanwhile, tries once when the time is up, and closes or
    /// waits for twice as long.
    #[test]
    fn breakers_open_probe_and_close_on_schedule(
        steps in prop::collection::vec(step(), 0..60),
        open in any::<bool>(),
        asynchronous in any::<bool>(),
        recorded in any::<bool>(),
    ) {
        let on_failure = if open { OnFailure::Open } else { OnFailure::Closed };
        let fixture = Fixture::new(on_failure, asynchronous, recorded);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Wait(time) => {
                    fixture.kit.clock().advance(time);
                    model.now += time;
                }
                Step::Call(does) => {
                    let (asks, before) = (model.asks(), fixture.asked());
                    let passed = fixture.call(does, asynchronous);
                    prop_assert_eq!(fixture.asked() - before, usize::from(asks), "{:?}", does);
                    let said = asks.then_some(does);
                    prop_assert_eq!(passed, model.passes(said, on_failure), "{:?}", said);
                    if asks {
                        model.asked(does, on_failure);
                    }
                    let expected = if model.open.is_some() { BreakerState::Open } else { BreakerState::Closed };
                    prop_assert_eq!(fixture.state(), expected, "after {:?}", said);
                }
            }
        }
    }
}

#[test]
fn slowness_never_opens_the_breaker_of_a_closed_hook() {
    for asynchronous in [true, false] {
        let fixture = Fixture::new(OnFailure::Closed, asynchronous, true);
        for asked in 1..=100 {
            assert!(!fixture.call(Does::Late, asynchronous), "late is no answer");
            assert_eq!(
                (fixture.state(), fixture.asked()),
                (BreakerState::Closed, asked)
            );
        }
    }
}

/// While the one that tries it has no answer, all others are refused, and none of them waits for it.
#[test]
fn of_eight_threads_one_tries_the_hook() {
    quiet();
    let kit = registry();
    let (began, trying) = channel();
    let (answer, answers) = channel();
    let (began, answers) = (Mutex::new(began), Mutex::new(answers));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let hook = kit.on("shaky").point("schedule.sync").breaker(policy());
    let hook = hook.guard(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        nth if nth < THRESHOLD => Err(HookError::from("injected error")),
        THRESHOLD => {
            began.lock().unwrap().send(()).map_err(HookError::other)?;
            answers.lock().unwrap().recv().map_err(HookError::other)?;
            Ok(Vote::Pass)
        }
        _ => Ok(Vote::Pass),
    });
    let _hook = hook.unwrap();
    {
        let _entered = kit.enter();
        (0..THRESHOLD).for_each(|_| drop(site(1).unwrap_err()));
    }
    kit.clock().advance(SECOND);
    let call = || {
        let _entered = kit.enter();
        site(1)
    };
    std::thread::scope(|threads| {
        let answer = answer; // Gone if this fails, so that nobody waits for it.
        let tries = threads.spawn(call);
        trying.recv_timeout(SOON).unwrap();
        assert_eq!(kit.list()[0].breaker, Some(BreakerState::HalfOpen));
        let others: Vec<_> = (0..7)
            .map(|_| threads.spawn(|| (0..50).filter(|_| call().is_err()).count()))
            .collect();
        for other in others {
            assert_eq!(other.join().unwrap(), 50);
        }
        answer.send(()).unwrap();
        assert_eq!(tries.join().unwrap().unwrap(), 1);
    });
    assert_eq!(asked.load(Ordering::SeqCst), THRESHOLD + 1);
    assert_eq!(kit.list()[0].breaker, Some(BreakerState::Closed));
}
