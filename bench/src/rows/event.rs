//! What it costs to make an event.

use std::hint::black_box;

use hooks_events::{Event, Topic};

use super::{Group, Measured, Plan};
use crate::harness::{Variant, measure};
use crate::report::{Claim, Unit};

/// An event that nobody asks for its id, its time or its JSON.
pub(super) const GROUP: Group = Group {
    claims: &[
        Claim::at_most(
            "event.new.allocs",
            1.0,
            Unit::Count,
            "allocations of a new event with its payload",
        ),
        Claim::shown(
            "event.new_ns",
            Unit::Ns,
            "a new event, and dropping it, with a topic of this thread's own",
        ),
        Claim::shown("event.new_static_ns", Unit::Ns, "with a static topic"),
        Claim::shown(
            "event.json_ns",
            Unit::Ns,
            "a new event and its JSON, id and time",
        ),
    ],
    measure: events,
};

fn calls<R>(topic: Topic, use_it: impl Fn(&Event) -> R) -> impl Fn(u64) {
    move |n| {
        for _ in 0..n {
            let event = Event::new(&topic, black_box([1_u64, 2]));
            black_box(use_it(black_box(&event)));
        }
    }
}

fn events(plan: &Plan) -> Result<Vec<Measured>, hookpoint::HookError> {
    const TEXT: &str = "shop.order.created";
    let own = Topic::new(TEXT).expect("a topic");
    let fixed = Topic::from_static(TEXT).expect("a topic");
    let all = |event: &Event| (event.json().is_ok(), event.id().len(), event.time());
    let samples = measure(
        plan.rounds,
        vec![
            Variant::new("own", calls(own.clone(), |_| ())),
            Variant::new("static", calls(fixed, |_| ())),
            Variant::new("json", calls(own, all)),
        ],
    );
    let row = |name, variant| {
        Measured::new(name, samples.ns(variant)).allocations(samples.allocations(variant))
    };
    let allocations = samples.allocations("own");
    Ok(vec![
        Measured::new("event.new.allocs", allocations).allocations(allocations),
        row("event.new_ns", "own"),
        row("event.new_static_ns", "static"),
        row("event.json_ns", "json"),
    ])
}
