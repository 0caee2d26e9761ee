//! Calls that are decided and never made.

use std::any::{Any, TypeId, type_name};
use std::marker::PhantomData;

use serde_json::Value;

use super::TestRegistry;
use crate::answer::Restriction;
use crate::private::Facts;
use crate::record::DecisionRecord;
use crate::registry::{rehearsal_site, simulate};
use crate::view::{Access, JSON_TABLE, RawPtr, RawView, ViewTable};

/// A call in the making, see [`TestRegistry::call`].
#[must_use = "nothing is decided before `.decide()`"]
pub struct FakeCall<'t> {
    kit: &'t TestRegistry,
    point: Box<str>,
    facts: Facts,
    args: Vec<(String, FakeValue)>,
}

struct FakeValue {
    value: Box<dyn Any + Send>,
    table: &'static ViewTable,
}

struct TableOf<T>(PhantomData<T>);

impl<T: Any + Send> TableOf<T> {
    const TYPED: &'static ViewTable = &ViewTable {
        type_name: type_name::<T>,
        type_id: Some(TypeId::of::<T>),
        to_json: None,
        set_json: None,
        debug: None,
        clone: None,
    };
}

impl<'t> FakeCall<'t> {
    pub(super) fn new(kit: &'t TestRegistry, point: &str) -> Self {
        FakeCall {
            kit,
            point: point.into(),
            facts: Facts::new(),
            args: Vec::new(),
        }
    }

    /// An argument of any type. One of type [`Value`] can be read and set as JSON too.
    pub fn arg<T: Any + Send>(mut self, name: &str, value: T) -> Self {
        let is_json = TypeId::of::<T>() == TypeId::of::<Value>();
        let table = if is_json {
            &JSON_TABLE
        } else {
            TableOf::<T>::TYPED
        };
        self.args.push((
            name.into(),
            FakeValue {
                value: Box::new(value),
                table,
            },
        ));
        self
    }

    /// The component that is called.
    pub fn component(mut self, name: &str) -> Self {
        self.facts = self.facts.component(name);
        self
    }

    /// An extra fact (`fields(…)`).
    pub fn field(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.facts = self.facts.field(name, value.into());
        self
    }

    /// Asks the intercepts and guards before the body, and joins what they say. Nothing is carried out.
    pub fn decide(self) -> Decision {
        let names: Vec<String> = self.args.iter().map(|(name, _)| name.clone()).collect();
        let mut values: Vec<FakeValue> = self.args.into_iter().map(|(_, value)| value).collect();
        let mut views: Vec<RawView> = values.iter_mut().map(FakeValue::view).collect();
        let info = rehearsal_site(&self.point, &names);
        let (record, restriction) =
            simulate(&self.kit.registry, info, self.facts, &mut views, false);
        let args = names
            .into_iter()
            .zip(values.into_iter().map(|v| v.value))
            .collect();
        Decision {
            record,
            restriction,
            args,
        }
    }
}

impl FakeValue {
    fn view(&mut self) -> RawView {
        let pointer = (&raw mut *self.value).cast::<()>();
        // SAFETY: the table is the one of the boxed value's type, chosen where the box was made; the views
        // are dropped before the values are looked at again; the value is `Send`.
        unsafe { RawView::new(RawPtr::new(pointer), self.table, Access::Write, true) }
    }
}

/// What hooks decided about a [`FakeCall`].
#[derive(Debug)]
pub struct Decision {
    record: DecisionRecord<'static>,
    restriction: Restriction,
    args: Vec<(String, Box<dyn Any + Send>)>,
}

impl Decision {
    /// Everything that was said.
    pub fn record(&self) -> &DecisionRecord<'static> {
        &self.record
    }

    /// An argument as the hooks left it.
    ///
    /// # Panics
    /// If there is none of that name and type.
    #[track_caller]
    pub fn arg<T: Any>(&self, name: &str) -> &T {
        let found = self
            .args
            .iter()
            .find(|(n, _)| n == name)
            .and_then(|(_, value)| value.downcast_ref());
        found.unwrap_or_else(|| panic!("no argument `{name}` of type {}", type_name::<T>()))
    }

    /// # Panics
    /// If somebody objected.
    #[track_caller]
    pub fn assert_passed(&self) -> &Self {
        assert!(
            self.restriction == Restriction::None,
            "expected the call to pass{}",
            self.shown()
        );
        self
    }

    /// # Panics
    /// If the call passed, or another hook's objection counted most.
    #[track_caller]
    pub fn assert_refused_by(&self, hook: &str) -> &Self {
        let by = self.record.refusal().map(|r| r.hook());
        assert!(
            by == Some(hook),
            "expected a refusal by `{hook}`, got {by:?}{}",
            self.shown()
        );
        self
    }

    /// # Panics
    /// If the call passed, or the reason does not contain the text.
    #[track_caller]
    pub fn assert_reason_contains(&self, text: &str) -> &Self {
        let reason = self
            .record
            .refusal()
            .map(|r| r.reason())
            .unwrap_or_default();
        assert!(
            reason.contains(text),
            "expected a reason with {text:?}, got {reason:?}{}",
            self.shown()
        );
        self
    }

    /// # Panics
    /// If that hook did not fail, or in another way: `other`, `panicked`, `timeout`, …, see
    /// [`HookError::kind`](crate::HookError::kind).
    #[track_caller]
    pub fn assert_failed(&self, hook: &str, kind: &str) -> &Self {
        let said = self
            .record
            .hooks()
            .iter()
            .filter(|said| &*said.hook == hook);
        let errors: Vec<_> = said.filter_map(|said| said.error).collect();
        assert!(
            errors.contains(&kind),
            "expected hook `{hook}` to fail with `{kind}`, got {errors:?}{}",
            self.shown()
        );
        self
    }

    /// # Panics
    /// If another plan counts: `run`, `replace`, `cache`, `redirect`.
    #[track_caller]
    pub fn assert_plan(&self, plan: &str) -> &Self {
        assert!(
            self.record.plan() == plan,
            "expected plan `{plan}`, got `{}`{}",
            self.record.plan(),
            self.shown()
        );
        self
    }

    fn shown(&self) -> String {
        format!("; the record:\n{:#}", self.record.to_json())
    }
}
