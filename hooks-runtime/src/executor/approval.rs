//! `Ask`: refused unless an approver allows this very call.

use crate::answer::Restriction;
use crate::approve::{Approval, ApprovalRequest, Approver};
use crate::context::Plan;
use crate::error::HookError;
use crate::hook::BoxFuture;
use crate::private::Parts;
use crate::view::RawView;

use super::ask::{answer_of, ask_all};
use super::call::Call;
use super::wait::{AskFuture, Wait};
use crate::point::Phase;

/// Asks the approver while the verdict is `Ask`; afterwards it is not.
pub(crate) async fn approve(
    call: &mut Call<'_>,
    args: &mut [RawView],
    mut result: Option<&mut Parts>,
    wait: Wait,
) {
    let mut edited = false;
    while call.restriction == Restriction::Ask {
        let Some(approver) = call.set.registry.approver() else {
            return; // Nobody can allow it: the questions themselves are the refusal.
        };
        let request = call.request(args, result.as_deref());
        let started = call.now();
        let answer = answer(call, &*approver, &request, wait).await;
        let waited = call.now().saturating_duration_since(started);
        call.ledger().waited += waited;
        match answer {
            Ok(Approval::Allow { digest }) if digest == request.digest => {
                call.restriction = Restriction::None
            }
            Ok(Approval::Allow { .. }) => {
                call.denied("the approval is for another call".into(), None)
            }
            Ok(Approval::Deny { reason }) => call.denied(reason, None),
            Ok(Approval::Edit { .. }) if edited => {
                call.denied("the arguments were edited once already".into(), None);
            }
            Ok(Approval::Edit { args: edits }) => {
                edited = true;
                match edit(call, args, edits) {
                    Ok(()) => decide_again(call, args, result.as_deref_mut(), wait).await,
                    Err(error) => call.denied(
                        format!("the edit was not possible: {error}"),
                        Some(error.kind()),
                    ),
                }
            }
            Err(error) => call.denied(error.to_string(), Some(error.kind())),
        }
        call.refuse_if_halted();
    }
}

async fn answer(
    call: &mut Call<'_>,
    approver: &dyn Approver,
    request: &ApprovalRequest,
    wait: Wait,
) -> Result<Approval, HookError> {
    let patience = answer_of(|| Ok(approver.patience()))?;
    let make = || -> BoxFuture<'_, Result<Approval, HookError>> { approver.approve(request) };
    let started = call.now();
    let answer = AskFuture::new(
        make,
        0,
        call.meta.id,
        call.meta.root,
        call.meta.clock,
        patience,
        wait,
    )
    .await;
    // One that blocks cannot be stopped, but its late answer does not count.
    if call.now().saturating_duration_since(started) > patience {
        return Err(HookError::Timeout(patience));
    }
    answer
}

fn edit(
    call: &Call<'_>,
    args: &mut [RawView],
    edits: Vec<(String, serde_json::Value)>,
) -> Result<(), HookError> {
    for (name, value) in edits {
        let at = call.meta.site.args.iter().position(|a| a.name == name);
        let at = at.ok_or_else(|| HookError::from(format!("there is no argument `{name}`")))?;
        let fits = args[at].set_json(value);
        fits.map_err(|error| HookError::from(format!("argument `{name}`: {error:?}")))?;
    }
    Ok(())
}

/// The guards see the edited arguments; the questions of intercepts stand, their grants do not.
async fn decide_again(
    call: &mut Call<'_>,
    args: &mut [RawView],
    result: Option<&mut Parts>,
    wait: Wait,
) {
    if matches!(call.plan, Plan::Cache { .. }) {
        // The key was made from the arguments as they were.
        call.plan = Plan::Run;
        call.ledger().plan_by = None;
    }
    call.reopen(false);
    let guards = &call.set.guards;
    ask_all(call, guards, 0, Phase::Pre, args, result, wait).await;
    call.require_grant();
}

impl Call<'_> {
    fn request(&self, args: &[RawView], planned: Option<&Parts>) -> ApprovalRequest {
        let names = self.meta.site.args.iter().map(|a| a.name);
        let shown: Vec<_> = names
            .zip(args)
            .map(|(name, view)| (name, view.to_json().ok()))
            .collect();
        let replaces = matches!(self.plan, Plan::Replace(_));
        let planned = match planned {
            Some(Parts::Plain(view) | Parts::Ok(view)) if replaces => view.to_json().ok(),
            _ => None,
        };
        let in_process_only =
            shown.iter().any(|(_, json)| json.is_none()) || (replaces && planned.is_none());
        let plan = match &self.plan {
            Plan::Cache { key, .. } => format!("cache {key}"),
            Plan::Redirect { to } => format!("redirect to {to}"),
            plan => plan.word().to_owned(),
        };
        let text = format!(
            "{} {} {plan} {planned:?} {shown:?}",
            self.meta.id, self.meta.site.path
        );
        let votes = self
            .said_in_stage()
            .iter()
            .filter(|s| s.counts && s.restriction == Restriction::Ask);
        ApprovalRequest {
            call_id: self.meta.id,
            point: self.meta.site.point,
            site: self.meta.site.path,
            component: self.meta.facts.named().map(Into::into),
            principal: self
                .meta
                .link
                .and_then(|link| link.principal.as_deref().map(Into::into)),
            questions: votes
                .map(|s| (s.id().into(), s.reason.clone().unwrap_or_default()))
                .collect(),
            plan,
            planned,
            args: shown
                .into_iter()
                .filter_map(|(name, json)| Some((name, json?)))
                .collect(),
            digest: self.set.registry.digest().digest(text.as_bytes()),
            in_process_only,
        }
    }

    fn denied(&mut self, reason: String, error: Option<&'static str>) {
        self.rule("hookpoint.approver", Restriction::Cancel, reason, error);
    }
}
