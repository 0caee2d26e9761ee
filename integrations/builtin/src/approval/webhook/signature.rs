//! Signatures, as the specification of Standard Webhooks 1.0 has them: <https://www.standardwebhooks.com>.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use ring::hmac;

use super::client::Unanswered;
use crate::approval::redacted::KIND;
use crate::error::BuiltinError;

pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";

/// What secrets begin with that are base64.
const PREFIX: &str = "whsec_";
/// The shortest secret, in bytes.
const SHORTEST: usize = 16;
/// How far the clocks may be apart, in seconds.
const TOLERANCE_S: u64 = 300;

/// What requests and answers are signed with. Never shown.
#[derive(Clone)]
pub(super) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Secret(text.to_owned())
    }

    pub(super) fn of_variable(variable: &str) -> Result<Self, BuiltinError> {
        let text = std::env::var(variable);
        let text =
            text.map_err(|_| wrong(&format!("names `{variable}`, which is not set to text")))?;
        Ok(Secret(text))
    }

    /// What signs with it.
    ///
    /// # Errors
    /// It is too short, or no base64.
    pub(super) fn signer(&self) -> Result<Signer, BuiltinError> {
        let bytes = match self.0.strip_prefix(PREFIX) {
            Some(coded) => STANDARD.decode(coded).map_err(|_| {
                wrong(&format!(
                    "names a secret that begins with `{PREFIX}` and is no base64"
                ))
            })?,
            None => self.0.clone().into_bytes(),
        };
        if bytes.len() < SHORTEST {
            return Err(wrong(&format!(
                "names a secret that is shorter than {SHORTEST} bytes"
            )));
        }
        Ok(Signer(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

/// A secret that is good enough, ready to sign with.
pub(super) struct Signer(hmac::Key);

impl Signer {
    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let tag = hmac::sign(&self.0, &signed(id, timestamp, body));
        format!("v1,{}", STANDARD.encode(tag))
    }

    /// # Errors
    /// It is not signed with this secret, for that id, lately.
    pub(super) fn verify(
        &self,
        id: &str,
        now: i64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Unanswered> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let timestamp = text(TIMESTAMP).and_then(|text| text.parse().ok());
        let (Some(answered), Some(timestamp), Some(signatures)) =
            (text(ID), timestamp, text(SIGNATURE))
        else {
            return Err(Unanswered::Unsigned("it is not signed"));
        };
        if answered != id {
            return Err(Unanswered::Unsigned("it is the answer to another question"));
        }
        if now.abs_diff(timestamp) > TOLERANCE_S {
            return Err(Unanswered::Unsigned(
                "its time is more than five minutes off",
            ));
        }
        let signed = signed(id, timestamp, body);
        // Several, while secrets are changed.
        let matches = |one: &str| {
            let tag = one.strip_prefix("v1,").map(|tag| STANDARD.decode(tag));
            matches!(tag, Some(Ok(tag)) if hmac::verify(&self.0, &signed, &tag).is_ok())
        };
        match signatures.split(' ').any(matches) {
            true => Ok(()),
            false => Err(Unanswered::Unsigned("its signature is wrong")),
        }
    }
}

fn signed(id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    [format!("{id}.{timestamp}.").as_bytes(), body].concat()
}

fn wrong(why: &str) -> BuiltinError {
    BuiltinError::BadOption {
        kind: KIND,
        option: "secret_env",
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_of_the_specification() {
        let signer = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .signer()
            .unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_long_enough_and_never_shown() {
        for (text, why) in [
            ("", "shorter than 16"),
            ("fifteen-letters", "shorter than 16"),
            ("whsec_MfKQ9r8GKYqr", "shorter than 16"),
            ("whsec_no base64 at all", "no base64"),
        ] {
            let error = Secret::new(text).signer().err().unwrap().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let shown = format!("{:?}", Secret::new("sixteen-letters-"));
        assert_eq!(shown, "Secret(…)");
        let error = Secret::of_variable("HOOKPOINT_NO_SUCH_VARIABLE").unwrap_err();
        assert!(error.to_string().contains("is not set"), "{error}");
    }
}
