//! The order of a call, and which `return` is the function's.

#![deny(warnings)]

use std::sync::{Arc, Mutex};

use hookpoint::{HookError, hooked, hooks};

type Log = Arc<Mutex<Vec<String>>>;

#[hooked(point = "flow.order")]
fn plain(log: &Log, n: u64) -> Result<u64, String> {
    log.lock().unwrap().push(format!("body {n}"));
    if n == 0 { Err("zero".into()) } else { Ok(n) }
}

struct Host(u64);

impl Host {
    #[hooked(point = "flow.order")]
    fn method(&mut self, log: &Log, n: u64) -> Result<u64, String> {
        log.lock().unwrap().push(format!("body {n}"));
        self.0 += n;
        if n == 0 { Err("zero".into()) } else { Ok(n) }
    }
    #[hooked(point = "flow.order")]
    fn associated(log: &Log, n: u64) -> Result<u64, String> {
        log.lock().unwrap().push(format!("body {n}"));
        if n == 0 { Err("zero".into()) } else { Ok(n) }
    }
}

#[test]
fn hooks_come_once_each_and_in_order_and_change_nothing_by_watching() {
    let log = Log::default();
    let note = |phase: hookpoint::Phase| {
        let log = log.clone();
        hooks()
            .on(format!("flow.{phase}"))
            .point("flow.order")
            .phase(phase)
            .intercept(move |cx| {
                let line = match cx.phase() {
                    hookpoint::Phase::Post => format!("post {}", cx.result::<u64>()?),
                    hookpoint::Phase::Error => format!("error {}", cx.error::<String>()?),
                    other => format!("{other} {}", cx.arg::<u64>("n")?),
                };
                log.lock().unwrap().push(line);
                Ok::<_, HookError>(())
            })
            .unwrap()
    };
    let _guards = [
        hookpoint::Phase::Pre,
        hookpoint::Phase::Post,
        hookpoint::Phase::Error,
    ]
    .map(note);
    let sink = log.clone();
    let _done = hooks()
        .observe("flow.done", "flow.order", move |record| {
            sink.lock()
                .unwrap()
                .push(record.outcome().as_str().to_owned());
        })
        .unwrap();
    let mut host = Host(0);
    let calls: [&mut dyn FnMut(u64) -> Result<u64, String>; 3] = [
        &mut |n| plain(&log, n),
        &mut |n| host.method(&log, n),
        &mut |n| Host::associated(&log, n),
    ];
    for call in calls {
        assert_eq!(call(2), Ok(2));
        let lines = std::mem::take(&mut *log.lock().unwrap());
        assert_eq!(lines, ["pre 2", "body 2", "post 2", "returned"]);
        assert_eq!(call(0), Err("zero".into()));
        let lines = std::mem::take(&mut *log.lock().unwrap());
        assert_eq!(lines, ["pre 0", "body 0", "error zero", "failed"]);
    }
    assert_eq!(host.0, 2);
}

#[hooked(point = "flow.returns")]
async fn returns(n: u64) -> Result<u64, String> {
    // Neither of these two is the function's.
    let closure = |n: u64| -> Result<u64, String> {
        if n > 100 {
            return Err("closure".into());
        }
        Ok(n)
    };
    let block = async {
        if n > 200 {
            return Err("block".to_owned());
        }
        Ok(n)
    };
    let seen = (closure(n).is_err(), block.await.is_err());
    let Some(n) = n.checked_add(1) else {
        return Err("let else".into());
    };
    'outer: for a in 0..3 {
        for b in 0..3 {
            if a + b + n == 5 {
                break 'outer;
            }
            if n == 8 {
                return Ok(80);
            }
        }
    }
    let parsed: u64 = if n == 10 { "ten" } else { "0" }
        .parse()
        .map_err(|_| "question mark".to_owned())?;
    Ok(n + parsed + u64::from(seen.0) * 1000 + u64::from(seen.1) * 10_000)
}

#[tokio::test]
async fn every_way_out_of_a_body_is_its_result() {
    let log = Log::default();
    let (ok, error) = (log.clone(), log.clone());
    let _post = hooks()
        .on("flow.returns.post")
        .point("flow.returns")
        .post()
        .intercept(move |cx| {
            ok.lock()
                .unwrap()
                .push(format!("ok {}", cx.result::<u64>()?));
            Ok::<_, HookError>(())
        })
        .unwrap();
    let _error = hooks()
        .on("flow.returns.error")
        .point("flow.returns")
        .error()
        .intercept(move |cx| {
            error
                .lock()
                .unwrap()
                .push(format!("error {}", cx.error::<String>()?));
            Ok::<_, HookError>(())
        })
        .unwrap();
    for n in [1, 7, 9, 150, 250, u64::MAX] {
        // What is returned is looked at through the hooks.
        drop(returns(n).await);
    }
    assert_eq!(
        *log.lock().unwrap(),
        [
            "ok 2",
            "ok 80",
            "error question mark",
            "ok 1151",
            "ok 11251",
            "error let else"
        ]
    );
}

#[hooked(point = "flow.recursive", observe)]
fn factorial(n: u64) -> u64 {
    if n == 0 { 1 } else { n * factorial(n - 1) }
}

#[test]
fn recursive_calls_are_nested_calls() {
    let parents = Arc::new(Mutex::new(Vec::new()));
    let sink = parents.clone();
    let _pre = hooks()
        .intercept("flow.recursive.pre", "flow.recursive", move |cx| {
            sink.lock().unwrap().push((cx.parent_id(), cx.call_id()));
        })
        .unwrap();
    assert_eq!(factorial(3), 6);
    let calls = parents.lock().unwrap();
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[0].0, None);
    for pair in calls.windows(2) {
        assert_eq!(pair[1].0, Some(pair[0].1));
    }
}
