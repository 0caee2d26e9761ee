//! One pattern, the trie and the cache give the same answer, whatever comes and goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hooks_events::route::{RouteHandle, RouteKey, Router};
use hooks_events::{EventError, MAX_TOPIC_BYTES, MAX_TOPIC_TOKENS, Topic, TopicPattern};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Insert(TopicPattern),
    /// Removes one of those that are there.
    Remove(prop::sample::Index),
    Route(Topic),
    /// Makes a handle, or drops the one that is there.
    Handle(Topic),
}

fn topic() -> impl Strategy<Value = Topic> {
    "[abc](\\.[abc]){0,4}".prop_map(|text| Topic::new(&text).expect("a topic"))
}

fn pattern() -> impl Strategy<Value = TopicPattern> {
    prop_oneof!["[abc*](\\.[abc*]){0,4}", "([abc*]\\.){0,4}>"]
        .prop_map(|text| TopicPattern::new(&text).expect("a pattern"))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => pattern().prop_map(Step::Insert),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        6 => topic().prop_map(Step::Route),
        1 => topic().prop_map(Step::Handle),
    ]
}

/// A router and what it should hold: the entries in order, with their patterns and keys.
struct Checked {
    router: Router<u64>,
    entries: Vec<(u64, TopicPattern, RouteKey)>,
    handles: BTreeMap<Topic, RouteHandle<u64>>,
}

impl Checked {
    fn new(router: Router<u64>) -> Self {
        Checked {
            router,
            entries: Vec::new(),
            handles: BTreeMap::new(),
        }
    }

    fn apply(&mut self, nth: u64, step: &Step) {
        match step {
            Step::Insert(pattern) => {
                let key = self.router.insert(pattern, nth);
                self.entries.push((nth, pattern.clone(), key));
            }
            Step::Remove(which) if !self.entries.is_empty() => {
                let (value, _, key) = self.entries.remove(which.index(self.entries.len()));
                assert_eq!(
                    (self.router.remove(&key), self.router.remove(&key)),
                    (Some(value), None)
                );
            }
            Step::Remove(_) => {}
            Step::Route(topic) => self.check(topic),
            Step::Handle(topic) => {
                if self.handles.remove(topic).is_none() {
                    self.handles
                        .insert(topic.clone(), self.router.handle(topic.clone()));
                }
            }
        }
        assert_eq!(self.router.len(), self.entries.len());
        for topic in self.handles.keys().cloned().collect::<Vec<_>>() {
            self.check(&topic);
        }
    }

    fn check(&mut self, topic: &Topic) {
        let covering = self
            .entries
            .iter()
            .filter(|(_, pattern, _)| pattern.matches(topic.as_str()));
        let expected: Vec<u64> = covering.map(|(value, _, _)| *value).collect();
        assert_eq!(*self.router.route(topic), expected, "{topic}");
        self.router
            .with(topic, |entries| assert_eq!(entries, expected, "{topic}"));
        assert_eq!(*self.router.route(topic).to_shared(), expected, "{topic}");
        if let Some(handle) = self.handles.get_mut(topic) {
            assert_eq!(handle.route(), expected, "{topic}");
        }
    }
}

proptest! {
    #[test]
    fn every_way_finds_what_the_patterns_cover(steps in prop::collection::vec(step(), 1..120)) {
        // Room for all, for some, for few entries, for none.
        for (topics, entries) in [(4096, 10_000), (4, 10_000), (8, 5), (0, 0)] {
            let mut checked = Checked::new(Router::with_cache(topics, entries));
            for (nth, step) in steps.iter().enumerate() {
                checked.apply(nth as u64, step);
            }
            for (_, _, key) in checked.entries.drain(..) {
                checked.router.remove(&key);
            }
            prop_assert!(checked.router.is_empty());
        }
    }
}

/// The rules once more, rule by rule.
fn keeps_the_rules(text: &str, is_pattern: bool) -> bool {
    let tokens: Vec<&str> = text.split('.').collect();
    let is_wildcard = |token: &str| is_pattern && matches!(token, "*" | ">");
    let has_wildcard = |token: &str| token.contains(['*', '>']);
    text.len() <= MAX_TOPIC_BYTES
        && tokens.len() <= MAX_TOPIC_TOKENS
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && tokens
            .iter()
            .all(|token| !token.is_empty() && (is_wildcard(token) || !has_wildcard(token)))
        && tokens.iter().rev().skip(1).all(|token| *token != ">")
}

proptest! {
    #[test]
    fn text_is_a_topic_or_a_pattern_exactly_if_it_keeps_the_rules(
        text in prop_oneof!["[ab.*> ]{0,12}", "[a.]{0,80}", "a{500,520}", any::<String>()],
    ) {
        for is_pattern in [false, true] {
            let error = if is_pattern { TopicPattern::new(&text).err() } else { Topic::new(&text).err() };
            prop_assert_eq!(error.is_none(), keeps_the_rules(&text, is_pattern), "{:?} {}", text, is_pattern);
            // Who wrote it finds the place, and can read the message.
            if let Some(EventError::BadTopic { at_bytes, .. } | EventError::BadPattern { at_bytes, .. }) = &error {
                prop_assert!(text.is_char_boundary(*at_bytes));
                prop_assert!(error.is_some_and(|error| error.to_string().len() < 400));
            }
        }
    }
}

/// Threads subscribe and unsubscribe while others publish. An entry that is there for the whole time is found at
/// every single look; one that a thread has removed is not found by that thread's next look, nor by anybody who
/// begins to look after that.
#[test]
fn entries_come_and_go_while_threads_look() {
    // Answers that are all kept, and answers that displace each other.
    come_and_go(&Router::new(), 1);
    come_and_go(&Router::with_cache(8, 200), 24);
}

fn come_and_go(router: &Router<u64>, topics: usize) {
    const ROUNDS: u64 = 4_000;
    let topics: Vec<Topic> = (0..topics)
        .map(|n| Topic::new(&format!("t.{n}")).unwrap())
        .collect();
    let steady = router.insert(&TopicPattern::new("t.*").unwrap(), 0);
    let over = AtomicBool::new(false);
    // Entries are numbered as they come; below this number all but the steady one are gone.
    let gone_below = [AtomicU64::new(0), AtomicU64::new(0)];
    let begin = Barrier::new(4);
    std::thread::scope(|scope| {
        let changers = [0_u64, 1].map(|changer| {
            let (topics, gone_below, begin) = (&topics, &gone_below, &begin);
            scope.spawn(move || {
                begin.wait();
                for round in 1..=ROUNDS {
                    let value = round * 2 + changer;
                    let at = &topics[round as usize % topics.len()];
                    let pattern = match round % 8 {
                        0 => TopicPattern::new("*.*").unwrap(),
                        1 => TopicPattern::new("t.>").unwrap(),
                        _ => TopicPattern::from(at.clone()),
                    };
                    let key = router.insert(&pattern, value);
                    router.with(at, |entries| {
                        assert!(entries.contains(&value) && entries[0] == 0)
                    });
                    assert_eq!(router.remove(&key), Some(value));
                    gone_below[changer as usize].store(value + 1, Ordering::Release);
                    router.with(at, |entries| assert!(!entries.contains(&value)));
                }
            })
        });
        let lookers: Vec<_> = (0..2)
            .map(|looker| {
                let (topics, gone_below, begin, over) = (&topics, &gone_below, &begin, &over);
                scope.spawn(move || {
                    let mut handle = router.handle(topics[looker % topics.len()].clone());
                    begin.wait();
                    let mut looks = 0_usize;
                    while !over.load(Ordering::Acquire) {
                        let below =
                            [0, 1].map(|changer| gone_below[changer].load(Ordering::Acquire));
                        let check = |entries: &[u64]| {
                            assert_eq!(entries[0], 0);
                            let gone =
                                |value: &u64| *value != 0 && *value < below[*value as usize % 2];
                            assert!(!entries.iter().any(gone), "{entries:?} {below:?}");
                        };
                        router.with(&topics[looks % topics.len()], check);
                        check(handle.route());
                        looks += 1;
                    }
                    looks
                })
            })
            .collect();
        let changed = changers.map(|changer| changer.join());
        over.store(true, Ordering::Release);
        changed
            .into_iter()
            .for_each(|changed| changed.expect("a changer does not panic"));
        for looker in lookers {
            assert!(looker.join().expect("a looker does not panic") > 0);
        }
    });
    assert_eq!(router.remove(&steady), Some(0));
    assert!(router.is_empty());
}

/// What is removed is freed, also if no thread that had it in its hands ever looks again.
#[test]
fn removed_entries_are_freed_at_once() {
    let router: Router<Arc<()>> = Router::new();
    let value = Arc::new(());
    let topics: Vec<Topic> = (0..100)
        .map(|n| Topic::new(&format!("t.{n}")).unwrap())
        .collect();
    let look = || {
        topics
            .iter()
            .for_each(|topic| router.with(topic, |entries| assert_eq!(entries.len(), 1)))
    };
    let key = router.insert(&TopicPattern::new("t.>").unwrap(), value.clone());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(look);
        }
    });
    assert!(
        Arc::strong_count(&value) > 100,
        "the answers for the topics hold it"
    );
    drop(router.remove(&key));
    assert_eq!(Arc::strong_count(&value), 1);
}

/// An entry that is dropped may use the router: a subscription that ends another one.
#[test]
fn an_entry_may_remove_others_when_it_is_dropped() {
    struct Ends(Router<Arc<Ends>>, std::sync::Mutex<Option<RouteKey>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            let key = self.1.lock().unwrap().take();
            key.iter().for_each(|key| drop(self.0.remove(key)));
        }
    }
    let router: Router<Arc<Ends>> = Router::new();
    let topic = Topic::new("a.b").unwrap();
    let entry = |next| Arc::new(Ends(router.clone(), std::sync::Mutex::new(next)));
    let mut key = None;
    for text in ["a.b", "a.*", ">", "a.b"] {
        key = Some(router.insert(&TopicPattern::new(text).unwrap(), entry(key)));
        router.with(&topic, |_| ());
        router.with(&topic, |_| ());
    }
    drop(router.remove(&key.unwrap()));
    assert!(router.is_empty());
}
