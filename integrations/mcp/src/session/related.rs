//! Which request a message belongs to, where its transport does not say so, or says it by an id of ours.

use super::Session;
use crate::json::JsonText;
use crate::message::{Id, Message, Rejected};
use crate::methods::{PROGRESS, Party};

impl Session {
    /// The request of the other side, by its own id there, that a message belongs to.
    pub(super) fn related(
        &self,
        from: Party,
        hint: Option<&Id>,
        message: &Result<Message, Rejected>,
    ) -> Option<Id> {
        let asked = &self.peer(from).asked;
        if let Some(asker) = hint.and_then(|id| asked.asker(id)) {
            return Some(asker);
        }
        let Ok(Message::Notification(call)) = message else {
            return None;
        };
        let params = call.params.as_ref().filter(|_| call.method == PROGRESS)?;
        let token = Id::read(params.value().get("progressToken")?)?;
        asked.asker_by_token(&token)
    }
}

/// What progress of a request is told under. Parameters that do not name it are not read.
pub(super) fn progress_token(params: &JsonText) -> Option<Id> {
    let names_it = params.as_str().contains("\"progressToken\"");
    let value = names_it.then(|| params.value())?;
    value.pointer("/_meta/progressToken").and_then(Id::read)
}
