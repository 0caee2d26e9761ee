//! Rounds: every variant is timed in every round, in another order each time, and compared within the round.
//!
//! A neighbour, a frequency change or an interrupt then meets both sides of a ratio or is thrown out by the
//! median. Time is the CPU time of the thread: what another program takes from the core is not counted.

use hookpoint_regress::allocations;
use rustix::time::{ClockId, clock_gettime};

/// CPU time of one batch of calls; the clock is read twice a batch and costs a fraction of a microsecond.
const BATCH_NS: f64 = 1_000_000.0;
/// Calls that no count includes: sites register, hook sets are built.
const WARM_UP: u64 = 64;
/// The most calls over which allocations are counted.
const COUNTED: u64 = 1_000;

/// One way to do the same thing.
pub struct Variant<'a> {
    name: &'static str,
    calls: Box<dyn FnMut(u64) + 'a>,
    before: Box<dyn FnMut() + 'a>,
}

impl<'a> Variant<'a> {
    /// `calls(n)` makes n calls.
    pub fn new(name: &'static str, calls: impl FnMut(u64) + 'a) -> Self {
        Variant {
            name,
            calls: Box::new(calls),
            before: Box::new(|| ()),
        }
    }

    /// What to do before each batch, outside of the measured time.
    #[must_use]
    pub fn before(mut self, before: impl FnMut() + 'a) -> Self {
        self.before = Box::new(before);
        self
    }

    /// Nanoseconds of CPU time that one call of a batch of n took.
    fn time(&mut self, n: u64) -> f64 {
        (self.before)();
        let start = cpu_ns();
        (self.calls)(n);
        (cpu_ns() - start) / n as f64
    }

    /// How many calls make a batch.
    fn batch(&mut self) -> u64 {
        let mut n = 1;
        loop {
            let took = self.time(n) * n as f64;
            if took >= BATCH_NS / 4.0 {
                return ((n as f64 * BATCH_NS / took) as u64).max(1);
            }
            n *= 2;
        }
    }

    fn allocations(&mut self, batch: u64) -> f64 {
        let n = batch.min(COUNTED);
        (self.before)();
        allocations::of(|| (self.calls)(n)) as f64 / n as f64
    }
}

/// CPU time of this thread, in nanoseconds.
pub fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// What the rounds gave.
pub struct Samples {
    names: Vec<&'static str>,
    /// For each round the nanoseconds per call, in the order of the names.
    rounds: Vec<Vec<f64>>,
    /// Allocations per call, in the order of the names.
    allocations: Vec<f64>,
}

/// Times all variants in each of so many rounds. Of several with one name, the median of a round counts: copies
/// of one function at different addresses may differ by as much as an idle site costs.
pub fn measure(rounds: usize, mut variants: Vec<Variant<'_>>) -> Samples {
    let mut batches = Vec::new();
    let mut allocations = Vec::new();
    for variant in &mut variants {
        variant.time(WARM_UP);
        let batch = variant.batch();
        allocations.push(variant.allocations(batch));
        batches.push(batch);
    }
    let count = variants.len();
    let round = |round: usize| {
        let mut times = vec![0.0; count];
        for at in rotated(count, round) {
            times[at] = variants[at].time(batches[at]);
        }
        times
    };
    let times = (0..rounds).map(round).collect();
    let names = variants.iter().map(|v| v.name).collect();
    Samples::new(names, times, allocations).pooled()
}

/// The order of a round: each variant is first equally often, and follows each neighbour from both sides.
fn rotated(count: usize, round: usize) -> impl Iterator<Item = usize> {
    let backwards = (round / count) % 2 == 1;
    (0..count).map(move |i| {
        let at = (i + round) % count;
        if backwards { count - 1 - at } else { at }
    })
}

impl Samples {
    /// From figures that are already there: names, nanoseconds per call by round, allocations per call.
    pub fn new(names: Vec<&'static str>, rounds: Vec<Vec<f64>>, allocations: Vec<f64>) -> Self {
        Samples {
            names,
            rounds,
            allocations,
        }
    }

    /// One column for each name: the median of its columns.
    fn pooled(self) -> Self {
        let mut names: Vec<&'static str> = Vec::new();
        for name in &self.names {
            if !names.contains(name) {
                names.push(name);
            }
        }
        let pool = |columns: &Vec<f64>| -> Vec<f64> {
            let of = |name: &&str| {
                let named = self.names.iter().zip(columns).filter(|(n, _)| *n == name);
                median(named.map(|(_, value)| *value).collect())
            };
            names.iter().map(of).collect()
        };
        let rounds = self.rounds.iter().map(pool).collect();
        let allocations = pool(&self.allocations);
        Samples {
            names,
            rounds,
            allocations,
        }
    }

    /// # Panics
    /// There is no variant of that name: a slip in the program.
    fn at(&self, name: &str) -> usize {
        let found = self.names.iter().position(|n| *n == name);
        found.unwrap_or_else(|| panic!("no variant `{name}` in {:?}", self.names))
    }

    /// The median over the rounds of what `value` makes of one.
    fn over_rounds(&self, value: impl Fn(&[f64]) -> f64) -> f64 {
        median(self.rounds.iter().map(|round| value(round)).collect())
    }

    /// Nanoseconds per call, median.
    ///
    /// # Panics
    /// As all of these: no variant has the name.
    pub fn ns(&self, name: &str) -> f64 {
        let at = self.at(name);
        self.over_rounds(|round| round[at])
    }

    /// How many times as long as `base`: the median of the ratios of each round.
    pub fn ratio(&self, name: &str, base: &str) -> f64 {
        let (at, base) = (self.at(name), self.at(base));
        self.over_rounds(|round| round[at] / round[base])
    }

    /// By how many percent longer than `base`.
    pub fn percent_added(&self, name: &str, base: &str) -> f64 {
        (self.ratio(name, base) - 1.0) * 100.0
    }

    /// Nanoseconds per call more than `base`: the median of the differences of each round.
    pub fn added_ns(&self, name: &str, base: &str) -> f64 {
        let (at, base) = (self.at(name), self.at(base));
        self.over_rounds(|round| round[at] - round[base])
    }

    /// What one pair adds over what another pair adds, each `(more, less)`.
    pub fn added_ratio(&self, pair: (&str, &str), over: (&str, &str)) -> f64 {
        let pair = (self.at(pair.0), self.at(pair.1));
        let over = (self.at(over.0), self.at(over.1));
        self.over_rounds(|round| (round[pair.0] - round[pair.1]) / (round[over.0] - round[over.1]))
    }

    /// Allocations per call.
    pub fn allocations(&self, name: &str) -> f64 {
        self.allocations[self.at(name)]
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
///
/// # Panics
/// There is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "no values");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that becomes four times slower from round to round, where the second thing takes twice and
    /// the third three times as long as the first; and one disturbed batch.
    fn drifting() -> Samples {
        let rounds = vec![
            vec![1.0, 2.0, 3.0],
            vec![4.0, 8.0, 12.0],
            vec![16.0, 32.0, 480.0],
            vec![64.0, 128.0, 192.0],
            vec![256.0, 512.0, 768.0],
        ];
        Samples::new(vec!["one", "two", "three"], rounds, vec![0.0, 1.0, 2.5])
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0]), 3.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), 3.0);
    }

    #[test]
    fn pairs_are_compared_within_their_round() {
        let samples = drifting();
        assert_eq!(samples.ratio("two", "one"), 2.0);
        assert_eq!(samples.ratio("one", "two"), 0.5);
        assert_eq!(samples.ratio("three", "one"), 3.0); // in spite of the disturbed batch
        assert_eq!(samples.percent_added("two", "one"), 100.0);
        assert_eq!(samples.added_ratio(("three", "one"), ("two", "one")), 2.0);
        assert_eq!(samples.added_ns("two", "one"), 16.0);
        assert_eq!(samples.ns("two"), 32.0);
        assert_eq!(samples.allocations("three"), 2.5);
    }

    #[test]
    fn a_ratio_of_medians_would_be_another_thing() {
        // One side was disturbed in the first rounds, the other in the last: within rounds it shows.
        let rounds = vec![
            vec![1.0, 1.0],
            vec![1.0, 9.0],
            vec![9.0, 9.0],
            vec![9.0, 9.0],
            vec![1.0, 9.0],
        ];
        let samples = Samples::new(vec!["a", "b"], rounds, vec![0.0, 0.0]);
        assert_eq!(samples.ns("b") / samples.ns("a"), 9.0);
        assert_eq!(samples.ratio("b", "a"), 1.0);
    }

    #[test]
    fn copies_are_one_variant() {
        let rounds = vec![vec![1.0, 2.0, 9.0, 3.0, 2.5], vec![4.0, 6.0, 1.0, 5.0, 7.0]];
        let names = vec!["a", "b", "a", "a", "b"];
        let samples = Samples::new(names, rounds, vec![0.0, 2.0, 0.0, 0.0, 2.0]).pooled();
        assert_eq!(samples.names, ["a", "b"]);
        assert_eq!(samples.rounds, [[3.0, 2.25], [4.0, 6.5]]);
        assert_eq!(samples.allocations, [0.0, 2.0]);
    }

    #[test]
    fn every_variant_is_in_every_place() {
        for count in 1..6 {
            let orders: Vec<Vec<usize>> = (0..2 * count)
                .map(|r| rotated(count, r).collect())
                .collect();
            for order in &orders {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..count), "{order:?} is not an order");
            }
            for place in 0..count {
                for variant in 0..count {
                    let times = orders.iter().filter(|o| o[place] == variant).count();
                    assert_eq!(times, 2, "{count} variants: {variant} at {place}");
                }
            }
        }
    }

    #[test]
    fn all_variants_run_and_what_comes_before_is_not_theirs() {
        let (mut first, mut prepared) = (0, 0);
        let samples = measure(
            3,
            vec![
                Variant::new("first", |n| {
                    first += n;
                    (0..n).for_each(|i| drop(std::hint::black_box(vec![i])));
                })
                .before(|| prepared += 1),
                Variant::new("second", |n| {
                    (0..n).for_each(|i| _ = std::hint::black_box(i))
                }),
            ],
        );
        assert_eq!(samples.rounds.len(), 3);
        assert!(samples.rounds.iter().flatten().all(|ns| *ns > 0.0));
        assert!(first > 0 && prepared > 3);
    }
}
