//! What expanded code calls when somebody listens: thin generic shells around the executor, which knows the
//! user's types only through a [`Frame`].

use serde_json::Value;

use super::frame::{Arguments, AsyncBody, Dup, NoCopy, Once, Repeat, Returned, Slot, SyncBody};
use crate::answer::Replacement;
use crate::error::HookError;
use crate::executor::{self, Can, Frame};
use crate::point::Phase;
use crate::refusal::HookRefusal;
use crate::site::HookSite;
use crate::view::RawView;

/// What the attribute's `component` and `fields` said; evaluated only when somebody listens. One word, because
/// most sites say nothing.
#[derive(Default)]
pub struct Facts(Option<Box<Told>>);

#[derive(Default)]
struct Told {
    component: Option<Box<str>>,
    fields: Vec<(&'static str, Value)>,
}

impl Facts {
    /// Neither component nor fields.
    pub const fn new() -> Self {
        Facts(None)
    }
    /// The component's name.
    pub fn component(mut self, name: impl AsRef<str>) -> Self {
        self.0.get_or_insert_default().component = Some(name.as_ref().into());
        self
    }
    /// One extra fact.
    pub fn field(mut self, name: &'static str, value: Value) -> Self {
        self.0.get_or_insert_default().fields.push((name, value));
        self
    }
    pub(crate) fn named(&self) -> Option<&str> {
        self.0.as_ref()?.component.as_deref()
    }
    pub(crate) fn fields(&self) -> &[(&'static str, Value)] {
        self.0.as_ref().map_or(&[], |told| &told.fields)
    }
}

/// Views of a return value.
pub enum Parts {
    /// Not a `Result`: the value itself.
    Plain(RawView),
    /// The `T` of `Ok(T)`.
    Ok(RawView),
    /// The `E` of `Err(E)`.
    Err(RawView),
}

impl Parts {
    pub(crate) fn view_mut(&mut self) -> &mut RawView {
        let (Parts::Plain(view) | Parts::Ok(view) | Parts::Err(view)) = self;
        view
    }
    pub(crate) fn phase(&self) -> Phase {
        match self {
            Parts::Err(_) => Phase::Error,
            Parts::Plain(_) | Parts::Ok(_) => Phase::Post,
        }
    }
}

/// How a site's return value is looked at, refused and made.
pub struct ReturnOps<R> {
    /// Views of the value; used only while the value is neither moved nor dropped.
    pub parts: fn(&mut R) -> Parts,
    /// The value that stands for a refusal; `None` at `observe` sites.
    pub refuse: Option<fn(HookRefusal) -> R>,
    /// Makes the value from what a hook brings: typed (`T` of `Result<T, E>`, by downcast) or JSON.
    pub replace: fn(Replacement) -> Result<R, HookError>,
    /// Whether a typed replacement of that type, or JSON, can ever succeed.
    pub replaceable: bool,
    /// Whether an `Ok` value can be kept: cloned (`Clone + Send + 'static`), or written and read as JSON.
    pub cacheable: bool,
}

/// Makes `Redirect` possible: finds the component and calls it with this call's arguments.
pub trait Redirect<A> {
    /// What the call gives: the return value, or at an asynchronous site a future of it.
    type Out;
    /// Whether there is a resolver at all.
    const POSSIBLE: bool;
    /// The call to the other component, or the arguments back if there is none of that name.
    fn call(&mut self, to: &str, args: A) -> Result<Self::Out, A>;
}

/// The site has no `redirect` key.
pub struct NoRedirect<Out>(std::marker::PhantomData<fn() -> Out>);

impl<R> NoRedirect<R> {
    /// For a synchronous site.
    pub fn sync() -> Self {
        NoRedirect(std::marker::PhantomData)
    }
}

impl<R> NoRedirect<std::future::Pending<R>> {
    /// For an asynchronous site.
    pub fn future() -> Self {
        NoRedirect(std::marker::PhantomData)
    }
}

impl<A, Out> Redirect<A> for NoRedirect<Out> {
    type Out = Out;
    const POSSIBLE: bool = false;
    fn call(&mut self, _to: &str, args: A) -> Result<Out, A> {
        Err(args)
    }
}

/// The site's resolver: a closure that gives, for a name, the function to call.
pub struct RedirectWith<F>(pub F);

impl<A, Out, F, G> Redirect<A> for RedirectWith<F>
where
    F: FnMut(&str) -> Option<G>,
    G: FnOnce(A) -> Out,
{
    type Out = Out;
    const POSSIBLE: bool = true;
    fn call(&mut self, to: &str, args: A) -> Result<Out, A> {
        match (self.0)(to) {
            Some(target) => Ok(target(args)),
            None => Err(args),
        }
    }
}

/// An active call of a synchronous site whose body runs at most once.
#[cold]
#[inline(never)]
pub fn run_sync<A, R, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    args: A,
    body: impl FnOnce(A) -> R,
    views: impl FnMut(&mut A) -> [RawView; N],
    ret: ReturnOps<R>,
    redirect: impl Redirect<A, Out = R>,
) -> R {
    let can = can(&ret, &redirect);
    let (args, value) = (Slot::new(args), Slot::empty());
    let mut arguments = Arguments::new(&args, views, NoCopy);
    let mut returned = Returned::new(&value, ret);
    let mut body = SyncBody::new(&args, &value, Once::new(body), redirect);
    let mut seen = [const { RawView::nothing() }; N];
    let frame = Frame::new(&mut arguments, &mut returned, &mut body);
    executor::sync(site, facts, can, frame, &mut seen);
    value.take_value()
}

/// The same for a body that can run again; `dup` copies the sealed arguments if their types allow.
#[cold]
#[inline(never)]
#[allow(clippy::too_many_arguments)]
pub fn run_sync_repeat<A, R, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    args: A,
    body: impl FnMut(A) -> R,
    views: impl FnMut(&mut A) -> [RawView; N],
    dup: impl Fn(&A) -> Option<A>,
    ret: ReturnOps<R>,
    redirect: impl Redirect<A, Out = R>,
) -> R {
    let can = can(&ret, &redirect);
    let (args, value) = (Slot::new(args), Slot::empty());
    let mut arguments = Arguments::new(&args, views, Dup(dup));
    let mut returned = Returned::new(&value, ret);
    let mut body = SyncBody::new(&args, &value, Repeat(body), redirect);
    let mut seen = [const { RawView::nothing() }; N];
    let frame = Frame::new(&mut arguments, &mut returned, &mut body);
    executor::sync(site, facts, can, frame, &mut seen);
    value.take_value()
}

/// An active call of an asynchronous site whose body runs at most once.
pub async fn run_async<A, R, F: Future<Output = R>, G: Future<Output = R>, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    args: A,
    body: impl FnOnce(A) -> F,
    views: impl FnMut(&mut A) -> [RawView; N],
    ret: ReturnOps<R>,
    redirect: impl Redirect<A, Out = G>,
) -> R {
    let can = can(&ret, &redirect);
    let (args, value) = (Slot::new(args), Slot::empty());
    let mut arguments = Arguments::new(&args, views, NoCopy);
    let mut returned = Returned::new(&value, ret);
    // SAFETY: it stays in this future, which is pinned when it is polled.
    let mut body = unsafe { AsyncBody::new(&args, &value, Once::new(body), redirect) };
    let mut seen = [const { RawView::nothing() }; N];
    let frame = Frame::new(&mut arguments, &mut returned, &mut body);
    executor::asynchronous(site, facts, can, frame, &mut seen).await;
    value.take_value()
}

/// The same for a body that can run again.
#[allow(clippy::too_many_arguments)]
pub async fn run_async_repeat<
    A,
    R,
    F: Future<Output = R>,
    G: Future<Output = R>,
    const N: usize,
>(
    site: &'static HookSite,
    facts: Facts,
    args: A,
    body: impl FnMut(A) -> F,
    views: impl FnMut(&mut A) -> [RawView; N],
    dup: impl Fn(&A) -> Option<A>,
    ret: ReturnOps<R>,
    redirect: impl Redirect<A, Out = G>,
) -> R {
    let can = can(&ret, &redirect);
    let (args, value) = (Slot::new(args), Slot::empty());
    let mut arguments = Arguments::new(&args, views, Dup(dup));
    let mut returned = Returned::new(&value, ret);
    // SAFETY: it stays in this future, which is pinned when it is polled.
    let mut body = unsafe { AsyncBody::new(&args, &value, Repeat(body), redirect) };
    let mut seen = [const { RawView::nothing() }; N];
    let frame = Frame::new(&mut arguments, &mut returned, &mut body);
    executor::asynchronous(site, facts, can, frame, &mut seen).await;
    value.take_value()
}

#[inline]
fn can<R, A, X: Redirect<A>>(ret: &ReturnOps<R>, _redirect: &X) -> Can {
    Can::new(
        ret.refuse.is_some(),
        ret.replaceable,
        ret.cacheable,
        X::POSSIBLE,
    )
}
