//! Approval by a person at the terminal.

use std::future::Future;
use std::io::{BufRead, IsTerminal, Write};
use std::pin::Pin;

use hooks_runtime::{Approval, ApprovalRequest, Approver, HookError};

/// Asks on the terminal that the program was started from; without one every question is refused.
///
/// Everything that is shown has its control and bidirectional characters escaped, so that an argument
/// cannot draw a different question.
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
    let mut text = format!("\n{} wants to {} ", request.point, request.plan);
    if let Some(component) = &request.component {
        text += &shown(component);
    }
    for (name, value) in &request.args {
        text += &format!("\n  {name} = {}", shown(&value.to_string()));
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

/// The text with everything escaped that could move the cursor or turn the reading direction.
fn shown(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let one = |c: char| {
        if c.is_control() || turns(c) {
            c.escape_unicode().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_escaped() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown("x\u{202e}y\n"), "x\\u{202e}y\\u{a}");
        assert_eq!(shown("grün"), "grün");
    }
}
