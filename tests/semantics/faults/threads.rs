//! What fails in the calls of one thread is nothing to those of the others.

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{spawn, yield_now};
use std::time::{Duration, Instant};

use hookpoint::test::registry;
use hookpoint::{HookError, HookRefusal, Vote, hooked};

use super::LIMIT;
use crate::sites::quiet;

const SOON: Duration = Duration::from_secs(20);

#[hooked(point = "fault_threads.sync")]
fn site(number: usize) -> Result<usize, HookRefusal> {
    Ok(number)
}

#[hooked(point = "fault_threads.parking", blocking)]
fn parking(number: usize) -> Result<usize, HookRefusal> {
    Ok(number)
}

#[test]
fn calls_of_healthy_threads_pass_while_those_of_others_fail() {
    quiet();
    let kit = registry();
    let shaky = kit.guard("shaky", "fault_threads.sync", |cx| {
        match cx.arg::<usize>("number")? % 4 {
            1 => Err(HookError::from("injected error")),
            2 => panic!("injected panic"),
            3 => Ok(Vote::cancel_if(*cx.arg::<bool>("number")?, "never")),
            _ => Ok(Vote::Pass),
        }
    });
    let _shaky = shaky.unwrap();
    let start = Barrier::new(8);
    std::thread::scope(|threads| {
        for number in 0..8 {
            let (kit, start) = (&kit, &start);
            threads.spawn(move || {
                let _entered = kit.enter();
                start.wait();
                for _ in 0..500 {
                    assert_eq!(site(number).ok(), (number % 4 == 0).then_some(number));
                }
            });
        }
    });
}

#[test]
fn a_call_whose_hook_hangs_keeps_nobody_else() {
    let kit = Arc::new(registry());
    let (began, hanging) = channel();
    let hook = kit
        .on("hangs")
        .point("fault_threads.parking")
        .timeout(LIMIT);
    let hook = hook.guard_async_with(Arc::new(Mutex::new(began)), |began, cx| {
        Box::pin(async move {
            if *cx.arg::<usize>("number")? == 0 {
                began.lock().unwrap().send(()).map_err(HookError::other)?;
                std::future::pending::<()>().await;
            }
            Ok(Vote::Pass)
        })
    });
    let _hook = hook.unwrap();
    // Not scoped: if it hangs for ever, the test fails all the same.
    let call = |number| {
        let kit = kit.clone();
        spawn(move || {
            let _entered = kit.enter();
            (0..100).map(|_| parking(number)).find(Result::is_err)
        })
    };
    let hangs = call(0);
    hanging.recv_timeout(SOON).unwrap();
    for other in (1..8).map(call).collect::<Vec<_>>() {
        assert!(
            other.join().unwrap().is_none(),
            "a healthy call was refused"
        );
    }
    let until = Instant::now() + SOON;
    // The deadline begins when the hook was not ready, which may be now.
    while !hangs.is_finished() {
        assert!(Instant::now() < until, "it was not stopped");
        kit.clock().advance(LIMIT);
        yield_now();
    }
    let refused = hangs.join().unwrap().unwrap().unwrap_err();
    assert!(
        refused.reason().contains("no answer within 10s"),
        "{refused}"
    );
}
