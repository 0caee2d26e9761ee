//! Calls at points that are known only when the program runs.

mod call;

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::catalogue;
use crate::error::HookError;
use crate::pattern::Pattern;
use crate::point::HookPoint;
use crate::private::{
    Facts, IsResult, No, NoRedirect, Yes, ret_of_items, returns, running_repeat, view_mut,
};
use crate::refusal::HookRefusal;
use crate::site::{HookSite, SiteInfo};

pub use call::DynamicCall;

/// What stands where other sites have their file.
const AT_RUN_TIME: &str = "(named at run time)";

/// The bits of a site that is asynchronous and can run again, see `site/text.rs`.
const FLAGS: u8 = 0b1001;

/// A hook point that was named at run time: what turns something else, such as an event or a message, into a
/// hooked call.
///
/// Such a call has one argument and gives it back: hooks may change it, refuse it, or answer in its place.
/// Functions that are known when the program is compiled are hooked with `#[hooked]`, which costs less.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// use hooks_runtime::{DynamicSite, hooks};
///
/// let accept = DynamicSite::named("orders.accept", "order")?;
/// let _free = hooks().intercept("free-shipping", "orders.accept", |cx| {
///     *cx.arg_mut::<u64>("order")? -= 5;
///     Ok(())
/// })?;
/// assert_eq!(accept.call(100_u64).await.unwrap(), 95);
/// # Ok::<(), hooks_runtime::HookError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DynamicSite(&'static HookSite);

/// The sites that were named so far. They stay for ever, because records refer to them.
static NAMED: Mutex<BTreeMap<(String, String), &'static HookSite>> = Mutex::new(BTreeMap::new());

impl DynamicSite {
    /// How many sites a program may name; each stays in memory as long as the program runs.
    pub const MAX: usize = 10_000;

    /// The site of that point whose argument has that name; the same one whenever it is asked for.
    ///
    /// # Errors
    /// [`HookError::UnknownPoint`] for a name under a built-in group, [`HookError::BadPattern`] for one that is no
    /// dotted lower-case name, or if there are [`DynamicSite::MAX`] sites already.
    pub fn named(point: &str, argument: &str) -> Result<DynamicSite, HookError> {
        DynamicSite::with_arguments(point, &[argument])
    }

    /// The same with arguments of these names.
    fn with_arguments(point: &str, arguments: &[&str]) -> Result<DynamicSite, HookError> {
        let bad = |why: &str| HookError::BadPattern {
            pattern: point.into(),
            why: why.into(),
        };
        let (pattern, _) = Pattern::parse(point)?;
        if !pattern.is_literal() || HookPoint::parse(point).is_builtin() {
            return Err(bad(
                "is no point of your own: write a dotted lower-case name such as `orders.accept`",
            ));
        }
        if !arguments.iter().all(|name| is_name(name)) {
            return Err(bad(
                "has an argument whose name is none: write letters, digits and `_`, such as `order`",
            ));
        }
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (point.to_owned(), arguments.join(" "));
        if let Some(site) = named.get(&key) {
            return Ok(DynamicSite(site));
        }
        if named.len() >= Self::MAX {
            return Err(bad(
                "is one too many: 10,000 points were named at run time; let what differs be an argument or the \
                 component",
            ));
        }
        let mut text = format!("{point}\0{AT_RUN_TIME}\x000\0\0\0Result<_, HookRefusal>");
        for name in arguments {
            text.push_str(&format!("\0v{name}:_"));
        }
        let site = HookSite::new(leak(point), leak(&text), FLAGS);
        let site: &'static HookSite = Box::leak(Box::new(site));
        named.insert(key, site);
        drop(named);
        catalogue::register(site);
        Ok(DynamicSite(site))
    }

    /// Whether a site is one that was named at run time, and no function of the program.
    pub fn is_one(site: &SiteInfo) -> bool {
        site.file == AT_RUN_TIME
    }

    /// What is known of it.
    pub fn info(&self) -> &'static SiteInfo {
        self.0.info()
    }

    /// Calls it: the value as the hooks leave it.
    ///
    /// # Errors
    /// The refusal of a hook.
    pub async fn call<T>(&self, value: T) -> Result<T, HookRefusal>
    where
        T: Clone + Serialize + DeserializeOwned + Send + 'static,
    {
        self.run(Facts::new(), value).await
    }

    /// The same for a component, by which hooks may choose their calls.
    ///
    /// # Errors
    /// The refusal of a hook.
    pub async fn call_for<T>(&self, component: &str, value: T) -> Result<T, HookRefusal>
    where
        T: Clone + Serialize + DeserializeOwned + Send + 'static,
    {
        if self.0.is_idle() {
            return Ok(value);
        }
        self.run(Facts::new().component(component), value).await
    }

    async fn run<T>(&self, facts: Facts, value: T) -> Result<T, HookRefusal>
    where
        T: Clone + Serialize + DeserializeOwned + Send + 'static,
    {
        if self.0.is_idle() {
            return Ok(value);
        }
        // What hooks can do with the value, as the attribute would have found out: all but `Debug`.
        let seen = (Yes, Yes, Yes, No, Yes, Yes);
        let refusal = (Yes, No, No, No, No, Yes);
        running_repeat(
            self.0,
            facts,
            (value, ()),
            |(value, ()): (T, ())| ready(Ok(value)),
            move |(value, ()): &mut (T, ())| [view_mut(value, seen)],
            |(value, ()): &(T, ())| Some((value.clone(), ())),
            returns(
                &ret_of_items::<Result<T, HookRefusal>>(),
                IsResult,
                Some(Err),
                seen,
                refusal,
            ),
            NoRedirect::future(),
        )
        .await
    }
}

fn is_name(argument: &str) -> bool {
    let mut letters = argument.chars();
    let starts = letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    starts && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}
