//! The runners: what an active call does around the body. Thin generic shells over the executor.

use serde_json::Value;

use crate::answer::{Replacement, Restriction};
use crate::error::HookError;
use crate::executor::{Act, Call, Can, InBody, Loaded, Settled, Wait};
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

/// A body, and whether it can run more than once.
trait Body<A> {
    type Out;
    fn call(&mut self, args: A) -> Self::Out;
    /// A copy of the arguments for another attempt, if body and argument types allow one.
    fn dup(&self, args: &A) -> Result<A, &'static str>;
}

struct Once<F>(Option<F>);

impl<A, R, F: FnOnce(A) -> R> Body<A> for Once<F> {
    type Out = R;
    fn call(&mut self, args: A) -> R {
        let body = self
            .0
            .take()
            .expect("only a repeatable body is called again, see `dup`");
        body(args)
    }
    fn dup(&self, _args: &A) -> Result<A, &'static str> {
        Err(
            "the body cannot run again: it takes `&mut` or consumes `self`; see `retry` in the attribute's reference",
        )
    }
}

struct Repeat<F, D>(F, D);

impl<A, R, F: FnMut(A) -> R, D: Fn(&A) -> Option<A>> Body<A> for Repeat<F, D> {
    type Out = R;
    fn call(&mut self, args: A) -> R {
        (self.0)(args)
    }
    fn dup(&self, args: &A) -> Result<A, &'static str> {
        (self.1)(args)
            .ok_or("the body cannot run again: an argument that is passed by value is not `Clone`")
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
    sync(site, facts, args, Once(Some(body)), views, ret, redirect)
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
    sync(site, facts, args, Repeat(body, dup), views, ret, redirect)
}

/// An active call of an asynchronous site whose body runs at most once.
pub async fn run_async<A, R, F: Future<Output = R>, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    args: A,
    body: impl FnOnce(A) -> F,
    views: impl FnMut(&mut A) -> [RawView; N],
    ret: ReturnOps<R>,
    redirect: impl Redirect<A, Out: Future<Output = R>>,
) -> R {
    asynchronous(site, facts, args, Once(Some(body)), views, ret, redirect).await
}

/// The same for a body that can run again.
#[allow(clippy::too_many_arguments)]
pub async fn run_async_repeat<A, R, F: Future<Output = R>, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    args: A,
    body: impl FnMut(A) -> F,
    views: impl FnMut(&mut A) -> [RawView; N],
    dup: impl Fn(&A) -> Option<A>,
    ret: ReturnOps<R>,
    redirect: impl Redirect<A, Out: Future<Output = R>>,
) -> R {
    asynchronous(site, facts, args, Repeat(body, dup), views, ret, redirect).await
}

fn can<R, A, X: Redirect<A>>(site: &HookSite, ret: &ReturnOps<R>, _redirect: &X) -> Can {
    Can {
        refuse: ret.refuse.is_some(),
        replace: ret.replaceable,
        cache: ret.cacheable,
        redirect: X::POSSIBLE,
        repeat: if site.info().flags.repeatable {
            Ok(())
        } else {
            Err("the body cannot run again; see `retry` in the attribute's reference")
        },
    }
}

/// The one shape of a call; [`asynchronous`] is its twin with awaits. Everything that does not depend on
/// the user's types is in [`Call`].
fn sync<A, R, B, X, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    mut args: A,
    mut body: B,
    mut views: impl FnMut(&mut A) -> [RawView; N],
    ret: ReturnOps<R>,
    mut redirect: X,
) -> R
where
    B: Body<A, Out = R>,
    X: Redirect<A, Out = R>,
{
    let Some(set) = Loaded::of(site) else {
        return body.call(args);
    };
    let mut call = Call::begin(site.info(), &set, facts, can(site, &ret, &redirect));
    let mut seen = views(&mut args);
    call.prepare(&mut seen);
    call.propose_sync(&mut seen);
    let mut planned = call.plan_value(&ret);
    let mut keep = None;
    let (mut value, redirected) = loop {
        let mut parts = planned.as_mut().map(ret.parts);
        call.decide_sync(&mut seen, parts.as_mut());
        match call.act(&seen) {
            Act::Refuse(refusal) => return ret.refused(refusal),
            Act::Planned => match planned.take() {
                Some(value) => {
                    call.cannot_repeat();
                    break (value, None);
                }
                None => call.plan_lost(),
            },
            Act::Cached => {
                if let Some(value) = call.cached(&ret) {
                    call.cannot_repeat();
                    break (value, None);
                }
                keep = call.keep(|| body.dup(&args));
                call.hand_over(&mut seen);
                break (call.in_body(|| body.call(args)), None);
            }
            Act::Redirect(to) => {
                keep = call.keep(|| body.dup(&args));
                call.hand_over(&mut seen);
                match call.in_redirect(|| redirect.call(&to, args)) {
                    Ok(value) => break (value, Some(to)),
                    Err(back) => {
                        args = back;
                        seen = views(&mut args);
                        call.prepare(&mut seen);
                        call.no_such_component(&to);
                    }
                }
            }
            Act::Run => {
                keep = call.keep(|| body.dup(&args));
                call.hand_over(&mut seen);
                break (call.in_body(|| body.call(args)), None);
            }
        }
    };
    loop {
        let mut parts = (ret.parts)(&mut value);
        if call.refused_elsewhere(&parts, redirected.is_some()) {
            return value;
        }
        call.hold(&parts);
        match call.settle_sync(&mut seen, &mut parts, keep.is_some()) {
            Settled::Keep => {}
            Settled::Replace(replacement) => call.replace(&ret, &mut value, replacement),
            Settled::Retry(delay) => {
                if let Some(again) = call.again(&mut keep, |kept| body.dup(kept)) {
                    call.wait_sync_for(delay);
                    if call.refuse_if_halted() {
                        return ret.refused(call.refuse());
                    }
                    value = match &redirected {
                        None => call.in_body(|| body.call(again)),
                        Some(to) => match call.in_redirect(|| redirect.call(to, again)) {
                            Ok(value) => value,
                            Err(_gone) => value,
                        },
                    };
                    continue;
                }
            }
        }
        let mut parts = (ret.parts)(&mut value);
        call.release_sync(&mut seen, &mut parts);
        call.store();
        if call.restriction > Restriction::None {
            let refusal = call.refuse();
            return ret.refused(refusal);
        }
        call.deliver(&parts);
        return value;
    }
}

/// [`sync`] with awaits.
async fn asynchronous<A, R, B, F, X, const N: usize>(
    site: &'static HookSite,
    facts: Facts,
    mut args: A,
    mut body: B,
    mut views: impl FnMut(&mut A) -> [RawView; N],
    ret: ReturnOps<R>,
    mut redirect: X,
) -> R
where
    F: Future<Output = R>,
    B: Body<A, Out = F>,
    X: Redirect<A, Out: Future<Output = R>>,
{
    let Some(set) = Loaded::of(site) else {
        return body.call(args).await;
    };
    let mut call = Call::begin(site.info(), &set, facts, can(site, &ret, &redirect));
    let mut seen = views(&mut args);
    call.prepare(&mut seen);
    call.propose(&mut seen, Wait::Async).await;
    let mut planned = call.plan_value(&ret);
    let mut keep = None;
    let (mut value, redirected) = loop {
        let mut parts = planned.as_mut().map(ret.parts);
        call.decide(&mut seen, parts.as_mut(), Wait::Async).await;
        match call.act(&seen) {
            Act::Refuse(refusal) => return ret.refused(refusal),
            Act::Planned => match planned.take() {
                Some(value) => {
                    call.cannot_repeat();
                    break (value, None);
                }
                None => call.plan_lost(),
            },
            Act::Cached => {
                if let Some(value) = call.cached(&ret) {
                    call.cannot_repeat();
                    break (value, None);
                }
                keep = call.keep(|| body.dup(&args));
                call.hand_over(&mut seen);
                break (
                    InBody::new(&mut call, || body.call(args), false).await,
                    None,
                );
            }
            Act::Redirect(to) => {
                keep = call.keep(|| body.dup(&args));
                call.hand_over(&mut seen);
                match redirect.call(&to, args) {
                    Ok(future) => break (InBody::new(&mut call, || future, true).await, Some(to)),
                    Err(back) => {
                        args = back;
                        seen = views(&mut args);
                        call.prepare(&mut seen);
                        call.no_such_component(&to);
                    }
                }
            }
            Act::Run => {
                keep = call.keep(|| body.dup(&args));
                call.hand_over(&mut seen);
                break (
                    InBody::new(&mut call, || body.call(args), false).await,
                    None,
                );
            }
        }
    };
    loop {
        let mut parts = (ret.parts)(&mut value);
        if call.refused_elsewhere(&parts, redirected.is_some()) {
            return value;
        }
        call.hold(&parts);
        match call.settle(&mut seen, &mut parts, keep.is_some()).await {
            Settled::Keep => {}
            Settled::Replace(replacement) => call.replace(&ret, &mut value, replacement),
            Settled::Retry(delay) => {
                if let Some(again) = call.again(&mut keep, |kept| body.dup(kept)) {
                    call.wait_for(delay).await;
                    if call.refuse_if_halted() {
                        return ret.refused(call.refuse());
                    }
                    value = match &redirected {
                        None => InBody::new(&mut call, || body.call(again), false).await,
                        Some(to) => match redirect.call(to, again) {
                            Ok(future) => InBody::new(&mut call, || future, true).await,
                            Err(_gone) => value,
                        },
                    };
                    continue;
                }
            }
        }
        let mut parts = (ret.parts)(&mut value);
        call.release(&mut seen, &mut parts).await;
        call.store();
        if call.restriction > Restriction::None {
            let refusal = call.refuse();
            return ret.refused(refusal);
        }
        call.deliver(&parts);
        return value;
    }
}

impl<R> ReturnOps<R> {
    fn refused(&self, refusal: HookRefusal) -> R {
        let refuse = self
            .refuse
            .expect("a site that cannot refuse never has a verdict above none");
        refuse(refusal)
    }
}
