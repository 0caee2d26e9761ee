//! The sites of the decision table, one for each thing that a site can or cannot carry.

use std::sync::atomic::{AtomicUsize, Ordering};

use hookpoint::{HookRefusal, hooked};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Out {
    pub(crate) text: String,
}

impl Out {
    pub(crate) fn new(text: &str) -> Self {
        Out { text: text.into() }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Refused(#[from] HookRefusal),
    #[error("the body failed")]
    Body,
}

/// What the body does, and how often it did.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    pub(crate) behaviour: Behaviour,
    pub(crate) runs: AtomicUsize,
    pub(crate) other_runs: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    #[default]
    Value,
    Error,
    ErrorThenValue,
    Panic,
}

impl Probe {
    fn body(&self, input: &str) -> Result<Out, Error> {
        assert!(!input.is_empty());
        let before = self.runs.fetch_add(1, Ordering::SeqCst);
        match self.behaviour {
            Behaviour::Value => Ok(Out::new("body")),
            Behaviour::Error => Err(Error::Body),
            Behaviour::ErrorThenValue if before == 0 => Err(Error::Body),
            Behaviour::ErrorThenValue => Ok(Out::new("body")),
            Behaviour::Panic => panic!("the body panics"),
        }
    }

    fn infallible(&self, input: &str) -> Out {
        self.body(input).unwrap_or_else(|_| Out::new("error"))
    }

    fn other(&self) -> Result<Out, Error> {
        self.other_runs.fetch_add(1, Ordering::SeqCst);
        Ok(Out::new("redirected"))
    }
}

fn refused(refusal: HookRefusal) -> Out {
    Out {
        text: format!("refused executed={}", refusal.executed()),
    }
}

/// Leaves out the messages of panics that tests cause on purpose: they would bury a real one.
pub(crate) fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // Only what is panicked on purpose is no text.
            let payload = info.payload();
            let literal = payload.downcast_ref::<&str>().copied();
            let made = payload.downcast_ref::<String>().map(String::as_str);
            if !matches!(
                literal.or(made).unwrap_or("injected panic"),
                "panics"
                    | "injected panic"
                    | "injected panic, in a text that is made"
                    | "the hook panics"
                    | "the observer panics"
                    | "the body panics"
            ) {
                before(info);
            }
        }));
    });
}

pub(crate) mod blocking {
    use super::*;

    #[hooked(point = "decisions.fallible", component = "main", redirect = |to: &str| {
        (to == "other").then_some(other)
    })]
    pub(crate) fn fallible(input: String, probe: &Probe) -> Result<Out, Error> {
        probe.body(&input)
    }

    #[hooked(point = "decisions.fallible", component = "other")]
    pub(crate) fn other(_input: String, probe: &Probe) -> Result<Out, Error> {
        probe.other()
    }

    #[hooked(point = "decisions.fallible_once", component = "main")]
    pub(crate) fn fallible_once(
        input: String,
        probe: &Probe,
        scratch: &mut u32,
    ) -> Result<Out, Error> {
        *scratch += 1;
        probe.body(&input)
    }

    #[hooked(point = "decisions.infallible", component = "main", on_refused = |r| refused(r))]
    pub(crate) fn infallible(input: String, probe: &Probe) -> Out {
        probe.infallible(&input)
    }

    #[hooked(point = "decisions.observe", component = "main", observe)]
    pub(crate) fn observe(input: String, probe: &Probe) -> Out {
        probe.infallible(&input)
    }

    #[hooked(point = "decisions.closed", component = "main", closed, redirect = |to: &str| {
        (to == "other").then_some(closed_other)
    })]
    pub(crate) fn closed(input: String, probe: &Probe) -> Result<Out, Error> {
        probe.body(&input)
    }

    #[hooked(point = "decisions.closed", component = "other", closed)]
    pub(crate) fn closed_other(_input: String, probe: &Probe) -> Result<Out, Error> {
        probe.other()
    }
}

pub(crate) mod asynchronous {
    use super::*;

    #[hooked(point = "decisions.fallible", component = "main", retry, redirect = |to: &str| {
        (to == "other").then_some(other)
    })]
    pub(crate) async fn fallible(input: String, probe: &Probe) -> Result<Out, Error> {
        probe.body(&input)
    }

    #[hooked(point = "decisions.fallible", component = "other")]
    pub(crate) async fn other(_input: String, probe: &Probe) -> Result<Out, Error> {
        probe.other()
    }

    #[hooked(point = "decisions.fallible_once", component = "main")]
    pub(crate) async fn fallible_once(
        input: String,
        probe: &Probe,
        scratch: &mut u32,
    ) -> Result<Out, Error> {
        *scratch += 1;
        probe.body(&input)
    }

    #[hooked(point = "decisions.infallible", component = "main", retry, on_refused = |r| refused(r))]
    pub(crate) async fn infallible(input: String, probe: &Probe) -> Out {
        probe.infallible(&input)
    }

    #[hooked(point = "decisions.observe", component = "main", observe)]
    pub(crate) async fn observe(input: String, probe: &Probe) -> Out {
        probe.infallible(&input)
    }

    #[hooked(point = "decisions.closed", component = "main", closed, retry, redirect = |to: &str| {
        (to == "other").then_some(closed_other)
    })]
    pub(crate) async fn closed(input: String, probe: &Probe) -> Result<Out, Error> {
        probe.body(&input)
    }

    #[hooked(point = "decisions.closed", component = "other", closed)]
    pub(crate) async fn closed_other(_input: String, probe: &Probe) -> Result<Out, Error> {
        probe.other()
    }
}
