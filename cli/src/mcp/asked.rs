//! Who is asked where the configuration says nobody.

use std::future::{Future, ready};
use std::io::IsTerminal as _;
use std::pin::Pin;
use std::time::Duration;

use hookpoint::builtin::TerminalApprover;
use hookpoint::mcp::ElicitationApprover;
use hookpoint::system::HookSystemBuilder;
use hookpoint::{Approval, ApprovalRequest, Approver, HookError};

/// Who may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Who {
    /// The user of the client, if it can show a form.
    Elicitation,
    /// Whoever sits at the terminal, if there is one.
    Terminal,
    /// Nobody: every question is refused.
    None,
}

/// Whoever is listed, in the order of [`Who`]; everybody if the list is empty.
pub(super) fn install(
    builder: HookSystemBuilder,
    listed: &[Who],
    on_stdio: bool,
) -> HookSystemBuilder {
    let asks = |who| listed.is_empty() || listed.contains(&who);
    let last = Last {
        terminal: TerminalApprover::new(),
        out: if !asks(Who::Terminal) {
            Some("--approve does not name the terminal")
        } else if on_stdio && std::io::stdin().is_terminal() {
            Some("the protocol is spoken at the terminal")
        } else {
            None
        },
    };
    match asks(Who::Elicitation) {
        true => builder.default_approver(ElicitationApprover::or(last)),
        false => builder.default_approver(last),
    }
}

/// Asks at the terminal if that is possible, and else says who all could not be asked.
struct Last {
    terminal: TerminalApprover,
    /// Why not at the terminal, if that is known before.
    out: Option<&'static str>,
}

impl Approver for Last {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Approval, HookError>> + Send + 'a>> {
        let why = match self.out {
            Some(out) => out.to_owned(),
            None => match self.terminal.available() {
                Ok(()) => return self.terminal.approve(request),
                Err(error) => error.to_string(),
            },
        };
        let asked = request.questions.first().map(|(_, question)| &**question);
        Box::pin(ready(Ok(request.deny(format!(
            "{} Nobody can be asked: the configuration has no [approver], the client has no elicitation, and {why}",
            asked.unwrap_or_default(),
        )))))
    }

    fn patience(&self) -> Duration {
        self.terminal.patience()
    }
}
