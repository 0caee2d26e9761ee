//! Topics and patterns mean what they mean in NATS: a real `nats-server` delivers to whom our patterns and our
//! router say, and refuses nothing that we accept.

mod server;

use std::collections::{BTreeMap, BTreeSet};

use hooks_events::route::Router;
use hooks_events::{Topic, TopicPattern};
use server::{Connection, Server};

/// The same numbers in every run: a failure says which round it was.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn tokens(&mut self, most: usize, choices: &[&str]) -> String {
        let count = 1 + self.below(most);
        (0..count)
            .map(|_| self.of(choices))
            .collect::<Vec<_>>()
            .join(".")
    }

    fn topic(&mut self) -> Topic {
        Topic::new(&self.tokens(5, &["a", "b", "c", "ab", "ü"])).expect("a topic")
    }

    fn pattern(&mut self) -> TopicPattern {
        let text = self.tokens(5, &["a", "b", "c", "ab", "ü", "*", "*"]);
        let text = match self.below(4) {
            0 => format!("{text}.>"),
            1 if self.below(8) == 0 => ">".into(),
            _ => text,
        };
        TopicPattern::new(&text).expect("a pattern")
    }
}

#[test]
fn the_server_delivers_where_patterns_and_router_say() {
    let server = Server::start();
    for round in 0..20 {
        let mut random = Random(round);
        let mut connection = Connection::open(&server);
        let router = Router::new();
        let mut patterns = BTreeMap::new();
        for id in 0..120_usize {
            let pattern = random.pattern();
            connection.subscribe(pattern.as_str(), id);
            patterns.insert(id, (router.insert(&pattern, id), pattern));
        }
        // Some go again before anything is published, and some in the middle.
        for part in 0..2 {
            let gone: Vec<usize> = patterns
                .keys()
                .copied()
                .filter(|_| random.below(4) == 0)
                .collect();
            for id in gone {
                connection.unsubscribe(id);
                let (key, _) = patterns.remove(&id).expect("it was there");
                assert_eq!(router.remove(&key), Some(id));
            }
            let topics: Vec<Topic> = (0..120).map(|_| random.topic()).collect();
            for (nth, topic) in topics.iter().enumerate() {
                connection.publish(topic.as_str(), nth);
            }
            let delivered = connection
                .flush()
                .expect("the server accepts what we accept");
            let mut got: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); topics.len()];
            for (nth, id) in delivered {
                assert!(got[nth].insert(id), "delivered twice");
            }
            for (topic, got) in topics.iter().zip(got) {
                let place = format!("round {round}, part {part}, topic {topic}");
                let covering = patterns
                    .iter()
                    .filter(|(_, (_, pattern))| pattern.matches(topic.as_str()));
                assert_eq!(
                    covering.map(|(id, _)| *id).collect::<BTreeSet<_>>(),
                    got,
                    "pattern, {place}"
                );
                let routed: Vec<usize> = router.route(topic).to_vec();
                assert_eq!(
                    routed,
                    got.into_iter().collect::<Vec<_>>(),
                    "router, {place}"
                );
            }
        }
    }
}

/// We refuse what the server refuses, and beyond that only what our documentation says: a wildcard inside of a
/// token, which the server takes for a letter.
#[test]
fn what_the_server_refuses_is_refused() {
    let server = Server::start();
    let mut connection = Connection::open(&server);
    let mut random = Random(7);
    let (mut refused, mut accepted) = (0, 0);
    for nth in 0..2_000 {
        let length = 1 + random.below(7);
        let text: String = (0..length)
            .map(|_| random.of(&["a", ".", ".", "*", ">"]))
            .collect();
        let has_inner_wildcard = text
            .split('.')
            .any(|token| token.len() > 1 && token.contains(['*', '>']));

        connection.subscribe(&text, nth);
        let server_takes_pattern = connection.flush().is_ok();
        connection.unsubscribe(nth);
        connection.publish(&text, nth);
        let server_takes_topic = connection.flush().is_ok();

        let ours = (TopicPattern::new(&text).is_ok(), Topic::new(&text).is_ok());
        let theirs = (
            server_takes_pattern && !has_inner_wildcard,
            server_takes_topic && !has_inner_wildcard,
        );
        assert_eq!(ours, theirs, "`{text}`: (pattern, topic)");
        refused += usize::from(!theirs.0) + usize::from(!theirs.1);
        accepted += usize::from(theirs.0) + usize::from(theirs.1);
    }
    assert!(
        refused > 500 && accepted > 200,
        "too few of one kind: {refused} {accepted}"
    );
}
