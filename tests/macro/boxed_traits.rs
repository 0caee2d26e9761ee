//! Methods under `#[async_trait]`, of the shapes that traits have: hooked as the `async fn`s that they were.

#![deny(warnings)]
#![deny(clippy::all)]

use std::fmt::{Debug, Display};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use hookpoint::{HookError, HookGuard, HookResult, hooked, hooks};

use crate::behaviour::pause;
use crate::shapes::{Res, idle_and_active, is_send};

#[async_trait]
trait Shapes<T: Send + Sync + Clone + 'static>: Sized + Sync + Send {
    type Output: Send + Debug;

    async fn unit(&self);
    async fn borrows(&mut self, index: usize) -> Option<&mut T>;
    async fn named<'a>(&'a self, text: &'a str, _other: &str) -> &'a str;
    async fn consumes(self, more: T) -> Res<Vec<T>>;
    async fn boxed(self: Box<Self>) -> Res<usize>;
    async fn shared(self: Arc<Self>) -> Res<usize>;
    async fn projected(&self, input: T) -> Result<Self::Output, String>;
    async fn early(&self, text: &str) -> Res<u64>;
    async fn generic<U, const N: usize>(&self, items: [U; N]) -> Res<usize>
    where
        U: Send + Display + 'async_trait;
    async fn patterns(pair: (u64, u64), text: String, c: u64) -> Res<u64>;
    async fn recursive(&self, depth: u64) -> Res<u64>;
    async fn diverges(&self, code: u8) -> std::convert::Infallible;

    #[hooked(point = "shape.boxed", fields(kind = "default"))]
    async fn default_body(&self, text: &str) -> Res<u64> {
        let twice = self.early(text).await? * 2;
        Ok(twice)
    }
}

#[derive(Clone)]
struct Items<T>(Vec<T>);

impl<T> Items<T> {
    fn label(&self) -> String {
        format!("{} items", self.0.len())
    }
}

#[async_trait]
impl<T: Send + Sync + Clone + Debug + 'static> Shapes<T> for Items<T> {
    type Output = (T, usize);

    #[hooked(point = "shape.boxed", observe)]
    async fn unit(&self) {
        pause().await;
    }
    #[hooked(point = "shape.boxed", observe, component = self.label())]
    async fn borrows(&mut self, index: usize) -> Option<&mut T> {
        pause().await;
        self.0.get_mut(index)
    }
    #[hooked(point = "shape.boxed", observe)]
    async fn named<'a>(&'a self, text: &'a str, _other: &str) -> &'a str {
        pause().await;
        if self.0.is_empty() {
            return "";
        }
        text
    }
    #[hooked(point = "shape.boxed")]
    async fn consumes(mut self, more: T) -> Res<Vec<T>> {
        pause().await;
        self.0.push(more);
        Ok(self.0)
    }
    #[hooked(point = "shape.boxed")]
    async fn boxed(self: Box<Self>) -> Res<usize> {
        Ok(self.0.len())
    }
    #[hooked(point = "shape.boxed", component = self.label())]
    async fn shared(self: Arc<Self>) -> Res<usize> {
        pause().await;
        Ok(self.0.len())
    }
    #[hooked(point = "shape.boxed", fields(len = self.0.len()))]
    async fn projected(&self, input: T) -> Result<Self::Output, String> {
        Ok((input, self.0.len()))
    }
    #[hooked(point = "shape.boxed", args(text, length = text.len()))]
    async fn early(&self, text: &str) -> Res<u64> {
        let Some(rest) = text.strip_prefix('#') else {
            return Err("no number".into());
        };
        pause().await;
        let number: u64 = rest.parse().map_err(|_| "not a number".to_owned())?;
        Ok(number)
    }
    #[hooked(point = "shape.boxed", args(count = items.len()))]
    async fn generic<U, const N: usize>(&self, items: [U; N]) -> Res<usize>
    where
        U: Send + Display + 'async_trait,
    {
        let mut length = 0;
        for item in items {
            pause().await;
            length += item.to_string().len();
        }
        Ok(length)
    }
    #[hooked(point = "shape.boxed")]
    async fn patterns((a, mut b): (u64, u64), _: String, mut c: u64) -> Res<u64> {
        b += 1;
        c += 1;
        Ok(a + b + c)
    }
    #[hooked(point = "shape.boxed", retry)]
    async fn recursive(&self, depth: u64) -> Res<u64> {
        if depth == 0 {
            return Ok(0);
        }
        Ok(self.recursive(depth - 1).await? + 1)
    }
    #[hooked(point = "shape.boxed", observe)]
    async fn diverges(&self, code: u8) -> std::convert::Infallible {
        pause().await;
        std::panic::panic_any(code)
    }
}

idle_and_active! {
async fn methods_behave_as_before() {
    let mut items = Items(vec![1, 2]);
    is_send(items.unit()).await;
    *is_send(items.borrows(0)).await.unwrap() += 10;
    assert_eq!(is_send(items.named("a", "b")).await, "a");
    assert_eq!(is_send(items.clone().consumes(3)).await, Ok(vec![11, 2, 3]));
    assert_eq!(is_send(Box::new(items.clone()).boxed()).await, Ok(2));
    assert_eq!(is_send(Arc::new(items.clone()).shared()).await, Ok(2));
    assert_eq!(is_send(items.projected(5)).await, Ok((5, 2)));
    assert_eq!(is_send(items.early("#12")).await, Ok(12));
    assert_eq!(items.early("12").await, Err("no number".into()));
    assert_eq!(items.early("#x").await, Err("not a number".into()));
    assert_eq!(is_send(items.generic(["a", "bc"])).await, Ok(3));
    assert_eq!(is_send(Items::<u8>::patterns((1, 2), String::new(), 3)).await, Ok(8));
    assert_eq!(is_send(items.recursive(5)).await, Ok(5));
    assert_eq!(is_send(items.default_body("#4")).await, Ok(8));
    let never = tokio::spawn(async move { items.diverges(7).await });
    assert_eq!(*never.await.unwrap_err().into_panic().downcast::<u8>().unwrap(), 7);
}
}

#[async_trait(?Send)]
trait Local {
    async fn keep(&self, value: Rc<u8>) -> Res<u8>;
}

struct Here(Rc<u8>);

#[async_trait(?Send)]
impl Local for Here {
    #[hooked(point = "shape.boxed", component = self.0.to_string())]
    async fn keep(&self, value: Rc<u8>) -> Res<u8> {
        let held = value.clone();
        pause().await;
        Ok(*held + *self.0)
    }
}

idle_and_active! {
async fn what_is_not_send_may_stay_so() {
    assert_eq!(Here(Rc::new(1)).keep(Rc::new(2)).await, Ok(3));
}
}

// Everything a hook can do ---------------------------------------------------------------------------

#[async_trait]
trait Tool: Sync {
    async fn run(&self, input: String, log: &Mutex<Vec<String>>) -> Res<String>;
}

struct Echo;
struct Other;

#[async_trait]
impl Tool for Other {
    async fn run(&self, input: String, _log: &Mutex<Vec<String>>) -> Res<String> {
        Ok(format!("other {input}"))
    }
}

#[async_trait]
impl Tool for Echo {
    #[hooked(
        point = "boxed.run",
        retry,
        redirect = |to| (to == "other").then_some(|input, log| Other.run(input, log)),
    )]
    async fn run(&self, input: String, log: &Mutex<Vec<String>>) -> Res<String> {
        pause().await;
        log.lock().unwrap().push(input.clone());
        match log.lock().unwrap().len() {
            1 => Err("busy".into()),
            _ => Ok(input),
        }
    }
}

fn answer(id: &str, phase: hookpoint::Phase, answer: fn() -> HookResult) -> HookGuard {
    hooks()
        .on(id)
        .point("boxed.run")
        .phase(phase)
        .may_retry()
        .intercept(move |_| answer())
        .unwrap()
}

#[tokio::test]
async fn hooks_change_retry_redirect_replace_and_refuse() {
    let log = Mutex::new(vec![]);
    let run = async || {
        log.lock().unwrap().clear();
        let value = Echo.run("a".into(), &log).await;
        (value, log.lock().unwrap().len())
    };
    assert_eq!(run().await, (Err("busy".into()), 1));
    let _more = hooks()
        .intercept("boxed.more", "boxed.run", |cx| {
            cx.arg_mut::<String>("input")?.push('!');
            Ok::<_, HookError>(())
        })
        .unwrap();
    {
        let _again = answer("boxed.again", hookpoint::Phase::Error, || {
            HookResult::retry(std::time::Duration::ZERO, 2)
        });
        assert_eq!(run().await, (Ok("a!".into()), 2));
    }
    {
        let _other = answer("boxed.other", hookpoint::Phase::Pre, || {
            HookResult::redirect("other")
        });
        assert_eq!(run().await, (Ok("other a!".into()), 0));
    }
    {
        let _instead = answer("boxed.instead", hookpoint::Phase::Pre, || {
            HookResult::replace(String::from("instead"))
        });
        assert_eq!(run().await, (Ok("instead".into()), 0));
    }
    let _no = answer("boxed.no", hookpoint::Phase::Pre, || {
        HookResult::cancel("no")
    });
    let (refused, runs) = run().await;
    assert!(refused.unwrap_err().contains("no") && runs == 0);
}
