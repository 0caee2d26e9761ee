//! From a topic to those who asked for it, with few and with many patterns.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hooks_events::route::Router;
use hooks_events::{Topic, TopicPattern};

use super::scale::{Throughput, throughput};
use super::{Group, Measured, Plan};
use crate::harness::{Samples, Variant, measure};
use crate::report::{Better, Claim, Unit};

/// What a bus keeps under a pattern: something shared.
type Entry = Arc<usize>;

/// Topics that are published to in turn.
const TOPICS: usize = 256;

/// Topics whose patterns are not in the processor's caches when their turn comes again.
const STRANGERS: usize = 1 << 15;

/// One pattern in so many has a wildcard.
const WILDCARD_EVERY: usize = 25;

/// Routing by topic, kept and not, against looking at every pattern.
pub(super) const GROUP: Group = Group {
    claims: &[
        Claim::at_most(
            "route.10.cached_ns",
            10.0,
            Unit::Ns,
            "who gets an event, of 10 patterns, the topic asked for before",
        ),
        Claim::at_most("route.1k.cached_ns", 10.0, Unit::Ns, "of 1,000 patterns"),
        Claim::at_most(
            "route.100k.cached_ns",
            10.0,
            Unit::Ns,
            "of 100,000 patterns",
        ),
        Claim::at_most(
            "route.10.miss_ns",
            100.0,
            Unit::Ns,
            "10 patterns, a topic that is not kept",
        ),
        Claim::at_most("route.1k.miss_ns", 100.0, Unit::Ns, "of 1,000 patterns"),
        Claim::at_most("route.100k.miss_ns", 100.0, Unit::Ns, "of 100,000 patterns"),
        Claim::shown(
            "route.100k.cold_ns",
            Unit::Ns,
            "of 100,000 patterns, a topic that was not asked for lately: from main memory",
        ),
        Claim::at_most(
            "route.handle_ns",
            1.0,
            Unit::Ns,
            "by a handle for one topic",
        ),
        Claim::shown(
            "route.1k.scan_ns",
            Unit::Ns,
            "looking at each of 1,000 patterns",
        ),
        Claim {
            better: Better::Higher,
            ..Claim::at_least(
                "route.2_threads",
                0.9,
                Unit::Ratio,
                "throughput of each of 2 threads with the same topics, over one thread alone",
            )
        },
    ],
    measure: routes,
};

fn topic(nth: usize) -> Topic {
    Topic::new(&format!("shop{}.order{nth}.created", nth % 7)).expect("a topic")
}

fn pattern(nth: usize) -> TopicPattern {
    let kind = nth / WILDCARD_EVERY;
    let text = match (nth % WILDCARD_EVERY, kind % 3) {
        (0, 0) => format!("shop{}.order{nth}.*", nth % 7),
        (0, 1) => format!("*.order{nth}.created"),
        (0, _) => format!("shop{}.order{nth}.>", nth % 7),
        _ => format!("shop{}.order{nth}.created", nth % 7),
    };
    TopicPattern::new(&text).expect("a pattern")
}

fn filled(router: Router<Entry>, patterns: usize) -> Router<Entry> {
    for nth in 0..patterns {
        router.insert(&pattern(nth), Arc::new(nth));
    }
    router
}

/// Asks for those topics in turn.
fn calls<'a>(router: &'a Router<Entry>, topics: &'a [Topic]) -> impl Fn(u64) + Sync + 'a {
    let next = AtomicUsize::new(0);
    move |n| {
        let mut at = next.load(Ordering::Relaxed);
        for _ in 0..n {
            black_box(router.with(&topics[at], |entries| entries.len()));
            at += 1;
            if at == topics.len() {
                at = 0;
            }
        }
        next.store(at, Ordering::Relaxed);
    }
}

fn routes(plan: &Plan) -> Result<Vec<Measured>, hookpoint::HookError> {
    let sizes = [10, 1_000, 100_000];
    let routers = sizes.map(|size| filled(Router::new(), size));
    // Room for so few of the topics that nearly none is found: what a miss costs, and what deciding costs that an
    // answer is not worth to be kept.
    let forgetful = sizes.map(|size| filled(Router::with_cache(4, 4), size));
    let topics: Vec<Topic> = (0..TOPICS).map(topic).collect();
    let strangers: Vec<Topic> = (0..STRANGERS).map(topic).collect();
    let mut handle = routers[2].handle(topics[1].clone());
    let patterns: Vec<TopicPattern> = (0..1_000).map(pattern).collect();
    let at = Cell::new(0);
    let scan = |n: u64| {
        for _ in 0..n {
            let topic = topics[at.get() % TOPICS].as_str();
            at.set(at.get() + 1);
            black_box(patterns.iter().filter(|p| p.matches(topic)).count());
        }
    };
    let samples = measure(
        plan.rounds,
        vec![
            Variant::new("10", calls(&routers[0], &topics)),
            Variant::new("1k", calls(&routers[1], &topics)),
            Variant::new("100k", calls(&routers[2], &topics)),
            Variant::new("10 miss", calls(&forgetful[0], &topics)),
            Variant::new("1k miss", calls(&forgetful[1], &topics)),
            Variant::new("100k miss", calls(&forgetful[2], &topics)),
            Variant::new("100k cold", calls(&forgetful[2], &strangers)),
            Variant::new("handle", |n| {
                for _ in 0..n {
                    black_box(black_box(&mut handle).route().len());
                }
            }),
            Variant::new("scan", scan),
        ],
    );
    let same = calls(&routers[1], &topics);
    let Throughput { kept, alone_ns } =
        throughput(plan.rounds, [&same, &calls(&routers[1], &topics)]);
    let row = |name, variant| measured(name, &samples, variant);
    Ok(vec![
        row("route.10.cached_ns", "10"),
        row("route.1k.cached_ns", "1k"),
        row("route.100k.cached_ns", "100k"),
        row("route.10.miss_ns", "10 miss"),
        row("route.1k.miss_ns", "1k miss"),
        row("route.100k.miss_ns", "100k miss"),
        row("route.100k.cold_ns", "100k cold"),
        row("route.handle_ns", "handle"),
        row("route.1k.scan_ns", "scan"),
        Measured::new("route.2_threads", kept).note(format!("by CPU time; alone {alone_ns:.1} ns")),
    ])
}

fn measured(name: &'static str, samples: &Samples, variant: &'static str) -> Measured {
    Measured::new(name, samples.ns(variant)).allocations(samples.allocations(variant))
}
