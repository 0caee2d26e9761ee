//! A call with several arguments and a body.

use std::fmt::Debug;
use std::future::Future;

use serde_json::{Map, Value};

use super::DynamicSite;
use crate::error::HookError;
use crate::private::{
    Facts, IsResult, No, NoRedirect, Yes, ret_of_items, returns, running_repeat, view_mut,
};
use crate::refusal::HookRefusal;

/// A call at a point that was named at run time, with arguments that have names and a body.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// use hooks_runtime::{DynamicCall, HookRefusal, hooks};
/// use serde_json::{Map, Value, json};
///
/// let arguments = Map::from_iter([("count".to_owned(), json!(7))]);
/// let call = DynamicCall::new("orders.count", arguments)?; // from here on, the point is known
/// let _limit = hooks().intercept("at-most-5", "orders.count", |cx| {
///     if cx.arg_json("count")?.as_u64() > Some(5) {
///         cx.set_arg_json("count", json!(5))?;
///     }
///     Ok(())
/// })?;
/// let counted: Result<Value, HookRefusal> =
///     call.run(|arguments| async move { Ok(arguments["count"].clone()) }).await;
/// assert_eq!(counted.unwrap(), 5);
/// # Ok::<(), hooks_runtime::HookError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct DynamicCall {
    site: DynamicSite,
    names: Vec<String>,
    values: Vec<Value>,
}

impl DynamicCall {
    /// How many arguments such a call may have.
    pub const MAX_ARGUMENTS: usize = 8;

    /// A call of that point. Calls whose arguments have the same names are at the same site.
    ///
    /// # Errors
    /// As [`DynamicSite::named`], and [`HookError::BadPattern`] for more than [`DynamicCall::MAX_ARGUMENTS`].
    pub fn new(point: &str, arguments: Map<String, Value>) -> Result<DynamicCall, HookError> {
        if arguments.len() > Self::MAX_ARGUMENTS {
            return Err(HookError::BadPattern {
                pattern: point.into(),
                why: format!(
                    "is called with {} arguments, and {} are the most: let one of them hold the others",
                    arguments.len(),
                    Self::MAX_ARGUMENTS
                )
                .into(),
            });
        }
        let mut arguments: Vec<(String, Value)> = arguments.into_iter().collect();
        arguments.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (names, values): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let site = DynamicSite::with_arguments(point, &known)?;
        Ok(DynamicCall {
            site,
            names,
            values,
        })
    }

    /// Calls it: what the body returns for the arguments as the hooks leave them, or what hooks bring in its place.
    /// The body runs again if a hook retries.
    ///
    /// # Errors
    /// The error of the body, or what becomes of the refusal of a hook.
    pub async fn run<E, F>(
        self,
        mut body: impl FnMut(Map<String, Value>) -> F + Send,
    ) -> Result<Value, E>
    where
        E: From<HookRefusal> + Debug + Send + 'static,
        F: Future<Output = Result<Value, E>> + Send,
    {
        let DynamicCall {
            site,
            names,
            values,
        } = self;
        let mut body = move |values: Vec<Value>| body(names.iter().cloned().zip(values).collect());
        if site.0.is_idle() {
            return body(values).await;
        }
        // The number of the views is a matter of types.
        match values.len() {
            0 => watched::<0, _, _>(site, values, body).await,
            1 => watched::<1, _, _>(site, values, body).await,
            2 => watched::<2, _, _>(site, values, body).await,
            3 => watched::<3, _, _>(site, values, body).await,
            4 => watched::<4, _, _>(site, values, body).await,
            5 => watched::<5, _, _>(site, values, body).await,
            6 => watched::<6, _, _>(site, values, body).await,
            7 => watched::<7, _, _>(site, values, body).await,
            _ => watched::<8, _, _>(site, values, body).await,
        }
    }
}

/// With exactly `N` values.
async fn watched<const N: usize, E, F>(
    site: DynamicSite,
    values: Vec<Value>,
    body: impl FnMut(Vec<Value>) -> F + Send,
) -> Result<Value, E>
where
    E: From<HookRefusal> + Debug + Send + 'static,
    F: Future<Output = Result<Value, E>> + Send,
{
    // What hooks can do with a value, as the attribute would have found out; and with the error.
    let (seen, error) = ((Yes, Yes, Yes, No, Yes, Yes), (Yes, No, No, Yes, No, Yes));
    running_repeat(
        site.0,
        Facts::new(),
        values,
        body,
        move |values: &mut Vec<Value>| {
            std::array::from_fn::<_, N, _>(|at| view_mut(&mut values[at], seen))
        },
        |values: &Vec<Value>| Some(values.clone()),
        returns(
            &ret_of_items::<Result<Value, E>>(),
            IsResult,
            Some(|refusal| Err(E::from(refusal))),
            seen,
            error,
        ),
        NoRedirect::future(),
    )
    .await
}
