//! Which answers are kept, in the order in which they were used, and which are on their way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hooks_runtime::KeptAnswer;

use super::flight::Flight;

/// The answers of one hook. The values are in the registry, where they are clones of what bodies returned; a
/// cache of its own would have to keep them as JSON. The order of use is kept here, exactly.
pub(super) struct Answers {
    max_entries: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tick: u64,
    kept: HashMap<Arc<str>, (u64, KeptAnswer)>,
    by_use: BTreeMap<u64, Arc<str>>,
    flights: HashMap<Arc<str>, Arc<Flight>>,
}

/// What a call is to do.
pub(super) enum Turn {
    /// There is an answer.
    Hit,
    /// Nobody else is at it.
    Lead(Pending),
    /// Somebody is.
    Wait(Arc<Flight>),
}

/// A call that may leave an answer; what it left is entered when this is dropped, whatever its outcome was.
pub(super) struct Pending {
    answers: Arc<Answers>,
    key: Arc<str>,
    place: KeptAnswer,
    flight: Option<Arc<Flight>>,
}

impl Answers {
    pub(super) fn new(max_entries: usize) -> Self {
        Answers {
            max_entries,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a call with that key is to do. The look at the answer and the one at the flights are one step: a
    /// flight is taken out after its answer is there.
    pub(super) fn turn(self: &Arc<Self>, key: &Arc<str>, place: &KeptAnswer) -> Turn {
        let mut state = self.lock();
        if place.is_there() {
            state.touch(key);
            return Turn::Hit;
        }
        if let Some(flight) = state.flights.get(key) {
            return Turn::Wait(flight.clone());
        }
        let flight = Arc::<Flight>::default();
        state.flights.insert(key.clone(), flight.clone());
        Turn::Lead(self.pending(key, place, Some(flight)))
    }

    /// A call that nobody waits for, and that waits for nobody.
    pub(super) fn alone(self: &Arc<Self>, key: &Arc<str>, place: &KeptAnswer) -> Pending {
        self.lock().touch(key);
        self.pending(key, place, None)
    }

    fn pending(
        self: &Arc<Self>,
        key: &Arc<str>,
        place: &KeptAnswer,
        flight: Option<Arc<Flight>>,
    ) -> Pending {
        Pending {
            answers: self.clone(),
            key: key.clone(),
            place: place.clone(),
            flight,
        }
    }
}

impl State {
    /// It was used last.
    fn touch(&mut self, key: &Arc<str>) {
        if let Some((used, _)) = self.kept.get_mut(key) {
            self.tick += 1;
            self.by_use.remove(used);
            *used = self.tick;
            self.by_use.insert(self.tick, key.clone());
        }
    }

    /// Enters an answer, and gives those for which there is no room any more.
    fn enter(&mut self, key: &Arc<str>, place: &KeptAnswer, max: usize) -> Vec<KeptAnswer> {
        self.tick += 1;
        let before = self.kept.insert(key.clone(), (self.tick, place.clone()));
        if let Some((used, _)) = before {
            self.by_use.remove(&used);
        }
        self.by_use.insert(self.tick, key.clone());
        let mut out = Vec::new();
        while self.kept.len() > max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            out.extend(self.kept.remove(&oldest).map(|(_, place)| place));
        }
        out
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut state = self.answers.lock();
        if self.flight.is_some() {
            state.flights.remove(&self.key);
        }
        let out = if self.place.is_there() {
            state.enter(&self.key, &self.place, self.answers.max_entries)
        } else {
            Vec::new()
        };
        drop(state);
        out.iter().for_each(KeptAnswer::forget);
        if let Some(flight) = &self.flight {
            flight.land();
        }
    }
}
