//! The runners: what an active call does around the body. Thin generic shells over the executor.

use serde_json::Value;

use crate::answer::Replacement;
use crate::error::HookError;
use crate::refusal::HookRefusal;
use crate::site::HookSite;
use crate::view::RawView;

/// What the attribute's `component` and `fields` said; evaluated only when somebody listens.
#[derive(Default)]
pub struct Facts {
    pub(crate) component: Option<Box<str>>,
    pub(crate) fields: Vec<(&'static str, Value)>,
}

impl Facts {
    /// Neither component nor fields.
    pub fn new() -> Self {
        Facts::default()
    }
    /// The component's name.
    pub fn component(mut self, name: impl AsRef<str>) -> Self {
        self.component = Some(name.as_ref().into());
        self
    }
    /// One extra fact.
    pub fn field(mut self, name: &'static str, value: Value) -> Self {
        self.fields.push((name, value));
        self
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
    _site: &'static HookSite,
    _facts: Facts,
    args: A,
    body: impl FnOnce(A) -> R,
    _views: impl FnMut(&mut A) -> [RawView; N],
    _ret: ReturnOps<R>,
    _redirect: impl Redirect<A, Out = R>,
) -> R {
    body(args)
}

/// The same for a body that can run again; `dup` copies the sealed arguments if their types allow.
#[cold]
#[inline(never)]
#[allow(clippy::too_many_arguments)]
pub fn run_sync_repeat<A, R, const N: usize>(
    _site: &'static HookSite,
    _facts: Facts,
    args: A,
    mut body: impl FnMut(A) -> R,
    _views: impl FnMut(&mut A) -> [RawView; N],
    _dup: impl Fn(&A) -> Option<A>,
    _ret: ReturnOps<R>,
    _redirect: impl Redirect<A, Out = R>,
) -> R {
    body(args)
}

/// An active call of an asynchronous site whose body runs at most once.
pub async fn run_async<A, R, F: Future<Output = R>, const N: usize>(
    _site: &'static HookSite,
    _facts: Facts,
    args: A,
    body: impl FnOnce(A) -> F,
    _views: impl FnMut(&mut A) -> [RawView; N],
    _ret: ReturnOps<R>,
    _redirect: impl Redirect<A, Out: Future<Output = R>>,
) -> R {
    body(args).await
}

/// The same for a body that can run again.
#[allow(clippy::too_many_arguments)]
pub async fn run_async_repeat<A, R, F: Future<Output = R>, const N: usize>(
    _site: &'static HookSite,
    _facts: Facts,
    args: A,
    mut body: impl FnMut(A) -> F,
    _views: impl FnMut(&mut A) -> [RawView; N],
    _dup: impl Fn(&A) -> Option<A>,
    _ret: ReturnOps<R>,
    _redirect: impl Redirect<A, Out: Future<Output = R>>,
) -> R {
    body(args).await
}
