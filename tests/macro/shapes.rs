//! Functions of every shape that people write: hooked, they compile without a warning, keep their
//! signature, and do what they did.

#![deny(warnings, unreachable_code, unused)]
#![deny(clippy::all)]
#![allow(clippy::non_minimal_cfg, clippy::boxed_local)]

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use hookpoint::hooked;

/// Runs the test twice: while nobody listens, and while somebody does.
macro_rules! idle_and_active {
    (async fn $name:ident() $body:block) => {
        #[tokio::test]
        async fn $name() {
            async fn once() $body
            once().await;
            let _guard = hookpoint::hooks()
                .intercept(stringify!($name), "shape.*", |_| ())
                .unwrap();
            once().await;
        }
    };
}

pub(crate) use idle_and_active;

pub(crate) type Res<T> = Result<T, String>;

pub(crate) fn is_send<T: Send>(value: T) -> T {
    value
}

// Receivers ----------------------------------------------------------------------------------------

#[derive(Clone)]
struct Host {
    items: Vec<u64>,
}

impl Host {
    #[hooked(point = "shape.receiver")]
    fn by_value(self) -> Res<Vec<u64>> {
        Ok(self.items)
    }
    #[hooked(point = "shape.receiver")]
    fn by_mut_value(mut self) -> Res<Vec<u64>> {
        self.items.push(1);
        Ok(self.items)
    }
    #[hooked(point = "shape.receiver")]
    fn boxed(self: Box<Self>) -> Res<usize> {
        Ok(self.items.len())
    }
    #[hooked(point = "shape.receiver")]
    fn shared(self: Arc<Self>) -> Res<usize> {
        Ok(self.items.len())
    }
    #[hooked(point = "shape.receiver")]
    fn pinned(self: Pin<&mut Self>) -> Res<usize> {
        Ok(self.items.len())
    }
    #[hooked(point = "shape.receiver")]
    fn reference_to_arc(self: &Arc<Self>) -> Res<usize> {
        Ok(self.items.len())
    }
    #[hooked(point = "shape.receiver", observe)]
    fn lend(&mut self, index: usize) -> &mut u64 {
        &mut self.items[index]
    }
    #[hooked(point = "shape.receiver", observe)]
    fn hidden(&mut self) -> impl Iterator<Item = &mut u64> {
        self.items.iter_mut()
    }
    #[hooked(point = "shape.receiver", observe)]
    async fn lend_later(&mut self, index: usize) -> &mut u64 {
        tokio::task::yield_now().await;
        &mut self.items[index]
    }
    #[hooked(point = "shape.receiver")]
    async fn consume(self, more: u64) -> Res<Vec<u64>> {
        let mut items = self.items;
        items.push(more);
        Ok(items)
    }
    #[hooked(point = "shape.receiver")]
    fn associated(n: u64) -> Res<u64> {
        Ok(n)
    }
}

idle_and_active! {
async fn receivers() {
    let mut host = Host { items: vec![1, 2] };
    assert_eq!(host.clone().by_value().unwrap().len(), 2);
    assert_eq!(host.clone().by_mut_value().unwrap().len(), 3);
    assert_eq!(Box::new(host.clone()).boxed(), Ok(2));
    assert_eq!(Arc::new(host.clone()).shared(), Ok(2));
    assert_eq!(Pin::new(&mut host).pinned(), Ok(2));
    assert_eq!(Arc::new(host.clone()).reference_to_arc(), Ok(2));
    *host.lend(0) += 5;
    *host.lend_later(0).await += 5;
    host.hidden().for_each(|item| *item += 1);
    assert_eq!(host.items, [12, 3]);
    assert_eq!(is_send(host.consume(7)).await.unwrap().len(), 3);
    assert_eq!(Host::associated(1), Ok(1));
}
}

// Patterns -----------------------------------------------------------------------------------------

struct Pair {
    a: u64,
    b: String,
}

#[hooked(point = "shape.pattern")]
fn patterns(
    (x, y): (u64, u64),
    Pair { a, b }: Pair,
    [first, ..]: [u64; 3],
    &z: &u64,
    mut m: u64,
    _: String,
    _: u8,
) -> Res<u64> {
    m += 1;
    Ok(x + y + a + b.len() as u64 + first + z + m)
}

#[hooked(point = "shape.pattern")]
async fn patterns_async(
    (x, mut y): (u64, u64),
    Pair { a, b }: Pair,
    ref r: u64,
    mut m: u64,
    _: String,
) -> Res<u64> {
    m += 1;
    y += 1;
    Ok(x + y + a + b.len() as u64 + r + m)
}

#[hooked(point = "shape.names")]
fn names(site: u64, args: u64, result: u64, __body: u64, __site: u64, c: u64, p: u64) -> Res<u64> {
    Ok(site + args + result + __body + __site + c + p)
}

#[hooked(point = "shape.names")]
fn raw(r#type: u64, größe: u64) -> Res<u64> {
    Ok(r#type + größe)
}

idle_and_active! {
async fn parameters() {
    let pair = || Pair {
        a: 3,
        b: "four".into(),
    };
    assert_eq!(
        patterns((1, 2), pair(), [5, 0, 0], &6, 7, String::new(), 0),
        Ok(29)
    );
    assert_eq!(
        patterns_async((1, 2), pair(), 5, 6, String::new()).await,
        Ok(23)
    );
    assert_eq!(names(1, 2, 3, 4, 5, 6, 7), Ok(28));
    assert_eq!(raw(1, 2), Ok(3));
}
}

// Generics and lifetimes ---------------------------------------------------------------------------

#[hooked(point = "shape.generic", observe)]
fn generic<'a, T: ?Sized, U, const N: usize>(a: &'a T, b: U, c: [u8; N]) -> (&'a T, U, usize)
where
    U: Clone,
{
    (a, b.clone(), c.len())
}

#[hooked(point = "shape.generic", observe)]
fn higher_ranked(f: impl for<'x> Fn(&'x str) -> &'x str, g: &dyn Fn(&str) -> usize) -> usize {
    g(f("abc"))
}

#[hooked(point = "shape.generic")]
fn cow<'a>(text: &'a str, other: Cow<'a, str>) -> Res<Cow<'a, str>> {
    Ok(if text.is_empty() {
        other
    } else {
        Cow::Borrowed(text)
    })
}

#[hooked(point = "shape.generic", observe)]
fn concrete(flag: bool) -> Box<dyn Iterator<Item = u8>> {
    if flag {
        return Box::new([1].into_iter());
    }
    Box::new(std::iter::empty())
}

#[hooked(point = "shape.generic")]
async fn coerced(flag: bool) -> Res<Box<dyn Iterator<Item = u8> + Send>> {
    if flag {
        return Ok(Box::new([1].into_iter()));
    }
    Ok(Box::new(std::iter::empty()))
}

#[hooked(point = "shape.generic")]
async fn opaque_inside(n: u8) -> Res<impl Iterator<Item = u8>> {
    if n == 0 {
        return Err("none".into());
    }
    Ok((0..n).map(|x| x + 1))
}

#[hooked(point = "shape.generic", observe)]
fn captures<'a>(items: &'a [u8], by: &u8) -> impl Iterator<Item = u8> + use<'a> {
    let by = *by;
    items.iter().map(move |x| x + by)
}

#[hooked(point = "shape.generic", observe)]
async fn async_generic<T: Send + Sync, F: Future<Output = T>>(f: F, extra: &T) -> (T, *const T) {
    (f.await, extra)
}

idle_and_active! {
async fn generics() {
    assert_eq!(generic("a", 1, [1, 2]), ("a", 1, 2));
    assert_eq!(higher_ranked(|x| &x[1..], &|x| x.len()), 2);
    assert_eq!(cow("", "x".into()).unwrap(), "x");
    assert_eq!(concrete(true).count() + concrete(false).count(), 1);
    assert_eq!(
        coerced(true).await.unwrap().count() + coerced(false).await.unwrap().count(),
        1
    );
    assert_eq!(opaque_inside(3).await.unwrap().sum::<u8>(), 6);
    assert!(opaque_inside(0).await.is_err());
    let by = 1;
    assert_eq!(captures(&[1, 2], &by).sum::<u8>(), 5);
    assert_eq!(async_generic(async { 1 }, &2).await.0, 1);
}
}

// Control flow -------------------------------------------------------------------------------------

#[hooked(point = "shape.flow")]
fn early(n: i64) -> Res<i64> {
    let Some(half) = n.checked_div(2) else {
        return Err("never".into());
    };
    'outer: for a in 0.. {
        for b in 0..3 {
            if a * b == 4 {
                break 'outer;
            }
            if n < 0 {
                return Ok(-1);
            }
        }
    }
    let doubled = (|x: i64| {
        if x > 100 {
            return 100;
        }
        x * 2
    })(half);
    let parsed: i64 = "12".parse::<i64>().map_err(|e| e.to_string())?;
    Ok(doubled + parsed)
}

#[hooked(point = "shape.flow")]
async fn early_async(n: i64) -> Res<i64> {
    if n < 0 {
        return Err("negative".into());
    }
    let inner = async {
        if n > 5 {
            return 5;
        }
        n
    };
    let parsed: i64 = "12".parse::<i64>().map_err(|e| e.to_string())?;
    Ok(inner.await + parsed)
}

#[hooked(point = "shape.flow")]
fn one_line(n: usize) -> Res<usize> {
    Ok(n)
}

#[hooked(point = "shape.flow")]
async fn one_line_async(n: usize) -> Res<usize> {
    Ok(n)
}

#[hooked(point = "shape.flow", observe)]
fn empty() {}

#[hooked(point = "shape.flow", observe)]
async fn empty_async() {}

#[hooked(point = "shape.flow", observe)]
fn ends_in_a_macro() -> String {
    #![allow(clippy::useless_format)]
    #![allow(unused_variables)]
    let unused = 1;
    format!("x")
}

#[hooked(point = "shape.flow", observe)]
async fn forever(n: u64) -> u64 {
    loop {
        tokio::task::yield_now().await;
        if n > 0 {
            return n;
        }
    }
}

#[hooked(point = "shape.flow", observe)]
fn shadows() -> Result<u8, u8> {
    #[derive(Debug)]
    #[allow(clippy::enum_variant_names)]
    enum Bar {
        Result,
        Ok,
        Box,
    }
    use Bar::*;
    let _ = (Result, Box, format!("{:?}", Ok));
    std::result::Result::Ok(1)
}

#[hooked(point = "shape.flow", observe)]
fn factorial(n: u64) -> u64 {
    if n == 0 { 1 } else { n * factorial(n - 1) }
}

#[hooked(point = "shape.flow", observe)]
async fn factorial_async(n: u64) -> u64 {
    if n == 0 {
        1
    } else {
        n * Box::pin(factorial_async(n - 1)).await
    }
}

idle_and_active! {
async fn control_flow() {
    assert_eq!((early(8), early(-8)), (Ok(20), Ok(-1)));
    assert_eq!(
        (early_async(8).await, early_async(-8).await),
        (Ok(17), Err("negative".into()))
    );
    assert_eq!((one_line(1), one_line_async(1).await), (Ok(1), Ok(1)));
    empty();
    empty_async().await;
    assert_eq!(ends_in_a_macro(), "x");
    assert_eq!(forever(3).await, 3);
    assert_eq!(shadows(), Ok(1));
    assert_eq!((factorial(5), factorial_async(5).await), (120, 120));
}
}

// Traits -------------------------------------------------------------------------------------------

#[async_trait]
trait Tool: Send + Sync {
    async fn run(&self, input: String) -> Res<usize>;
    #[hooked(point = "shape.default")]
    async fn twice(&self, input: String) -> Res<usize> {
        let once = self.run(input.clone()).await?;
        Ok(once + self.run(input).await?)
    }
    #[hooked(point = "shape.default")]
    async fn fixed(n: usize) -> Res<usize>
    where
        Self: Sized,
    {
        Ok(n)
    }
}

struct Length {
    calls: u64,
}

#[async_trait]
impl Tool for Length {
    #[hooked(point = "shape.trait", component = self.label(), args(input, first = input.len()))]
    async fn run(&self, input: String) -> Res<usize> {
        tokio::task::yield_now().await;
        if input.is_empty() {
            return Err("empty".into());
        }
        Ok(input.len())
    }
}

impl Length {
    fn label(&self) -> &'static str {
        "length"
    }
}

#[async_trait]
trait Generic<'x, T: Send + 'static> {
    async fn put(&mut self, key: &'x str, ab: (T, u64), rest: &mut Vec<T>) -> Res<u64>;
}

#[async_trait]
impl<'x, T: Send + Clone + 'static> Generic<'x, T> for Length {
    #[hooked(point = "shape.trait")]
    async fn put(&mut self, key: &'x str, (a, mut b): (T, u64), rest: &mut Vec<T>) -> Res<u64> {
        rest.push(a);
        b += key.len() as u64;
        self.calls += b;
        Ok(self.calls)
    }
}

#[async_trait(?Send)]
trait Local {
    async fn local(&self, input: std::rc::Rc<u8>) -> Res<u8>;
}

#[async_trait(?Send)]
impl Local for Length {
    #[hooked(point = "shape.trait", retry)]
    async fn local(&self, input: std::rc::Rc<u8>) -> Res<u8> {
        tokio::task::yield_now().await;
        Ok(*input)
    }
}

trait Native {
    async fn native(&self, n: u64) -> Res<u64>;
    fn rpit(&self, n: u64) -> impl Future<Output = Res<u64>> + Send;
    #[hooked(point = "shape.default")]
    async fn defaulted(&self, n: u64) -> Res<u64> {
        self.native(n).await
    }
}

impl Native for Length {
    #[hooked(point = "shape.trait")]
    async fn native(&self, n: u64) -> Res<u64> {
        Ok(self.calls + n)
    }
    #[hooked(point = "shape.trait")]
    async fn rpit(&self, n: u64) -> Res<u64> {
        tokio::task::yield_now().await;
        Ok(self.calls + n)
    }
}

idle_and_active! {
async fn traits() {
    let mut length = Length { calls: 0 };
    assert_eq!(is_send(length.run("abc".into())).await, Ok(3));
    assert_eq!(length.run(String::new()).await, Err("empty".into()));
    let tool: &dyn Tool = &length;
    assert_eq!(is_send(tool.twice("abc".into())).await, Ok(6));
    assert_eq!(Length::fixed(4).await, Ok(4));
    let mut rest = vec![1_u8];
    assert_eq!(is_send(length.put("ab", (2, 3), &mut rest)).await, Ok(5));
    assert_eq!(length.local(std::rc::Rc::new(3)).await, Ok(3));
    assert_eq!(length.native(1).await, Ok(6));
    assert_eq!(is_send(length.rpit(1)).await, Ok(6));
    assert_eq!(length.defaulted(1).await, Ok(6));
}
}
