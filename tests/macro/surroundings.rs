//! What stands around a function: auto traits of its future, qualifiers and attributes in front of it, names
//! in its scope, and the order in which its values are dropped. Hooked, all of that stays.

#![deny(warnings, unreachable_code, unused)]
#![deny(clippy::all)]
#![allow(clippy::non_minimal_cfg, clippy::boxed_local)]

use std::sync::Arc;

use hookpoint::hooked;

use crate::shapes::{Res, idle_and_active, is_send};

struct Host {
    items: Vec<u8>,
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
#[allow(improper_ctypes_definitions)] // As without the attribute.
async extern "C" fn foreign_async(n: u32) -> u32 {
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
    assert_eq!(foreign_async(1).await, 2);
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
