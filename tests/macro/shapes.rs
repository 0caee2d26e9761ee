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

type Res<T> = Result<T, String>;

fn is_send<T: Send>(value: T) -> T {
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

// Send ---------------------------------------------------------------------------------------------

struct Bare;

#[hooked(point = "shape.send")]
async fn sends(
    a: std::cell::Cell<u8>,
    b: std::sync::mpsc::Receiver<u8>,
    c: Box<dyn Fn(u8) -> u8 + Send>,
    d: &mut String,
    e: Bare,
    f: &str,
) -> Res<u8> {
    tokio::task::yield_now().await;
    let _ = (b.try_recv(), e);
    d.push_str(f);
    Ok(c(a.get()))
}

#[hooked(point = "shape.send", observe)]
async fn sends_generic<T: Send, U: Sync>(a: T, b: &U) -> T {
    tokio::task::yield_now().await;
    let _ = b;
    a
}

#[hooked(point = "shape.send")]
async fn stays(a: std::rc::Rc<u8>, b: &std::cell::RefCell<u8>) -> Res<u8> {
    let kept = a.clone();
    tokio::task::yield_now().await;
    Ok(*kept + *b.borrow())
}

/// `Ambiguous::<_, T>` compiles only if `T` is not `Send`.
macro_rules! assert_not_send {
    ($value:expr) => {{
        trait AmbiguousIfSend<A> {
            fn check(&self) {}
        }
        impl<T: ?Sized> AmbiguousIfSend<()> for T {}
        struct IsSend;
        impl<T: ?Sized + Send> AmbiguousIfSend<IsSend> for T {}
        let value = $value;
        AmbiguousIfSend::check(&value);
        value
    }};
}

idle_and_active! {
async fn futures_are_send_exactly_when_they_were() {
    let (_sender, receiver) = std::sync::mpsc::channel();
    let mut text = String::new();
    let future = is_send(sends(
        3.into(),
        receiver,
        Box::new(|x| x + 1),
        &mut text,
        Bare,
        "x",
    ));
    assert_eq!(future.await, Ok(4));
    assert_eq!(is_send(sends_generic(1, &2)).await, 1);
    let cell = std::cell::RefCell::new(1);
    assert_eq!(
        assert_not_send!(stays(std::rc::Rc::new(2), &cell)).await,
        Ok(3)
    );
}
}

// Everything else that stands in front of `fn` -----------------------------------------------------

#[hooked(point = "shape.front", observe)]
unsafe fn dangerous(pointer: *const u8) -> u8 {
    // SAFETY: the caller says so.
    unsafe { *pointer }
}

#[hooked(point = "shape.front", observe)]
async unsafe fn dangerous_async(value: u8) -> u8 {
    value
}

#[hooked(point = "shape.front", observe)]
extern "C" fn foreign(n: u32) -> u32 {
    n + 1
}

#[hooked(point = "shape.front", observe)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn hookpoint_test_symbol(n: u32) -> u32 {
    n + 1
}

#[hooked(point = "shape.front", observe)]
#[doc(hidden)]
#[inline]
#[must_use]
#[cold]
#[allow(dead_code)]
/// Documented.
fn attributes(#[allow(unused)] a: u8, #[cfg(any())] gone: u8, #[cfg(all())] here: u8) -> u8 {
    here
}

#[hooked(point = "shape.front", observe)]
#[cfg(any())]
fn vanishes() -> u8 {
    nonsense
}

mod std_shadowed {
    #![allow(dead_code)]
    mod std {}
    mod core {}
    mod hookpoint {}
    struct Result;
    struct Box;
    struct Some;
    struct None;
    #[::hookpoint::hooked(point = "shape.shadow", component = "x", fields(a = 1), redirect = |_| ::core::option::Option::None::<fn(u8) -> u8>, observe)]
    pub(super) fn works(n: u8) -> u8 {
        n
    }
    #[::hookpoint::hooked(point = "shape.shadow", args(x = n + 1), observe)]
    pub(super) async fn works_async(n: u8) -> u8 {
        n
    }
}

macro_rules! generated {
    ($(#[$attr:meta])* $vis:vis fn $name:ident(&$self:ident, $arg:ident: $ty:ty) -> $ret:ty $body:block) => {
        impl Host {
            $(#[$attr])*
            #[hooked(point = "shape.generated", crate = ::hookpoint)]
            $vis fn $name(&$self, $arg: $ty) -> $ret $body
        }
    };
    (async $name:ident $point:literal $point_path:path) => {
        #[hooked(point = $point)]
        async fn $name(n: u8) -> Res<u8> {
            let twice = n * 2;
            Ok(twice)
        }
    };
}
generated! {
    /// Documented.
    fn generated_method(&self, n: &str) -> Res<usize> { Ok(self.items.len() + n.len()) }
}
generated!(async generated_async "shape.generated" std::mem);

#[hooked(point = "shape.outer", observe)]
#[hooked(point = "shape.inner", observe)]
fn stacked(n: u8) -> u8 {
    n
}

mod nested {
    use hookpoint::hooked;
    fn private() -> u8 {
        1
    }
    #[hooked(point = "shape.nested", observe)]
    pub(super) fn outer() -> u8 {
        #[hooked(point = "shape.nested", observe)]
        fn inner(n: u8) -> u8 {
            struct Inner(u8);
            impl Inner {
                #[hooked(point = "shape.nested", observe)]
                fn value(&self) -> u8 {
                    self.0
                }
            }
            Inner(n).value() + private()
        }
        inner(1)
    }
    const _: () = {
        #[hooked(point = "shape.nested", observe)]
        #[expect(dead_code)]
        fn in_const() -> u8 {
            1
        }
    };
}

idle_and_active! {
async fn fronts() {
    // SAFETY: the pointer is valid.
    assert_eq!(unsafe { dangerous(&1) }, 1);
    // SAFETY: nothing to keep.
    assert_eq!(unsafe { dangerous_async(1) }.await, 1);
    assert_eq!(foreign(1) + hookpoint_test_symbol(1), 4);
    assert_eq!(attributes(1, 2), 2);
    assert_eq!(
        std_shadowed::works(1) + std_shadowed::works_async(1).await,
        2
    );
    let host = Host { items: vec![] };
    assert_eq!(host.generated_method("abc"), Ok(3));
    assert_eq!(generated_async(2).await, Ok(4));
    assert_eq!(stacked(1), 1);
    assert_eq!(nested::outer(), 2);
}
}

// Drop order ---------------------------------------------------------------------------------------

#[derive(Clone)]
struct Noisy(&'static str, Arc<std::sync::Mutex<Vec<&'static str>>>);
impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

macro_rules! drop_order {
    ($name:ident, $($front:tt)*) => {
        #[allow(unused_variables)]
        $($front)* fn $name(a: Noisy, (b, _): (Noisy, Noisy), _: Noisy, mut c: Noisy, log: &str) -> u64 {
            let local = Noisy("local", a.1.clone());
            c.0 = "c";
            match b.1.lock() {
                Ok(list) => list.len() as u64,
                Err(_) => 0,
            }
        }
    };
}
drop_order!(plain,);
drop_order!(hooked_sync, #[hooked(point = "shape.drop", observe)]);
drop_order!(plain_async, async);
drop_order!(hooked_async, #[hooked(point = "shape.drop", observe)] async);

idle_and_active! {
async fn values_drop_in_the_order_of_the_plain_function() {
    let log = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noisy = |name| Noisy(name, log.clone());
    let args = || {
        (
            noisy("a"),
            (noisy("b"), noisy("b_rest")),
            noisy("_"),
            noisy("old"),
        )
    };
    let take = || std::mem::take(&mut *log.lock().unwrap());

    let (a, b, ignored, c) = args();
    plain(a, b, ignored, c, "");
    let plain_order = take();
    let (a, b, ignored, c) = args();
    hooked_sync(a, b, ignored, c, "");
    let hooked_order = take();
    // What a pattern leaves behind goes last, with the tuple that it was left in.
    let without_rest = |order: &[&'static str]| -> Vec<&'static str> {
        order
            .iter()
            .copied()
            .filter(|name| *name != "b_rest")
            .collect()
    };
    assert_eq!(plain_order, ["local", "c", "_", "b", "b_rest", "a"]);
    assert_eq!(without_rest(&hooked_order), without_rest(&plain_order));

    let (a, b, ignored, c) = args();
    plain_async(a, b, ignored, c, "").await;
    let plain_order = take();
    let (a, b, ignored, c) = args();
    hooked_async(a, b, ignored, c, "").await;
    assert_eq!(take(), plain_order);
}
}
