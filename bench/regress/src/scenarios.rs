//! The calls, one scenario each. A program runs one of them only, so that the others' hooks are not there.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use hookpoint::prelude::*;

/// One kind of call.
pub struct Scenario {
    /// Its name in the budgets.
    pub name: &'static str,
    /// Registers its hooks and gives the calls; what it returns keeps the hooks registered.
    prepare: fn() -> Result<Calls, HookError>,
}

/// Calls that can be made any number of times.
struct Calls {
    run: fn(u64),
    /// Entered around the calls.
    scope: Option<HookScope>,
    _hooks: Vec<HookGuard>,
}

impl Scenario {
    /// Makes the hooks ready, then hands a function that makes a number of calls to `use_calls`.
    ///
    /// # Errors
    /// A hook was not registered.
    pub fn with<T>(&self, use_calls: impl FnOnce(&dyn Fn(u64)) -> T) -> Result<T, HookError> {
        let calls = (self.prepare)()?;
        let _entered = calls.scope.as_ref().map(HookScope::enter);
        Ok(use_calls(&calls.run))
    }
}

/// All of them, in the order of the table.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "bare_sync",
        prepare: || plain(|n| sync_calls(n, bare_sync), Vec::new()),
    },
    Scenario {
        name: "idle_sync",
        prepare: || plain(|n| sync_calls(n, idle_sync), Vec::new()),
    },
    Scenario {
        name: "bare_async",
        prepare: || plain(|n| async_calls(n, bare_async), Vec::new()),
    },
    Scenario {
        name: "idle_async",
        prepare: || plain(|n| async_calls(n, idle_async), Vec::new()),
    },
    Scenario {
        name: "active_sync_1",
        prepare: || {
            plain(
                |n| sync_calls(n, active_sync),
                no_ops("regress.active_sync", 1)?,
            )
        },
    },
    Scenario {
        name: "active_sync_10",
        prepare: || {
            plain(
                |n| sync_calls(n, active_sync),
                no_ops("regress.active_sync", 10)?,
            )
        },
    },
    Scenario {
        name: "active_async_1",
        prepare: || {
            plain(
                |n| async_calls(n, active_async),
                no_ops("regress.active_async", 1)?,
            )
        },
    },
    Scenario {
        name: "active_async_10",
        prepare: || {
            plain(
                |n| async_calls(n, active_async),
                no_ops("regress.active_async", 10)?,
            )
        },
    },
    Scenario {
        name: "refused_sync",
        prepare: refused,
    },
    Scenario {
        name: "replaced_sync",
        prepare: replaced,
    },
    Scenario {
        name: "full_sync_1",
        prepare: full,
    },
    Scenario {
        name: "scoped_sync_1",
        prepare: scoped,
    },
];

fn plain(run: fn(u64), hooks: Vec<HookGuard>) -> Result<Calls, HookError> {
    Ok(Calls {
        run,
        scope: None,
        _hooks: hooks,
    })
}

/// `count` hooks that do nothing, each asked before and after the body.
fn no_ops(point: &str, count: usize) -> Result<Vec<HookGuard>, HookError> {
    let no_op = |n| {
        hooks()
            .on(format!("no-op-{n}"))
            .point(point)
            .pre()
            .post()
            .intercept(|_| ())
    };
    (0..count).map(no_op).collect()
}

fn refused() -> Result<Calls, HookError> {
    let guard = hooks().guard("never", "regress.refused", |_| Ok(Vote::cancel("never")))?;
    plain(|n| sync_calls(n, refused_sync), vec![guard])
}

fn replaced() -> Result<Calls, HookError> {
    let always = hooks().intercept("always", "regress.replaced", |_| HookResult::replace(7_u64))?;
    plain(|n| sync_calls(n, replaced_sync), vec![always])
}

/// One hook of each role, in a run.
fn full() -> Result<Calls, HookError> {
    let point = "regress.full";
    let hooks = vec![
        hooks()
            .on("intercept")
            .point(point)
            .pre()
            .post()
            .intercept(|_| ())?,
        hooks().guard("guard", point, |_| Ok(Vote::Pass))?,
        hooks().observe("observe", point, |record| {
            black_box(record);
        })?,
    ];
    let scope = Some(HookScope::run("regress"));
    Ok(Calls {
        run: |n| sync_calls(n, full_sync),
        scope,
        _hooks: hooks,
    })
}

/// One hook, in the registry of a layer.
fn scoped() -> Result<Calls, HookError> {
    let layer = HookScope::layer();
    let hook = layer
        .registry()
        .on("no-op")
        .point("regress.scoped")
        .pre()
        .post()
        .intercept(|_| ())?;
    Ok(Calls {
        run: |n| sync_calls(n, scoped_sync),
        scope: Some(layer),
        _hooks: vec![hook],
    })
}

type Answer = Result<u64, HookRefusal>;

fn sync_calls(n: u64, call: fn(u64, u64, &str) -> Answer) {
    let (b, label) = (black_box(3), black_box("label"));
    for i in 0..n {
        // Whatever the answer, refusals included, it is used.
        let _answer = black_box(call(i, b, label));
    }
}

fn async_calls<F: Future<Output = Answer>>(n: u64, call: fn(u64, u64, &'static str) -> F) {
    let calls = pin!(async {
        let (b, label) = (black_box(3), black_box("label"));
        for i in 0..n {
            let _answer = black_box(call(i, b, label).await);
        }
    });
    let polled = calls.poll(&mut Context::from_waker(Waker::noop()));
    assert!(
        matches!(polled, Poll::Ready(())),
        "no hook and no body waits"
    );
}

macro_rules! same_body {
    () => {};
    ($(#[$attribute:meta])* fn $name:ident; $($rest:tt)*) => {
        $(#[$attribute])*
        #[inline(never)]
        fn $name(a: u64, b: u64, label: &str) -> Answer {
            Ok(a.wrapping_mul(31) ^ b ^ label.len() as u64)
        }
        same_body! { $($rest)* }
    };
    ($(#[$attribute:meta])* async fn $name:ident; $($rest:tt)*) => {
        $(#[$attribute])*
        async fn $name(a: u64, b: u64, label: &'static str) -> Answer {
            Ok(a.wrapping_mul(31) ^ b ^ label.len() as u64)
        }
        same_body! { $($rest)* }
    };
}

same_body! {
    fn bare_sync;
    async fn bare_async;
    #[hooked(point = "regress.idle_sync")] fn idle_sync;
    #[hooked(point = "regress.idle_async")] async fn idle_async;
    #[hooked(point = "regress.active_sync")] fn active_sync;
    #[hooked(point = "regress.active_async")] async fn active_async;
    #[hooked(point = "regress.refused")] fn refused_sync;
    #[hooked(point = "regress.replaced")] fn replaced_sync;
    #[hooked(point = "regress.full")] fn full_sync;
    #[hooked(point = "regress.scoped")] fn scoped_sync;
}

/// Keeps 40 bytes across its await, unhooked; with the attribute, below. The pair says what a site adds.
async fn bare_40(a: u64, b: u64) -> Answer {
    std::future::ready(()).await;
    Ok(a ^ b)
}

#[hooked(point = "regress.hooked_40")]
async fn hooked_40(a: u64, b: u64) -> Answer {
    std::future::ready(()).await;
    Ok(a ^ b)
}

/// Bytes of futures: by name, with and without the attribute.
pub fn future_bytes() -> [(&'static str, usize); 2] {
    [
        ("bare_40", size_of_val(&bare_40(1, 2))),
        ("hooked_40", size_of_val(&hooked_40(1, 2))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> &'static Scenario {
        ALL.iter().find(|s| s.name == name).unwrap()
    }

    /// One after another: they share the global registry.
    #[test]
    fn scenarios_do_what_their_names_say() {
        let body = |a: u64| Ok(a.wrapping_mul(31) ^ 2 ^ 5);
        let value = |answer: Answer| answer.map_err(|refusal| refusal.to_string());
        let refused = find("refused_sync")
            .with(|_| value(refused_sync(1, 2, "label")))
            .unwrap();
        assert!(refused.unwrap_err().contains("never"));
        assert_eq!(
            value(refused_sync(1, 2, "label")),
            body(1),
            "the hook goes with its scenario"
        );
        let replaced = find("replaced_sync")
            .with(|_| value(replaced_sync(1, 2, "label")))
            .unwrap();
        assert_eq!(replaced, Ok(7));

        let asked = |name: &str, point: &str| {
            let count = || {
                hooks()
                    .list()
                    .iter()
                    .filter(|h| h.points.iter().any(|p| **p == *point))
                    .count()
            };
            find(name).with(|calls| {
                calls(1);
                count()
            })
        };
        assert_eq!(asked("idle_sync", "regress.idle_sync").unwrap(), 0);
        assert_eq!(asked("active_sync_1", "regress.active_sync").unwrap(), 1);
        assert_eq!(asked("active_sync_10", "regress.active_sync").unwrap(), 10);
        assert_eq!(
            asked("active_async_10", "regress.active_async").unwrap(),
            10
        );
        assert_eq!(asked("full_sync_1", "regress.full").unwrap(), 3);
        assert_eq!(
            asked("scoped_sync_1", "regress.scoped").unwrap(),
            0,
            "it is in the layer, not in the registry"
        );
    }

    #[test]
    fn the_bare_future_has_40_bytes() {
        assert_eq!(future_bytes()[0], ("bare_40", 40));
    }
}
