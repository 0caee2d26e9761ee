//! Which view a value gets, per kind of type: the table of the reference, as a test.
//!
//! Letters: T typed, J to JSON, S from JSON, C clone, D debug, W writable, `*` on any thread.

#![allow(
    clippy::needless_pass_by_value,
    clippy::extra_unused_lifetimes,
    clippy::type_complexity
)]

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Debug;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use hookpoint::hooked;
use serde::{Deserialize, Serialize};

use crate::spy::__private::seen;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Full {
    x: u32,
}
struct Opaque;
/// Of its own thread, and for serde nothing: `Rc` itself is serialisable as soon as anybody asks serde for that.
#[derive(Clone, Debug, Default)]
struct Local(#[expect(dead_code)] Rc<Cell<u8>>);
trait Tool {}
impl Tool for Opaque {}
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Borrowing<'a> {
    #[serde(borrow)]
    x: Cow<'a, str>,
}
#[derive(Debug)]
struct Context<'a>(#[expect(dead_code)] &'a str);
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wrap<T>(T);

/// One hooked function with one argument, called once; what its view could do.
macro_rules! view {
    ($ty:ty, $value:expr) => {{
        #[hooked(point = "matrix.view", observe, crate = crate::spy)]
        fn one(value: $ty) {
            let _ = value;
        }
        one($value);
        seen().remove(0)
    }};
}

#[test]
fn by_value() {
    assert_eq!(view!(String, "x".into()), "TJSCDW*");
    assert_eq!(view!(Vec<u8>, vec![1]), "TJSCDW*");
    assert_eq!(view!(Full, Full::default()), "TJSCDW*");
    assert_eq!(view!((u8, Full), Default::default()), "TJSCDW*");
    assert_eq!(view!([u8; 2], [1, 2]), "TJSCDW*");
    assert_eq!(view!(Option<Vec<Full>>, None), "TJSCDW*");
    assert_eq!(view!(Opaque, Opaque), "TW*");
    assert_eq!(view!(Vec<Opaque>, vec![]), "TW*");
    assert_eq!(view!(Wrap<Vec<String>>, Wrap(vec![])), "TJSCDW*");
    assert_eq!(view!(&'static str, "x"), "TJD*");
    assert_eq!(view!(Local, Local::default()), "TDW");
}

#[test]
fn references_are_seen_through() {
    assert_eq!(view!(&str, "x"), "TJD*");
    assert_eq!(view!(&[u8], &[1]), "TJD*");
    assert_eq!(view!(&Path, Path::new("x")), "TJD*");
    assert_eq!(view!(&Full, &Full::default()), "TJCD*");
    assert_eq!(view!(&mut Full, &mut Full::default()), "TJSCDW*");
    assert_eq!(view!(Option<&Full>, Some(&Full::default())), "TJCD*");
    assert_eq!(view!(std::option::Option<&str>, Some("x")), "TJD*");
    assert_eq!(view!(Option<&Full>, None), "absent");
    assert_eq!(view!(&Cell<u8>, &Cell::new(1)), "TJCD");
    assert_eq!(view!(&RefCell<u8>, &RefCell::new(1)), "TJCD");
}

#[test]
fn objects_and_pointers() {
    assert_eq!(view!(Box<dyn Tool>, Box::new(Opaque)), "TW");
    assert_eq!(view!(Box<dyn Tool + Send>, Box::new(Opaque)), "TW*");
    assert_eq!(view!(Arc<dyn Tool + Send + Sync>, Arc::new(Opaque)), "TCW*");
    assert_eq!(view!(fn(&str), |_| ()), "TCDW*");
    assert_eq!(view!(Box<dyn Fn(&str) -> usize>, Box::new(str::len)), "TW");
    assert_eq!(view!(&dyn Tool, &Opaque), "");
    assert_eq!(view!(&(dyn Tool + Sync), &Opaque), "*");
    assert_eq!(view!(&mut dyn Tool, &mut Opaque), "W");
    assert_eq!(view!(&dyn Debug, &1), "D");
    assert_eq!(view!(impl Serialize, 1), "JW");
    assert_eq!(view!(impl Debug + Send, 1), "DW*");
    assert_eq!(view!(&impl Tool, &Opaque), "");
}

#[test]
fn what_borrows_is_not_typed() {
    assert_eq!(view!(Cow<'_, str>, "x".into()), "JSDW*");
    assert_eq!(view!(Borrowing<'_>, Borrowing { x: "x".into() }), "JSDW*");
    assert_eq!(view!(HashMap<&str, &str>, HashMap::new()), "JDW*");
    assert_eq!(view!(Context<'_>, Context("x")), "DW*");
    #[allow(elided_lifetimes_in_paths)]
    {
        assert_eq!(view!(Context, Context("x")), "DW*");
        assert_eq!(view!(&Context, &Context("x")), "D*");
    }
    assert_eq!(view!(Vec<&str>, vec!["x"]), "JDW*");

    #[hooked(point = "matrix.view", observe, crate = crate::spy)]
    fn named<'a>(a: Cow<'a, str>, b: &'a str, c: HashMap<&'a str, &'a str>) {
        let _ = (a, b, c);
    }
    named("x".into(), "x", HashMap::new());
    assert_eq!(seen()[..3], ["JSDW*", "TJD*", "JDW*"]);
}

#[test]
fn generic_parameters_show_what_their_bounds_say() {
    #[hooked(point = "matrix.view", observe, crate = crate::spy)]
    fn unbounded<T>(a: T, b: Vec<T>, c: &T, d: Wrap<T>) {
        let _ = (a, b, c, d);
    }
    unbounded(1, vec![1], &1, Wrap(1));
    assert_eq!(seen()[..4], ["W", "W", "", "W"]);

    #[hooked(point = "matrix.view", observe, crate = crate::spy)]
    fn bounded<T: Serialize + Send, U>(a: T, b: Vec<U>, c: &U)
    where
        U: Debug + Sync,
    {
        let _ = (a, b, c);
    }
    bounded(1, vec![1], &1);
    assert_eq!(seen()[..3], ["JW*", "DW", "D*"]);

    #[hooked(point = "matrix.view", observe, crate = crate::spy)]
    fn fixed<T: 'static + Clone + Send, U>(a: T, b: Vec<T>, c: Vec<U>)
    where
        U: 'static,
    {
        let _ = (a, b, c);
    }
    fixed(1, vec![1], vec![1]);
    assert_eq!(seen()[..3], ["TCW*", "TCW*", "TW"]);

    struct Host<T, const N: usize>([T; N]);
    impl<T: Debug, const N: usize> Host<T, N> {
        #[hooked(point = "matrix.view", observe, crate = crate::spy)]
        fn method(&self, a: T, b: Vec<T>, c: [u8; N], d: Full) -> usize {
            let _ = (a, b, c, d);
            self.0.len()
        }
    }
    Host([1, 2]).method(1, vec![1], [1, 2], Full::default());
    assert_eq!(seen()[..4], ["DW", "DW", "TCDW*", "TJSCDW*"]);
}

trait Family {
    type In;
    fn run(&self, input: Self::In) -> usize;
}

impl<'a> Family for &'a str {
    type In = &'a str;
    #[hooked(point = "matrix.view", observe, crate = crate::spy)]
    fn run(&self, input: Self::In) -> usize {
        self.len() + input.len()
    }
}

#[test]
fn projections_are_never_typed() {
    assert_eq!("x".run("y"), 2);
    assert_eq!(seen()[0], "JDW*");
    assert_eq!(view!(<Vec<u8> as IntoIterator>::Item, 1), "JDW*");
}

/// What the result's view could do, and whether it can be refused and replaced.
macro_rules! result {
    ($ty:ty, $value:expr $(, $key:ident)?) => {{
        #[hooked(point = "matrix.result", args(), $($key,)? crate = crate::spy)]
        fn one() -> $ty {
            $value
        }
        let _ = one();
        seen().pop().unwrap()
    }};
}

type Mine = Result<Full, String>;
type MineOf<T> = Result<T, String>;

#[test]
fn results() {
    assert_eq!(
        result!(Result<Full, String>, Ok(Full::default())),
        "ok TJSCDW* replaceable"
    );
    assert_eq!(
        result!(Result<Full, String>, Err(String::new())),
        "err TJCDW* replaceable"
    );
    assert_eq!(
        result!(std::io::Result<Vec<u8>>, Ok(vec![])),
        "ok TJSCDW* replaceable"
    );
    assert_eq!(
        result!(std::io::Result<()>, Err(std::io::ErrorKind::Other.into())),
        "err TDW* replaceable"
    );
    assert_eq!(result!(Mine, Ok(Full::default())), "ok TJSCDW* replaceable");
    assert_eq!(
        result!(MineOf<Vec<Full>>, Ok(vec![])),
        "ok TJSCDW* replaceable"
    );
    assert_eq!(
        result!(Result<Full, Box<dyn std::error::Error + Send + Sync>>, Err("x".into())),
        "err TDW* replaceable"
    );
    assert_eq!(
        result!(Result<Opaque, String>, Ok(Opaque)),
        "ok TW* replaceable"
    );
    assert_eq!(
        result!(Result<&'static str, String>, Ok("x")),
        "ok TJCDW* replaceable"
    );
    assert_eq!(
        result!(
            Result<impl Iterator<Item = u8>, String>,
            Ok([1].into_iter())
        ),
        "ok W"
    );
    assert_eq!(
        result!(u64, 1, observe),
        "plain TJSCDW* observe replaceable"
    );
    assert_eq!(
        result!(impl Iterator<Item = u8>, [1].into_iter(), observe),
        "plain W observe"
    );
    assert_eq!(
        result!((), (), observe),
        "plain TJSCDW* observe replaceable"
    );

    #[hooked(point = "matrix.result", crate = crate::spy)]
    fn borrowed(text: &str) -> Result<&str, String> {
        Ok(text)
    }
    borrowed("x").unwrap();
    assert_eq!(seen(), ["TJD*", "repeatable", "ok JDW*"]);
}

#[test]
fn a_clone_makes_a_second_attempt_possible() {
    #[hooked(point = "matrix.repeat", crate = crate::spy, redirect = |to| (to == "other").then_some(other))]
    fn copied(a: Full, b: &str) -> Result<u32, String> {
        Ok(a.x + b.len() as u32)
    }
    fn other(a: Full, _: &str) -> Result<u32, String> {
        Ok(a.x + 100)
    }
    assert_eq!(copied(Full { x: 1 }, "b"), Ok(101));
    assert_eq!(seen(), ["TJSCDW*", "TJD*", "repeatable"]);

    #[hooked(point = "matrix.repeat", crate = crate::spy)]
    fn not_copied(a: Opaque) -> Result<(), String> {
        let _ = a;
        Ok(())
    }
    not_copied(Opaque).unwrap();
    assert_eq!(seen(), ["TW*", "ok TJSCDW* replaceable"]);
}

#[test]
fn derived_views_and_overruled_ones() {
    #[hooked(
        point = "matrix.derived",
        observe,
        crate = crate::spy,
        args(x = &full.x, y: typed = &full.x, n = name.len(), full, name: opaque)
    )]
    fn derived(full: Full, name: String) {
        let _ = (full, name);
    }
    derived(Full::default(), "x".into());
    // `full` is read only: an expression looks into it.
    assert_eq!(seen()[..5], ["JD*", "TJCD*", "JD*", "TJCD*", ""]);
}

#[tokio::test]
async fn asynchronous_functions_show_the_same() {
    #[hooked(point = "matrix.async", crate = crate::spy)]
    async fn run(a: Full, b: &str, c: &mut Vec<u8>) -> Result<usize, String> {
        c.push(1);
        Ok(a.x as usize + b.len())
    }
    run(Full::default(), "x", &mut vec![]).await.unwrap();
    assert_eq!(
        seen(),
        ["TJSCDW*", "TJD*", "TJSCDW*", "ok TJSCDW* replaceable"]
    );
}
