//! A request as it is kept in a file.

use hooks_runtime::ApprovalRequest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::redacted::Redacted;
use crate::keys::{canonical, maybe, text};
use crate::redaction::WrittenForm;

/// Version of the form.
const VERSION: u32 = 1;
/// What comes between what is authenticated and the code that does it.
const MAC: &str = ",\"mac\":\"";
/// `MAC`, 64 digits, the end of the object and of the line.
const SUFFIX: usize = MAC.len() + 64 + "\"}\n".len();

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ApprovalState {
    /// Nobody has decided.
    Pending,
    /// The call may go on, once.
    Allowed,
    /// It may not, until the request expires.
    Denied,
    /// It was allowed, and has gone on.
    Used,
    /// It is too late.
    Expired,
}

impl ApprovalState {
    /// The lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            ApprovalState::Pending => "pending",
            ApprovalState::Allowed => "allowed",
            ApprovalState::Denied => "denied",
            ApprovalState::Used => "used",
            ApprovalState::Expired => "expired",
        }
    }
}

/// A request in a folder of approvals. Its values are redacted; those who show them escape them
/// ([`shown`](hooks_runtime::approve::shown)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeptRequest {
    version: u32,
    /// 128 random bits, as 32 hexadecimal digits.
    pub token: String,
    /// What became of it.
    pub state: ApprovalState,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// From when on it counts no more, whatever was decided.
    pub expires_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
    /// The point.
    pub point: String,
    /// The annotated function.
    pub site: String,
    /// The component, if the site names one.
    pub component: Option<String>,
    /// Whom the call is made for, if its scope says so.
    pub principal: Option<String>,
    /// What would happen: `run`, `replace`, `cache KEY`, `redirect to NAME`.
    pub plan: String,
    /// The value of a planned replacement.
    pub planned: Option<Value>,
    /// The arguments, by name.
    pub args: Value,
    /// Who asks what, as `(hook, question)`.
    pub questions: Vec<(String, String)>,
    pub(super) digest: String,
}

impl KeptRequest {
    /// A request that nobody has decided.
    pub(super) fn new(
        request: &ApprovalRequest,
        written: &WrittenForm,
        (token, digest): (String, String),
        (asked_at, expires_at): (Timestamp, Timestamp),
    ) -> Self {
        let Redacted {
            component,
            principal,
            plan,
            planned,
            args,
            questions,
        } = Redacted::new(request, written);
        KeptRequest {
            version: VERSION,
            token,
            state: ApprovalState::Pending,
            asked_at,
            expires_at,
            decided_at: None,
            point: request.point.to_owned(),
            site: request.site.to_owned(),
            component,
            principal,
            plan,
            planned,
            args,
            questions,
            digest,
        }
    }

    /// The bytes of its file.
    pub(super) fn write(&self, key: &[u8; 32]) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.pop();
        let mac = blake3::keyed_hash(key, &bytes).to_hex();
        bytes.extend_from_slice(format!("{MAC}{mac}\"}}\n").as_bytes());
        Ok(bytes)
    }

    /// A request from the bytes of a file; `Err`: why it is none.
    pub(super) fn read(bytes: &[u8], key: &[u8; 32]) -> Result<KeptRequest, &'static str> {
        let at = bytes.len().checked_sub(SUFFIX).ok_or("it is too short")?;
        let (body, suffix) = bytes.split_at(at);
        let mac = suffix.strip_prefix(MAC.as_bytes());
        let mac = mac.and_then(|mac| mac.strip_suffix(b"\"}\n"));
        let mac = mac.and_then(|mac| blake3::Hash::from_hex(mac).ok());
        // Two hashes are compared in constant time.
        if mac.ok_or("it has no code at its end")? != blake3::keyed_hash(key, body) {
            return Err("it was not written with the key of this folder, or was changed");
        }
        let whole = [body, b"}"].concat();
        let kept: KeptRequest =
            serde_json::from_slice(&whole).map_err(|_| "it has the form of another version")?;
        if kept.version != VERSION {
            return Err("it has the form of another version");
        }
        Ok(kept)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

/// What makes two calls the same: everything that was asked about, and everything that would happen.
pub(super) fn digest(key: &[u8; 32], request: &ApprovalRequest) -> String {
    let mut hasher = blake3::Hasher::new_keyed(key);
    text(&mut hasher, request.point);
    text(&mut hasher, request.site);
    maybe(&mut hasher, request.component.as_deref());
    maybe(&mut hasher, request.principal.as_deref());
    text(&mut hasher, &request.plan);
    canonical(&mut hasher, &request.planned.iter().cloned().collect());
    hasher.update(&(request.args.len() as u64).to_le_bytes());
    for (name, value) in &request.args {
        text(&mut hasher, name);
        canonical(&mut hasher, value);
    }
    for (hook, question) in &request.questions {
        text(&mut hasher, hook);
        text(&mut hasher, question);
    }
    hasher.finalize().to_hex().to_string()
}
