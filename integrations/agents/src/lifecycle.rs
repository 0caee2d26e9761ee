//! An agent's state and the one way to change it.

use hooks_runtime::hooked;
use tokio::sync::{Mutex, watch};

use crate::action::Action;
use crate::{AgentError, AgentState};

tokio::task_local! {
    /// The lifecycles whose transitions this task is deciding, innermost last.
    static DECIDING: Vec<usize>;
}

/// The state of one agent.
///
/// Reading takes no lock that a hook could be holding. A change is decided under `deciding`, so that changes come
/// one after another, and committed by compare-and-set after the last hook was asked: whoever refuses, wherever,
/// the state is still what it was.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    agent: String,
    state: watch::Sender<AgentState>,
    deciding: Mutex<()>,
}

impl Lifecycle {
    pub(crate) fn new(agent: String) -> Self {
        Lifecycle {
            agent,
            state: watch::Sender::new(AgentState::Initializing),
            deciding: Mutex::new(()),
        }
    }

    pub(crate) fn state(&self) -> AgentState {
        *self.state.borrow()
    }

    /// Waits while the agent is paused.
    pub(crate) async fn while_paused(&self) -> Result<(), AgentError> {
        let mut states = self.state.subscribe();
        // The sender is `self`: it can't have gone.
        let state = match states.wait_for(|state| *state != AgentState::Paused).await {
            Ok(state) => *state,
            Err(_) => self.state(),
        };
        match state {
            AgentState::Running => Ok(()),
            state => Err(AgentError::Stopped {
                agent: self.agent.clone(),
                state,
            }),
        }
    }

    /// Makes the change that `action` stands for.
    pub(crate) async fn change(&self, action: Action, reason: &str) -> Result<(), AgentError> {
        let (word, required, wanted) = action.route();
        let me = std::ptr::from_ref(self) as usize;
        let mut deciding = DECIDING.try_with(Clone::clone).unwrap_or_default();
        if deciding.contains(&me) {
            return Err(AgentError::Reentrant {
                agent: self.agent.clone(),
                action: word,
            });
        }
        deciding.push(me);
        let _one_at_a_time = self.deciding.lock().await;
        let from = self.state();
        let illegal = |from, to| AgentError::IllegalTransition {
            agent: self.agent.clone(),
            action: word,
            from,
            to,
        };
        if required.is_some_and(|required| required != from) || !from.may_become(wanted) {
            return Err(illegal(from, wanted));
        }
        let entered = DECIDING
            .scope(deciding, self.decide(action, from, wanted, reason))
            .await?;
        if wanted.is_observed_only() {
            return Ok(());
        }
        if !from.may_become(entered) {
            return Err(illegal(from, entered));
        }
        if !self.commit(from, entered) {
            // A run that was dropped has changed the state meanwhile.
            return Err(illegal(self.state(), entered));
        }
        if entered != wanted {
            return Err(AgentError::Diverted {
                agent: self.agent.clone(),
                action: word,
                wanted,
                entered,
            });
        }
        Ok(())
    }

    async fn decide(
        &self,
        action: Action,
        from: AgentState,
        to: AgentState,
        reason: &str,
    ) -> Result<AgentState, AgentError> {
        let agent = self.agent.as_str();
        match action {
            Action::Initialize => self.init(agent, from, to, reason).await,
            Action::Start => self.start(agent, from, to, reason).await,
            Action::Finish => self.transition(agent, from, to, reason).await,
            Action::Pause => self.pause(agent, from, to, reason).await,
            Action::Resume => self.resume(agent, from, to, reason).await,
            Action::Recover => self.recover(agent, from, to, reason).await,
            Action::Fail => Ok(self.fail(agent, &from, &to, reason).await),
            Action::Stop => Ok(self.stop(agent, &from, &to, reason).await),
        }
    }

    /// Sets `to` if the state is still `from`.
    fn commit(&self, from: AgentState, to: AgentState) -> bool {
        self.state.send_if_modified(|state| {
            let unchanged = *state == from;
            if unchanged {
                *state = to;
            }
            unchanged
        })
    }

    /// Brings a run that was dropped back to ready, through running if it was paused. Hooks may only watch.
    pub(crate) fn abort(&self) {
        loop {
            let (from, to) = match self.state() {
                AgentState::Running => (AgentState::Running, AgentState::Ready),
                AgentState::Paused => (AgentState::Paused, AgentState::Running),
                _ => return,
            };
            self.aborted(&self.agent, &from, &to, "aborted");
        }
    }

    /// Decides a change of state. What it returns is the state to enter; it is checked and committed by the caller.
    #[hooked(point = "agent.transition", component = agent)]
    async fn transition(
        &self,
        agent: &str,
        from: AgentState,
        to: AgentState,
        reason: &str,
    ) -> Result<AgentState, AgentError> {
        let current = self.state();
        if from == current && from.may_become(to) {
            return Ok(to);
        }
        let _ = reason;
        Err(AgentError::IllegalTransition {
            agent: agent.to_owned(),
            action: "transition",
            from: current,
            to,
        })
    }

    /// A change that nothing can prevent: to failed or terminated.
    #[hooked(point = "agent.transition", component = agent, observe)]
    #[allow(unused_variables, reason = "hooks read them")]
    async fn observed_transition(
        &self,
        agent: &str,
        from: &AgentState,
        to: &AgentState,
        reason: &str,
    ) {
        self.commit(*from, *to);
    }

    /// The same where nothing can be awaited: the run's future was dropped.
    #[hooked(point = "agent.transition", component = agent, observe)]
    #[allow(unused_variables, reason = "hooks read them")]
    fn aborted(&self, agent: &str, from: &AgentState, to: &AgentState, reason: &str) {
        self.commit(*from, *to);
    }

    #[hooked(point = "agent.fail", component = agent, observe)]
    async fn fail(
        &self,
        agent: &str,
        from: &AgentState,
        to: &AgentState,
        reason: &str,
    ) -> AgentState {
        self.observed_transition(agent, from, to, reason).await;
        *to
    }

    #[hooked(point = "agent.stop", component = agent, observe)]
    async fn stop(
        &self,
        agent: &str,
        from: &AgentState,
        to: &AgentState,
        reason: &str,
    ) -> AgentState {
        self.observed_transition(agent, from, to, reason).await;
        *to
    }
}

/// The points of the single transitions: each asks its own hooks, then those of `agent.transition`.
macro_rules! transition_points {
    ($($point:literal $name:ident)*) => {
        impl Lifecycle {$(
            #[hooked(point = $point, component = agent)]
            async fn $name(
                &self,
                agent: &str,
                from: AgentState,
                to: AgentState,
                reason: &str,
            ) -> Result<AgentState, AgentError> {
                self.transition(agent, from, to, reason).await
            }
        )*}
    };
}

transition_points! {
    "agent.init" init
    "agent.start" start
    "agent.pause" pause
    "agent.resume" resume
    "agent.recover" recover
}
