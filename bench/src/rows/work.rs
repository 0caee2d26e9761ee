//! What hooks add to work that programs do.

use std::hint::black_box;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hookpoint::prelude::*;
use sha2::{Digest, Sha256};

use super::{Group, Measured};
use crate::harness::{Samples, Variant, measure};
use crate::registered::no_ops;
use crate::report::{Claim, Unit};

/// A percent is seldom more than the noise of a round: more of them than where a hook is half of the time.
const MORE_ROUNDS: usize = 5;

const WITHOUT: &str = "bare";
const AGAIN: &str = "bare again";

/// The control and the rows for 0, 1 and 5 hooks, as far as there are any.
fn added(samples: &Samples, names: &[(&'static str, &'static str)]) -> Vec<Measured> {
    let row = |(name, variant): &(&'static str, &'static str)| {
        let note = format!("of {:.2} µs", samples.ns(WITHOUT) / 1e3);
        let more = samples.allocations(variant) - samples.allocations(WITHOUT);
        Measured::new(name, samples.percent_added(variant, WITHOUT))
            .allocations(more)
            .note(note)
    };
    names.iter().map(row).collect()
}

/// The same function bare, bare again, and as sites for 0, 1 and 5 hooks.
macro_rules! work {
    ($module:ident, $idle:literal, $one:literal, $five:literal, ($argument:ident: $type:ty) -> $output:ty $body:block) => {
        mod $module {
            use super::*;
            work!(@ bare, $argument, $type, $output, $body);
            work!(@ bare_again, $argument, $type, $output, $body);
            work!(@ #[hooked(point = $idle)] idle, $argument, $type, $output, $body);
            work!(@ #[hooked(point = $one)] one, $argument, $type, $output, $body);
            work!(@ #[hooked(point = $five)] five, $argument, $type, $output, $body);

            /// All variants, and the hooks that two of them have.
            pub(super) fn measured(rounds: usize, argument: $type) -> Result<Samples, HookError> {
                let _one = no_ops($one, 1)?;
                let _five = no_ops($five, 5)?;
                let calls = |call: fn($type) -> Result<$output, HookRefusal>| {
                    move |n: u64| {
                        for _ in 0..n {
                            let _output = black_box(call(black_box(argument)));
                        }
                    }
                };
                let variants = vec![
                    Variant::new(WITHOUT, calls(bare)),
                    Variant::new(AGAIN, calls(bare_again)),
                    Variant::new("0", calls(idle)),
                    Variant::new("1", calls(one)),
                    Variant::new("5", calls(five)),
                ];
                Ok(measure(rounds, variants))
            }
        }
    };
    (@ $(#[$attribute:meta])* $name:ident, $argument:ident, $type:ty, $output:ty, $body:block) => {
        $(#[$attribute])*
        #[inline(never)]
        fn $name($argument: $type) -> Result<$output, HookRefusal> $body
    };
}

work!(encode, "bench.base64_0", "bench.base64_1", "bench.base64_5", (input: &[u8]) -> String {
    Ok(BASE64_STANDARD.encode(input))
});
work!(digest, "bench.sha256_0", "bench.sha256_1", "bench.sha256_5", (input: &[u8]) -> [u8; 32] {
    Ok(Sha256::digest(input).into())
});
work!(parse, "bench.json_0", "bench.json_1", "bench.json_5", (input: &str) -> usize {
    let value: serde_json::Value = serde_json::from_str(input).expect("the text that is parsed is JSON");
    Ok(black_box(&value).as_array().map_or(0, Vec::len))
});

/// Base64 of 1 KiB.
pub(super) const BASE64: Group = Group {
    claims: &[
        Claim::shown(
            "work.base64_1k.control",
            Unit::Percent,
            "base64 of 1 KiB over itself: the noise of the rows below",
        ),
        Claim::at_most(
            "work.base64_1k.0",
            0.5,
            Unit::Percent,
            "base64 of 1 KiB, idle",
        ),
        Claim::at_most(
            "work.base64_1k.1",
            2.5,
            Unit::Percent,
            "1 hook, before and after",
        ),
        Claim::at_most("work.base64_1k.5", 5.0, Unit::Percent, "5 hooks"),
    ],
    measure: |plan| {
        let samples = encode::measured(plan.rounds * MORE_ROUNDS, &[0xa5; 1024])?;
        Ok(added(
            &samples,
            &[
                ("work.base64_1k.control", AGAIN),
                ("work.base64_1k.0", "0"),
                ("work.base64_1k.1", "1"),
                ("work.base64_1k.5", "5"),
            ],
        ))
    },
};

/// SHA-256 of 64 KiB.
pub(super) const SHA256: Group = Group {
    claims: &[
        Claim::shown(
            "work.sha256_64k.control",
            Unit::Percent,
            "SHA-256 of 64 KiB over itself: the noise of the row below",
        ),
        Claim::at_most(
            "work.sha256_64k.5",
            0.3,
            Unit::Percent,
            "SHA-256 of 64 KiB, 5 hooks",
        ),
    ],
    measure: |plan| {
        let samples = digest::measured(plan.rounds * MORE_ROUNDS, &[0xa5; 64 << 10])?;
        Ok(added(
            &samples,
            &[
                ("work.sha256_64k.control", AGAIN),
                ("work.sha256_64k.5", "5"),
            ],
        ))
    },
};

/// About 3 KiB of JSON: 40 orders.
fn orders() -> String {
    let order = |n: u32| {
        format!(
            r#"{{"id":{n},"name":"order {n}","lines":[{n},2,3],"price":{}.5,"paid":true}}"#,
            n * 3
        )
    };
    format!("[{}]", (0..40).map(order).collect::<Vec<_>>().join(","))
}

/// Parsing of JSON.
pub(super) const JSON: Group = Group {
    claims: &[
        Claim::shown(
            "work.json_3k.control",
            Unit::Percent,
            "parsing 3 KiB of JSON over itself: the noise of the rows below",
        ),
        Claim::shown(
            "work.json_3k.0",
            Unit::Percent,
            "parsing 3 KiB of JSON, idle",
        ),
        Claim::shown("work.json_3k.1", Unit::Percent, "1 hook, before and after"),
        Claim::shown("work.json_3k.5", Unit::Percent, "5 hooks"),
    ],
    measure: |plan| {
        // Shared by functions that ask for a text that lives on; one text a run.
        let text: &'static str = Box::leak(orders().into_boxed_str());
        let samples = parse::measured(plan.rounds * MORE_ROUNDS, text)?;
        Ok(added(
            &samples,
            &[
                ("work.json_3k.control", AGAIN),
                ("work.json_3k.0", "0"),
                ("work.json_3k.1", "1"),
                ("work.json_3k.5", "5"),
            ],
        ))
    },
};

async fn yielding(n: u64) -> Result<u64, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}
async fn yielding_again(n: u64) -> Result<u64, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}
#[hooked(point = "bench.spawn_0")]
async fn yielding_0(n: u64) -> Result<u64, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}
#[hooked(point = "bench.spawn_1")]
async fn yielding_1(n: u64) -> Result<u64, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}
#[hooked(point = "bench.spawn_5")]
async fn yielding_5(n: u64) -> Result<u64, HookRefusal> {
    tokio::task::yield_now().await;
    Ok(n)
}

fn spawned<F>(runtime: &tokio::runtime::Runtime, call: fn(u64) -> F) -> impl Fn(u64)
where
    F: Future<Output = Result<u64, HookRefusal>> + Send + 'static,
{
    move |n| {
        runtime.block_on(async {
            for i in 0..n {
                let _answer = black_box(tokio::spawn(call(i)).await);
            }
        });
    }
}

/// A spawned task that yields once.
pub(super) const SPAWN: Group = Group {
    claims: &[
        Claim::shown(
            "work.spawn.control",
            Unit::Percent,
            "a spawned tokio task that yields, over itself: the noise of the rows below",
        ),
        Claim::at_most(
            "work.spawn.0",
            0.5,
            Unit::Percent,
            "a spawned tokio task that yields, idle",
        ),
        Claim::at_most(
            "work.spawn.1",
            2.0,
            Unit::Percent,
            "1 hook, before and after",
        ),
        Claim::at_most("work.spawn.5", 3.5, Unit::Percent, "5 hooks"),
    ],
    measure: |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(HookError::other)?;
        let _one = no_ops("bench.spawn_1", 1)?;
        let _five = no_ops("bench.spawn_5", 5)?;
        let samples = measure(
            plan.rounds * MORE_ROUNDS,
            vec![
                Variant::new(WITHOUT, spawned(&runtime, yielding)),
                Variant::new(AGAIN, spawned(&runtime, yielding_again)),
                Variant::new("0", spawned(&runtime, yielding_0)),
                Variant::new("1", spawned(&runtime, yielding_1)),
                Variant::new("5", spawned(&runtime, yielding_5)),
            ],
        );
        Ok(added(
            &samples,
            &[
                ("work.spawn.control", AGAIN),
                ("work.spawn.0", "0"),
                ("work.spawn.1", "1"),
                ("work.spawn.5", "5"),
            ],
        ))
    },
};
