//! Deliveries of the event bus, beside `tokio::sync::broadcast`.
//!
//! Both sides run on one runtime with two worker threads, in the same rounds, by the clock on the wall: from the
//! first event published to the last one received. Neither side loses anything: the channel and the queues take
//! all events of a round.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use hookpoint::HookError;
use hooks_events::{Delivery, Event, EventBus, HandlerGuard, Publisher, Topic};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use super::{Group, Measured};
use crate::harness::Samples;
use crate::report::{Better, Claim, Unit};

/// Events of each publisher in a round.
const EVENTS: u64 = 20_000;
/// Events that are made beforehand.
const EVENTS_MADE: u64 = 1024;
/// How many times more events the fast side publishes, so that its time can be measured.
const INLINE_TIMES: u64 = 10;

const fn higher(claim: Claim) -> Claim {
    Claim {
        better: Better::Higher,
        ..claim
    }
}

/// How many publish and how many are subscribed.
#[derive(Clone, Copy)]
struct Shape {
    publishers: u64,
    subscribers: u64,
}

const ONE_TO_ONE: Shape = shape(1, 1);
const ONE_TO_TEN: Shape = shape(1, 10);
const FOUR_TO_FOUR: Shape = shape(4, 4);

const fn shape(publishers: u64, subscribers: u64) -> Shape {
    Shape {
        publishers,
        subscribers,
    }
}

/// What the variants share.
struct Stage {
    runtime: Runtime,
    topic: Topic,
    /// Published again and again where making events is not part of the claim. As many as may be on their way,
    /// so that their counts of references are not what everybody waits for.
    events: Vec<Arc<Event>>,
}

impl Stage {
    fn new() -> Result<Stage, HookError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build();
        let topic = Topic::new("bench.event").map_err(HookError::other)?;
        Ok(Stage {
            runtime: runtime.map_err(HookError::other)?,
            events: (0..EVENTS_MADE).map(|n| Arc::new(Event::new(&topic, n))).collect(),
            topic,
        })
    }

    /// Nanoseconds for each delivery, of publishers and subscribers that run as tasks.
    fn timed(&self, shape: Shape, events: u64, publishers: Tasks, subscribers: Tasks) -> f64 {
        let start = Instant::now();
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            publishers.into_iter().for_each(|task| drop(tasks.spawn(task)));
            // They have been waiting since they were made.
            for task in subscribers {
                tasks.spawn(task);
            }
            tasks.join_all().await;
        });
        start.elapsed().as_nanos() as f64 / (shape.publishers * shape.subscribers * events) as f64
    }

    fn broadcast(&self, shape: Shape, sent: Sent) -> f64 {
        let all = EVENTS * shape.publishers;
        let (sender, _) = broadcast::channel::<Arc<Event>>(all as usize);
        let subscribers = (0..shape.subscribers).map(|_| {
            let mut receiver = sender.subscribe();
            boxed(async move {
                for _ in 0..all {
                    let event = receiver.recv().await.expect("the channel takes all events");
                    black_box(&*event);
                }
            })
        });
        let subscribers = subscribers.collect();
        let publishers = (0..shape.publishers).map(|_| {
            let (sender, topic, events) = (sender.clone(), self.topic.clone(), self.events.clone());
            boxed(async move {
                for n in 0..EVENTS {
                    let event = match sent {
                        Sent::Made => Arc::new(Event::new(&topic, n)),
                        Sent::Shared => made(&events, n).clone(),
                        Sent::Lent => Arc::new(Event::clone(black_box(&events[0]))),
                    };
                    sender.send(event).expect("the receivers live");
                }
            })
        });
        let publishers = publishers.collect();
        self.timed(shape, EVENTS, publishers, subscribers)
    }

    fn inline_bus(shape: Shape) -> (EventBus, Vec<HandlerGuard>) {
        let bus = EventBus::new();
        let handler = |_| {
            let handler = |event: &Event| {
                black_box(event);
            };
            bus.subscribe("bench.event").inline(handler).expect("the pattern is one")
        };
        let guards = (0..shape.subscribers).map(handler).collect();
        (bus, guards)
    }

    /// A loop of its own for each way to publish. `publish` says whether it went well.
    fn inline(&self, shape: Shape, publish: impl Fn(&mut Inline, u64) -> bool + Copy + Send + 'static) -> f64 {
        let (bus, _guards) = Stage::inline_bus(shape);
        let events = EVENTS * INLINE_TIMES;
        let publishers = (0..shape.publishers).map(|_| {
            let mut inline = Inline {
                publisher: bus.publisher(&self.topic),
                bus: bus.clone(),
                topic: self.topic.clone(),
                events: self.events.clone(),
            };
            boxed(async move {
                for n in 0..events {
                    assert!(publish(&mut inline, n), "nobody refuses");
                }
            })
        });
        let publishers = publishers.collect();
        self.timed(shape, events, publishers, Vec::new())
    }

    /// With a capacity of all events, or the default one, where publishers wait.
    fn queued(&self, shape: Shape, takes_all: bool, makes: bool) -> f64 {
        let bus = EventBus::new();
        let all = EVENTS * shape.publishers;
        let subscribers = (0..shape.subscribers).map(|_| {
            let builder = bus.subscribe("bench.event");
            let builder = if takes_all { builder.capacity(all as usize) } else { builder };
            let mut subscription = builder.stream().expect("the pattern is one");
            boxed(async move {
                for _ in 0..all {
                    let Some(Delivery::Event(event)) = subscription.recv().await else {
                        panic!("an event was lost");
                    };
                    black_box(&*event);
                }
            })
        });
        let subscribers = subscribers.collect();
        let publishers = (0..shape.publishers).map(|_| {
            let (bus, topic, events) = (bus.clone(), self.topic.clone(), self.events.clone());
            boxed(async move {
                let mut publisher = bus.publisher(&topic);
                for n in 0..EVENTS {
                    let published = match makes {
                        true => publisher.publish(Event::new(&topic, n)).await,
                        false => publisher.publish(made(&events, n).clone()).await,
                    };
                    published.expect("nobody refuses");
                }
            })
        });
        let publishers = publishers.collect();
        self.timed(shape, EVENTS, publishers, subscribers)
    }
}

/// What comes into the channel.
#[derive(Clone, Copy)]
enum Sent {
    /// An event that is made for it.
    Made,
    /// One that is shared.
    Shared,
    /// One that the sender has and keeps: a channel owns what it carries, so it gets an `Arc` of its own.
    Lent,
}

/// What somebody has who publishes to inline handlers.
struct Inline {
    publisher: Publisher,
    bus: EventBus,
    topic: Topic,
    events: Vec<Arc<Event>>,
}

impl Inline {
    fn lend(&mut self, _: u64) -> bool {
        self.publisher.try_publish(black_box(&*self.events[0])).is_ok()
    }

    fn share(&mut self, n: u64) -> bool {
        let event = made(&self.events, n).clone();
        self.publisher.try_publish(event).is_ok()
    }

    fn make(&mut self, n: u64) -> bool {
        self.publisher.try_publish(Event::new(&self.topic, n)).is_ok()
    }

    fn without_handle(&mut self, n: u64) -> bool {
        self.bus.try_publish(Event::new(&self.topic, n)).is_ok()
    }
}

fn made(events: &[Arc<Event>], n: u64) -> &Arc<Event> {
    &events[(n % EVENTS_MADE) as usize]
}

type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
type Tasks = Vec<Task>;

fn boxed(task: impl Future<Output = ()> + Send + 'static) -> Task {
    Box::pin(task)
}

/// Every variant in every round, forwards and backwards in turn.
fn rounds(count: usize, variants: &[(&'static str, &dyn Fn() -> f64)]) -> Samples {
    let once = |round: usize| {
        let mut times = vec![0.0; variants.len()];
        for i in 0..variants.len() {
            let at = (i + round) % variants.len();
            let at = if round.is_multiple_of(2) { at } else { variants.len() - 1 - at };
            times[at] = variants[at].1();
        }
        times
    };
    once(0);
    let names = variants.iter().map(|(name, _)| *name).collect();
    Samples::new(names, (0..count).map(once).collect(), vec![0.0; variants.len()])
}

fn ratio(name: &'static str, samples: &Samples, ours: &str, theirs: &str) -> Measured {
    let (mine, other) = (samples.ns(ours), samples.ns(theirs));
    Measured::new(name, samples.ratio(theirs, ours))
        .note(format!("{mine:.1} ns a delivery, broadcast {other:.1} ns"))
}

/// Inline handlers.
pub(super) const INLINE: Group = Group {
    claims: &[
        Claim::at_least(
            "bus.inline.vs_broadcast",
            30.0,
            Unit::Ratio,
            "an event that its publisher keeps, lent to an inline handler: a delivery by `tokio::sync::broadcast`, \
             which gets an `Arc` of it, over one of ours; 1 publisher, 1 subscriber",
        ),
        higher(Claim::shown(
            "bus.inline.1_10.vs_broadcast",
            Unit::Ratio,
            "1 publisher, 10 inline handlers",
        )),
        higher(Claim::shown(
            "bus.inline.4_4.vs_broadcast",
            Unit::Ratio,
            "4 publishers, 4 inline handlers",
        )),
        Claim::at_least(
            "bus.inline_arc.vs_broadcast",
            6.0,
            Unit::Ratio,
            "an `Arc<Event>` cloned for each publishing, on both sides",
        ),
        higher(Claim::shown(
            "bus.inline_made.vs_broadcast",
            Unit::Ratio,
            "making the event included, on both sides",
        )),
        higher(Claim::shown(
            "bus.inline_no_handle.vs_broadcast",
            Unit::Ratio,
            "the same by `EventBus::try_publish`, which looks the topic up",
        )),
    ],
    measure: |plan| {
        let stage = Stage::new()?;
        let samples = rounds(
            plan.rounds,
            &[
                ("broadcast 1_1", &|| stage.broadcast(ONE_TO_ONE, Sent::Lent)),
                ("broadcast shared", &|| stage.broadcast(ONE_TO_ONE, Sent::Shared)),
                ("broadcast 1_10", &|| stage.broadcast(ONE_TO_TEN, Sent::Lent)),
                ("broadcast 4_4", &|| stage.broadcast(FOUR_TO_FOUR, Sent::Lent)),
                ("broadcast made", &|| stage.broadcast(ONE_TO_ONE, Sent::Made)),
                ("lent 1_1", &|| stage.inline(ONE_TO_ONE, Inline::lend)),
                ("lent 1_10", &|| stage.inline(ONE_TO_TEN, Inline::lend)),
                ("lent 4_4", &|| stage.inline(FOUR_TO_FOUR, Inline::lend)),
                ("shared", &|| stage.inline(ONE_TO_ONE, Inline::share)),
                ("made", &|| stage.inline(ONE_TO_ONE, Inline::make)),
                ("no handle", &|| stage.inline(ONE_TO_ONE, Inline::without_handle)),
            ],
        );
        let row = |name, ours: &str, theirs: &str| ratio(name, &samples, ours, theirs);
        Ok(vec![
            row("bus.inline.vs_broadcast", "lent 1_1", "broadcast 1_1"),
            row("bus.inline.1_10.vs_broadcast", "lent 1_10", "broadcast 1_10"),
            row("bus.inline.4_4.vs_broadcast", "lent 4_4", "broadcast 4_4"),
            row("bus.inline_arc.vs_broadcast", "shared", "broadcast shared"),
            row("bus.inline_made.vs_broadcast", "made", "broadcast made"),
            row("bus.inline_no_handle.vs_broadcast", "no handle", "broadcast made"),
        ])
    },
};

/// Queues.
pub(super) const QUEUED: Group = Group {
    claims: &[
        Claim::at_least(
            "bus.queued.1_1.vs_broadcast",
            1.3,
            Unit::Ratio,
            "streams, nothing lost on either side: 1 publisher, 1 subscriber",
        ),
        Claim::at_least(
            "bus.queued.1_10.vs_broadcast",
            1.0,
            Unit::Ratio,
            "1 publisher, 10 subscribers",
        ),
        Claim::at_least(
            "bus.queued.4_4.vs_broadcast",
            1.3,
            Unit::Ratio,
            "4 publishers, 4 subscribers",
        ),
        higher(Claim::shown(
            "bus.queued.made.1_10.vs_broadcast",
            Unit::Ratio,
            "making the events included, on both sides: 1 publisher, 10 subscribers",
        )),
        higher(Claim::shown(
            "bus.queued.bounded.1_1.vs_broadcast",
            Unit::Ratio,
            "with the default capacity of 1024, where publishers wait; broadcast has room for all",
        )),
        higher(Claim::shown(
            "bus.queued.bounded.1_10.vs_broadcast",
            Unit::Ratio,
            "1 publisher, 10 subscribers",
        )),
        higher(Claim::shown(
            "bus.queued.bounded.4_4.vs_broadcast",
            Unit::Ratio,
            "4 publishers, 4 subscribers",
        )),
    ],
    measure: |plan| {
        let stage = Stage::new()?;
        let samples = rounds(
            plan.rounds,
            &[
                ("broadcast 1_1", &|| stage.broadcast(ONE_TO_ONE, Sent::Shared)),
                ("broadcast 1_10", &|| stage.broadcast(ONE_TO_TEN, Sent::Shared)),
                ("broadcast 4_4", &|| stage.broadcast(FOUR_TO_FOUR, Sent::Shared)),
                ("broadcast made", &|| stage.broadcast(ONE_TO_TEN, Sent::Made)),
                ("made", &|| stage.queued(ONE_TO_TEN, true, true)),
                ("queued 1_1", &|| stage.queued(ONE_TO_ONE, true, false)),
                ("queued 1_10", &|| stage.queued(ONE_TO_TEN, true, false)),
                ("queued 4_4", &|| stage.queued(FOUR_TO_FOUR, true, false)),
                ("bounded 1_1", &|| stage.queued(ONE_TO_ONE, false, false)),
                ("bounded 1_10", &|| stage.queued(ONE_TO_TEN, false, false)),
                ("bounded 4_4", &|| stage.queued(FOUR_TO_FOUR, false, false)),
            ],
        );
        let row = |name, ours: &str, theirs: &str| ratio(name, &samples, ours, theirs);
        Ok(vec![
            row("bus.queued.1_1.vs_broadcast", "queued 1_1", "broadcast 1_1"),
            row("bus.queued.1_10.vs_broadcast", "queued 1_10", "broadcast 1_10"),
            row("bus.queued.4_4.vs_broadcast", "queued 4_4", "broadcast 4_4"),
            row("bus.queued.made.1_10.vs_broadcast", "made", "broadcast made"),
            row("bus.queued.bounded.1_1.vs_broadcast", "bounded 1_1", "broadcast 1_1"),
            row("bus.queued.bounded.1_10.vs_broadcast", "bounded 1_10", "broadcast 1_10"),
            row("bus.queued.bounded.4_4.vs_broadcast", "bounded 4_4", "broadcast 4_4"),
        ])
    },
};
