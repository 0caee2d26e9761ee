//! Approval by a person at the terminal.

use std::future::Future;
use std::io::{BufRead, IsTerminal, Write};
use std::pin::Pin;

use hooks_runtime::approve::shown;
use hooks_runtime::{Approval, ApprovalRequest, Approver, HookError};

/// How much of a value or a question is shown, in characters.
const MAX_CHARS: usize = 2000;

/// Asks on the terminal that the program was started from; without one every question is refused.
///
/// Everything that is shown has its control and bidirectional characters escaped, so that an argument
/// cannot draw a different question; what is longer than 2,000 characters is cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct TerminalApprover;

impl Approver for TerminalApprover {
    fn approve<'a>(
        &'a self,
        request: &'a ApprovalRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Approval, HookError>> + Send + 'a>> {
        Box::pin(async move {
            if !std::io::stdin().is_terminal() {
                return Ok(request.deny("there is no terminal to ask at"));
            }
            let question = question(request);
            let (answer, answered) = tokio::sync::oneshot::channel();
            // A thread of its own: reading a line blocks, and no executor can be relied on.
            let thread = std::thread::Builder::new().name("hookpoint-approver".into());
            thread.spawn(move || {
                let said = ask(&question);
                // Nobody waits any more if the call was dropped: the answer is for nothing then.
                drop(answer.send(said));
            })?;
            Ok(if answered.await?? {
                request.allow()
            } else {
                request.deny("denied at the terminal")
            })
        })
    }
}

fn question(request: &ApprovalRequest) -> String {
    let shown = |text: &str| shown(text, MAX_CHARS);
    let mut text = format!("\n{} wants to {} ", request.point, shown(&request.plan));
    if let Some(component) = &request.component {
        text += &shown(component);
    }
    for (name, value) in &request.args {
        text += &format!("\n  {name} = {}", shown(&value.to_string()));
    }
    if let Some(value) = &request.planned {
        text += &format!("\n  instead of it: {}", shown(&value.to_string()));
    }
    for (hook, question) in &request.questions {
        text += &format!("\n  {}: {}", shown(hook), shown(question));
    }
    text + "\nAllow this call? [y/N] "
}

fn ask(question: &str) -> std::io::Result<bool> {
    let mut out = std::io::stderr().lock();
    out.write_all(question.as_bytes())?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
