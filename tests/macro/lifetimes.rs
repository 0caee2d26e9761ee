//! Signatures stay what they were: lifetimes, what opaque types capture, and the auto traits of futures.

#![deny(warnings)]
#![allow(clippy::needless_lifetimes)]

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::marker::PhantomPinned;
use std::panic::UnwindSafe;

use hookpoint::hooked;

use crate::shapes::{Res, idle_and_active, is_send};

// Lifetimes ----------------------------------------------------------------------------------------

#[hooked(point = "shape.lifetimes", observe)]
fn late<'a>(text: &'a str, _other: &str) -> &'a str {
    text
}

#[hooked(point = "shape.lifetimes", observe)]
fn early<'a, 'b: 'a>(text: &'a str, other: &'b str) -> &'a str {
    if text.is_empty() { other } else { text }
}

#[hooked(point = "shape.lifetimes", observe)]
fn with_callback<F>(callback: F) -> usize
where
    F: for<'x> Fn(&'x [u8], &mut dyn FnMut(&'x u8)) -> Option<&'x u8>,
{
    let mut seen = 0;
    callback(&[1, 2], &mut |_| seen += 1);
    seen
}

struct Holder<'h> {
    items: HashMap<&'h str, Vec<&'h str>>,
}

impl<'h> Holder<'h> {
    #[hooked(point = "shape.lifetimes", observe)]
    fn find<'k>(&'k self, key: &str) -> Option<&'k [&'h str]> {
        self.items.get(key).map(Vec::as_slice)
    }
    #[hooked(point = "shape.lifetimes", observe)]
    async fn entry<'k>(&'k mut self, key: &'h str, value: &'h str) -> &'k mut Vec<&'h str> {
        tokio::task::yield_now().await;
        let items = self.items.entry(key).or_default();
        items.push(value);
        items
    }
    #[hooked(point = "shape.lifetimes", observe)]
    fn all(&self) -> impl Iterator<Item = &&'h str> + '_ {
        self.items.values().flatten()
    }
}

#[hooked(point = "shape.lifetimes", observe)]
fn nothing_captured(_text: &str) -> impl Fn() -> u8 + use<> {
    || 1
}

#[hooked(point = "shape.lifetimes", observe)]
fn all_captured(text: &str) -> impl Fn() -> usize {
    || text.len()
}

idle_and_active! {
async fn lifetimes_are_those_of_the_plain_function() {
    // Still late-bound: one function for all lifetimes.
    let any: for<'a, 'b> fn(&'a str, &'b str) -> &'a str = late;
    let text = String::from("a");
    let found = {
        let other = String::from("b");
        any(&text, &other)
    };
    assert_eq!((found, early("", "b")), ("a", "b"));
    // A closure's signature cannot say that its result borrows from an argument, a function's can.
    fn first<'x>(items: &'x [u8], seen: &mut dyn FnMut(&'x u8)) -> Option<&'x u8> {
        items.iter().inspect(|item| seen(item)).last()
    }
    assert_eq!(with_callback(first), 2);

    let mut holder = Holder { items: HashMap::new() };
    holder.entry("k", "v").await.push("w");
    assert_eq!(holder.find("k"), Some(&["v", "w"][..]));
    assert_eq!(holder.all().count(), 2);
    let free = nothing_captured(&String::from("gone"));
    assert_eq!((free(), all_captured(&text)()), (1, 1));
}
}

// Higher-ranked and generic code around hooked futures -----------------------------------------------

#[hooked(point = "shape.corpus")]
async fn over_slices(items: &[&str], filter: &(dyn Fn(&str) -> bool + Sync)) -> Res<Vec<String>> {
    let mut found = Vec::new();
    for item in items.iter().copied().filter(|item| filter(item)) {
        tokio::task::yield_now().await;
        found.push(item.to_owned());
    }
    Ok(found)
}

#[hooked(point = "shape.corpus", observe)]
async fn generic_over_references<'a, T, I>(items: I) -> Vec<&'a T>
where
    T: Debug + Sync + 'a,
    I: IntoIterator<Item = &'a T> + Send,
    I::IntoIter: Send,
{
    let mut found = Vec::new();
    for item in items {
        tokio::task::yield_now().await;
        found.push(item);
    }
    found
}

trait Store: Sync {
    type Key<'k>: Debug + Send
    where
        Self: 'k;
    fn get<'k>(&'k self, key: Self::Key<'k>) -> impl Future<Output = Res<usize>> + Send;
}

struct Memory(Vec<String>);

impl Store for Memory {
    type Key<'k> = &'k str;
    #[hooked(point = "shape.corpus")]
    async fn get<'k>(&'k self, key: Self::Key<'k>) -> Res<usize> {
        tokio::task::yield_now().await;
        self.0
            .iter()
            .position(|item| item == key)
            .ok_or_else(|| "none".into())
    }
}

#[hooked(point = "shape.corpus")]
async fn over_a_store<'k, S: Store>(store: &'k S, key: S::Key<'k>) -> Res<usize> {
    store.get(key).await
}

async fn join<A, B>(
    a: impl Future<Output = A> + Send,
    b: impl Future<Output = B> + Send,
) -> (A, B) {
    (a.await, b.await)
}

idle_and_active! {
async fn code_around_hooked_futures_compiles_and_stays_send() {
    let filter = |item: &str| item.len() == 1;
    let found = is_send(over_slices(&["a", "bc"], &filter)).await;
    assert_eq!(found.unwrap(), ["a"]);
    let items = vec![1, 2];
    let both = is_send(join(
        generic_over_references(&items),
        generic_over_references(items.iter().filter(|n| **n > 1)),
    ));
    assert_eq!(both.await, (vec![&1, &2], vec![&2]));
    let memory = Memory(vec!["a".into()]);
    assert_eq!(is_send(over_a_store(&memory, "a")).await, Ok(0));
    // Spawned: `Send + 'static`, also through a generic function.
    let task = tokio::spawn(async move {
        let memory = memory;
        over_a_store(&memory, "a").await
    });
    assert_eq!(task.await.unwrap(), Ok(0));
}
}

// Auto traits --------------------------------------------------------------------------------------

macro_rules! pair {
    ($plain:ident, $hooked:ident, ($($arg:ident: $ty:ty),*)) => {
        async fn $plain($($arg: $ty),*) {
            std::future::ready(()).await;
            $(let _ = &$arg;)*
        }
        #[hooked(point = "shape.auto", observe)]
        async fn $hooked($($arg: $ty),*) {
            std::future::ready(()).await;
            $(let _ = &$arg;)*
        }
    };
}

pair!(numbers, numbers_hooked, (a: u8, b: String));
pair!(cell, cell_hooked, (a: Cell<u8>));
pair!(exclusive, exclusive_hooked, (a: Box<dyn Send>, b: PhantomPinned));

/// Send, Sync, Unpin, UnwindSafe: inherent methods beat those of the trait.
macro_rules! auto_traits_of {
    ($value:expr) => {{
        use std::marker::PhantomData;
        struct Probe<T>(PhantomData<T>);
        #[allow(dead_code)]
        trait Fallback {
            fn send(&self) -> bool {
                false
            }
            fn sync(&self) -> bool {
                false
            }
            fn unpin(&self) -> bool {
                false
            }
            fn unwind(&self) -> bool {
                false
            }
        }
        impl<T> Fallback for Probe<T> {}
        #[allow(dead_code)]
        impl<T: Send> Probe<T> {
            fn send(&self) -> bool {
                true
            }
        }
        #[allow(dead_code)]
        impl<T: Sync> Probe<T> {
            fn sync(&self) -> bool {
                true
            }
        }
        #[allow(dead_code)]
        impl<T: Unpin> Probe<T> {
            fn unpin(&self) -> bool {
                true
            }
        }
        #[allow(dead_code)]
        impl<T: UnwindSafe> Probe<T> {
            fn unwind(&self) -> bool {
                true
            }
        }
        fn of<T>(_: &T) -> Probe<T> {
            Probe(PhantomData)
        }
        let probe = of(&$value);
        [probe.send(), probe.sync(), probe.unpin(), probe.unwind()]
    }};
}

#[test]
fn auto_traits_of_futures_but_send_are_those_of_the_hooks() {
    assert_eq!(
        auto_traits_of!(numbers(1, String::new())),
        [true, true, false, true]
    );
    assert_eq!(
        auto_traits_of!(numbers_hooked(1, String::new())),
        [true, false, false, false]
    );
    assert_eq!(
        auto_traits_of!(cell(Cell::new(1)))[0],
        auto_traits_of!(cell_hooked(Cell::new(1)))[0]
    );
    let boxed = || -> Box<dyn Send> { Box::new(1) };
    assert_eq!(
        auto_traits_of!(exclusive(boxed(), PhantomPinned))[0],
        auto_traits_of!(exclusive_hooked(boxed(), PhantomPinned))[0]
    );
}
