//! Several attributes on one function: ours with ours, and ours with those of others, in both orders.

#![deny(warnings)]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hookpoint::{HookGuard, hooked, hooks};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes the point into the log before and after the body.
fn note(log: &Log, point: &'static str) -> [HookGuard; 2] {
    let (pre, post) = (log.clone(), log.clone());
    [
        hooks()
            .intercept(format!("{point}.pre"), point, move |_| {
                pre.lock().unwrap().push(format!("+{point}"));
            })
            .unwrap(),
        hooks()
            .on(format!("{point}.post"))
            .point(point)
            .post()
            .intercept(move |_| post.lock().unwrap().push(format!("-{point}")))
            .unwrap(),
    ]
}

fn take(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

// Ours ---------------------------------------------------------------------------------------------

#[hooked(point = "stack.one", observe)]
#[hooked(point = "stack.two", observe)]
#[hooked(point = "stack.three", observe)]
fn three(log: &Log) {
    log.lock().unwrap().push("body".into());
}

#[hooked(point = "stack.one", observe)]
#[hooked(point = "stack.two", observe)]
async fn two_async(log: &Log) {
    log.lock().unwrap().push("body".into());
}

#[hooked(point = "stack.one", observe)]
#[inline]
#[cfg_attr(all(), hooked(point = "stack.two", observe))]
#[cfg_attr(any(), hooked(point = "stack.three", observe))]
#[must_use]
fn conditional(log: &Log) -> u8 {
    log.lock().unwrap().push("body".into());
    1
}

struct Till;

#[hooked(point = "stack.*", observe)]
impl Till {
    #[hooked(point = "stack.one", observe)]
    #[hooked(observe)]
    fn two(&self, log: &Log) {
        log.lock().unwrap().push("body".into());
    }
}

#[async_trait]
trait Tool {
    async fn run(&self, log: &Log);
}

#[async_trait]
impl Tool for Till {
    #[hooked(point = "stack.one", observe)]
    #[hooked(point = "stack.two", observe)]
    async fn run(&self, log: &Log) {
        log.lock().unwrap().push("body".into());
    }
}

#[tokio::test]
async fn the_upper_of_our_attributes_is_the_outer_call() {
    let log = Log::default();
    let _guards = ["stack.one", "stack.two", "stack.three"].map(|point| note(&log, point));
    three(&log);
    assert_eq!(
        take(&log),
        [
            "+stack.one",
            "+stack.two",
            "+stack.three",
            "body",
            "-stack.three",
            "-stack.two",
            "-stack.one"
        ]
    );
    let two = [
        "+stack.one",
        "+stack.two",
        "body",
        "-stack.two",
        "-stack.one",
    ];
    two_async(&log).await;
    assert_eq!(take(&log), two);
    assert_eq!(
        (conditional(&log), take(&log)),
        (1, two.map(String::from).to_vec())
    );
    Till.two(&log);
    assert_eq!(take(&log), two);
    Till.run(&log).await;
    assert_eq!(take(&log), two);
}

mod another_name {
    use hookpoint::hooked as other;

    #[other(point = "stack.upper", observe)]
    #[other(point = "stack.lower", observe)]
    pub(super) fn stacked() {}
}

#[test]
fn under_another_name_our_attribute_is_one_of_somebody_else() {
    let log = Log::default();
    let _guards = ["stack.upper", "stack.lower"].map(|point| note(&log, point));
    another_name::stacked();
    // The name is all that an attribute sees of another: known, and documented.
    assert_eq!(take(&log)[..2], ["+stack.lower", "+stack.upper"]);
}

#[test]
fn every_attribute_of_a_stack_is_a_site_of_the_same_path() {
    let points: Vec<_> = hookpoint::sites()
        .into_iter()
        .map(hookpoint::HookSite::info)
        .filter(|site| site.path.ends_with("::stacking::three"))
        .map(|site| site.point)
        .collect();
    assert_eq!(points, ["stack.one", "stack.three", "stack.two"]);
}

// Others' ------------------------------------------------------------------------------------------

/// Writes spans into the log.
struct Spans(Log);

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name().starts_with("spanned")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {
        self.0.lock().unwrap().push("+span".into());
    }
    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().push("-span".into());
    }
}

#[hooked(point = "stack.span", observe)]
#[tracing::instrument(skip_all)]
fn spanned_below(log: &Log) {
    log.lock().unwrap().push("body".into());
}

#[tracing::instrument(skip_all)]
#[hooked(point = "stack.span", observe)]
fn spanned_above(log: &Log) {
    log.lock().unwrap().push("body".into());
}

#[hooked(point = "stack.span", observe)]
#[tracing::instrument(skip_all)]
async fn spanned_below_async(log: &Log) {
    log.lock().unwrap().push("body".into());
}

#[tracing::instrument(skip_all)]
#[hooked(point = "stack.span", observe)]
async fn spanned_above_async(log: &Log) {
    log.lock().unwrap().push("body".into());
}

struct Below;
struct Above;

#[async_trait]
impl Tool for Below {
    #[hooked(point = "stack.span", observe)]
    #[tracing::instrument(name = "spanned", skip_all)]
    async fn run(&self, log: &Log) {
        log.lock().unwrap().push("body".into());
    }
}

#[async_trait]
impl Tool for Above {
    #[tracing::instrument(name = "spanned", skip_all)]
    #[hooked(point = "stack.span", observe)]
    async fn run(&self, log: &Log) {
        log.lock().unwrap().push("body".into());
    }
}

/// The log without what follows the body, and without a span that is left and entered again at its edge:
/// future and destructor of a span each enter it.
fn before_the_body(log: &Log) -> Vec<String> {
    let all = take(log);
    let body = all.iter().position(|line| line == "body").unwrap();
    all[..body].to_vec()
}

#[test]
fn of_an_attribute_of_somebody_else_the_lower_one_is_outside() {
    let log = Log::default();
    let _guards = note(&log, "stack.span");
    let wait = |future: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future);
    };
    tracing::subscriber::with_default(Spans(log.clone()), || {
        spanned_below(&log);
        assert_eq!(before_the_body(&log), ["+span", "+stack.span"]);
        spanned_above(&log);
        assert_eq!(before_the_body(&log), ["+stack.span", "+span"]);
        wait(Box::pin(spanned_below_async(&log)));
        assert_eq!(before_the_body(&log), ["+span", "+stack.span"]);
        wait(Box::pin(spanned_above_async(&log)));
        assert_eq!(before_the_body(&log), ["+stack.span", "+span"]);
        wait(Below.run(&log));
        assert_eq!(before_the_body(&log), ["+span", "+stack.span"]);
        wait(Above.run(&log));
        assert_eq!(before_the_body(&log), ["+stack.span", "+span"]);
    });
}

#[hooked(point = "stack.mixed", observe)]
#[tracing::instrument(name = "spanned", skip_all)]
#[hooked(point = "stack.innermost", observe)]
fn between(log: &Log) {
    log.lock().unwrap().push("body".into());
}

#[test]
fn an_attribute_between_two_of_ours_is_inside_both() {
    let log = Log::default();
    let _guards = [note(&log, "stack.mixed"), note(&log, "stack.innermost")];
    tracing::subscriber::with_default(Spans(log.clone()), || between(&log));
    assert_eq!(
        before_the_body(&log),
        ["+stack.mixed", "+stack.innermost", "+span"]
    );
}

// Attributes that make an entry of the function -----------------------------------------------------

fn is_hooked(name: &str) -> bool {
    hookpoint::sites()
        .iter()
        .any(|site| site.info().path.ends_with(&format!("::stacking::{name}")))
}

#[hooked(point = "stack.entry", observe)]
#[test]
fn a_hooked_test_is_a_test() {
    assert!(is_hooked("a_hooked_test_is_a_test"));
}

#[test]
#[hooked(point = "stack.entry", observe)]
fn a_test_that_is_hooked_is_one_too() {
    assert!(is_hooked("a_test_that_is_hooked_is_one_too"));
}

#[hooked(point = "stack.entry")]
#[tokio::test]
async fn a_hooked_asynchronous_test_is_a_test() -> Result<(), String> {
    assert!(is_hooked("a_hooked_asynchronous_test_is_a_test"));
    tokio::task::yield_now().await;
    Ok(())
}

#[tokio::test]
#[hooked(point = "stack.entry")]
async fn an_asynchronous_test_that_is_hooked_is_one_too() -> Result<(), String> {
    assert!(is_hooked("an_asynchronous_test_that_is_hooked_is_one_too"));
    tokio::task::yield_now().await;
    Ok(())
}

#[hooked(point = "stack.entry")]
#[tokio::main(flavor = "current_thread")]
async fn main_below<T: Debug>(value: T) -> Result<String, String> {
    tokio::task::yield_now().await;
    Ok(format!("{value:?}"))
}

#[tokio::main(flavor = "current_thread")]
#[hooked(point = "stack.entry")]
async fn main_above<T: Debug>(value: T) -> Result<String, String> {
    tokio::task::yield_now().await;
    Ok(format!("{value:?}"))
}

#[test]
fn a_main_function_of_a_runtime_is_hooked_once_in_both_orders() {
    let log = Log::default();
    let _guards = note(&log, "stack.entry");
    for main in [main_below::<u8>, main_above::<u8>] {
        take(&log);
        assert_eq!(main(1), Ok("1".into()));
        let mine: Vec<_> = take(&log);
        assert!(
            mine.iter().filter(|line| *line == "+stack.entry").count() >= 1,
            "{mine:?}"
        );
    }
}
