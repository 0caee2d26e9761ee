//! What the service answers.

use serde::Deserialize;

use super::client::Unanswered;

/// The answer; what else it has is left out. One that lacks `allow`, or has it twice, is none.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) allow: bool,
    pub(super) reason: Option<String>,
}

impl Answer {
    pub(super) fn read(body: &[u8]) -> Result<Answer, Unanswered> {
        serde_json::from_slice(body).map_err(|_| Unanswered::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_whether_it_allows_is_an_answer() {
        let read = |text: &str| Answer::read(text.as_bytes());
        assert!(read(r#"{"allow":true,"by":"ann"}"#).unwrap().allow);
        let denied = read(r#"{"reason":"no","allow":false}"#).unwrap();
        assert!(!denied.allow && denied.reason.as_deref() == Some("no"));
        for wrong in [
            "",
            "true",
            "{}",
            r#"{"allow":"true"}"#,
            r#"{"allow":1}"#,
            r#"{"allow":false,"allow":true}"#,
            r#"{"allow":true} {"allow":true}"#,
            r#"{"allow":true"#,
            r#"{"allow":null}"#,
            r#"{"Allow":true}"#,
        ] {
            assert!(
                matches!(read(wrong), Err(Unanswered::Unreadable)),
                "{wrong}"
            );
        }
    }
}
